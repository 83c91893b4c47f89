"""The server's side of https."""

from __future__ import annotations

import ssl
from pathlib import Path

from musetalk_fast.errors import UsageError


def server_context(cert: Path, key: Path | None, client_ca: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or 1.3 with a certificate of ours.

    Args:
        key: of the certificate; None: it is in the same file.
        client_ca: only clients with a certificate of these authorities get in; None: all do.

    Raises:
        UsageError: a file that is missing or not what it should be.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Without a password OpenSSL would ask the terminal for that of an encrypted key.
        context.load_cert_chain(cert, key, password="")
    except OSError as error:
        raise UsageError(
            f"not a certificate with its key, in PEM and unencrypted: {error.strerror or error}",
            where=str(cert),
            hint="name the key's file with --tls-key, if it is another",
        ) from error
    if client_ca is None:
        return context
    try:
        context.load_verify_locations(client_ca)
    except OSError as error:
        raise UsageError(
            f"not PEM certificates: {error.strerror or error}", where=str(client_ca)
        ) from error
    context.verify_mode = ssl.CERT_REQUIRED
    return context
