"""Credentials for a server: API key, client certificate, and which authorities we trust."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from musetalk_fast.client.address import Address
from musetalk_fast.config import ServerSettings
from musetalk_fast.config.api_key import read_key_file
from musetalk_fast.config.home_paths import expanded
from musetalk_fast.errors import InvalidSettingError, MuseTalkError

_STARS = "***"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The key and the TLS context for all servers of a run.

    Attributes:
        api_key: sent as a bearer token, or None.
        tls: for https; None: the system's certificates, nothing shown.
    """

    api_key: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None

    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}

    def redact(self, error: MuseTalkError) -> None:
        """Put stars where a server's words in `error` repeat the key."""
        if not self.api_key:
            return
        error.message = error.message.replace(self.api_key, _STARS)
        error.args = (error.message,)
        if error.hint:
            error.hint = error.hint.replace(self.api_key, _STARS)

    def notes(self, address: Address) -> tuple[str, ...]:
        """What the user should know about a connection to `address`, as complete sentences."""
        if self.api_key and address.base.startswith("http://") and not address.is_local:
            return (f"the API key travels unencrypted to {address.name}: use https",)
        return ()


NOTHING = Credentials()
"""For servers that ask nothing of us, such as the built-in one."""


def load_credentials(settings: ServerSettings) -> Credentials:
    """Read the files that the settings name; blocks.

    Raises:
        errors.InvalidSettingError: a file that is missing or not what it should be.
    """
    key = settings.api_key
    if key is None and settings.api_key_file is not None:
        key = read_key_file(expanded(settings.api_key_file))
    return Credentials(key, _tls(settings))


def _tls(settings: ServerSettings) -> ssl.SSLContext | None:
    if settings.key is not None and settings.cert is None:
        raise InvalidSettingError(
            "a certificate's key without the certificate", where="server key", hint="add --cert"
        )
    if settings.ca_file is None and settings.cert is None:
        return None
    context = _trusting(settings.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.cert is not None:
        _show(context, settings.cert, settings.key)
    return context


def _trusting(ca_file: str | None) -> ssl.SSLContext:
    if ca_file is None:
        return ssl.create_default_context()
    path = expanded(ca_file)
    try:
        return ssl.create_default_context(cafile=str(path))
    except OSError as error:  # what OpenSSL says is one as well
        raise InvalidSettingError(
            f"not PEM certificates: {error.strerror or error}", where=str(path)
        ) from error


def _show(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    path = expanded(cert)
    try:
        # Without a password OpenSSL would ask the terminal for that of an encrypted key.
        context.load_cert_chain(path, key and expanded(key), password="")
    except OSError as error:
        raise InvalidSettingError(
            f"not a certificate with its key, in PEM and unencrypted: {error.strerror or error}",
            where=str(path),
            hint="name the key's file with --key, if it is another",
        ) from error
