"""The hub's address and credentials, from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from musetalk_fast.client.address import Address, parse_address
from musetalk_fast.errors import InvalidSettingError

DEFAULT_ENDPOINT = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class HubAccess:
    """Where the hub is, and what it is shown.

    Attributes:
        token: a secret: never in a message, and shown to nobody but the endpoint.
    """

    endpoint: Address
    token: str | None = field(default=None, repr=False)

    @property
    def may_send_token(self) -> bool:
        """Whether nobody on the way can read it."""
        return self.endpoint.base.startswith("https:") or self.endpoint.is_local


def hub_access(environ: Mapping[str, str]) -> HubAccess:
    """What `HF_ENDPOINT` and `HF_TOKEN` say; an empty one counts as unset.

    Raises:
        errors.InvalidSettingError: no address of HTTP, or no token; its value is not repeated.
    """
    token = environ.get("HF_TOKEN", "").strip()
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise InvalidSettingError("no token", where="HF_TOKEN", hint="correct it, or unset it")
    text = environ.get("HF_ENDPOINT", "").strip() or DEFAULT_ENDPOINT
    hint = f"give https://HOST, or unset it for {DEFAULT_ENDPOINT}"
    try:
        endpoint = parse_address(text)
    except InvalidSettingError as error:
        raise InvalidSettingError(error.message, where="HF_ENDPOINT", hint=hint) from None
    if endpoint.socket is not None:
        raise InvalidSettingError("not an address of HTTP", where="HF_ENDPOINT", hint=hint)
    return HubAccess(endpoint, token or None)


def access_of_environment() -> HubAccess:
    """Of this process; see `hub_access`."""
    return hub_access(os.environ)
