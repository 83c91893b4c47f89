"""Errors of what weights are pulled from."""

from __future__ import annotations

from musetalk_fast.errors.musetalk_error import BusyError, MuseTalkError

__all__ = [
    "HubAccessError",
    "HubBusyError",
    "HubError",
    "HubUnreachableError",
]


class HubError(MuseTalkError):
    """What weights come from is no hub, lacks them, or sends other bytes than it says."""

    token = "MTF-HUB"
    exit_code = 69
    default_hint = "HF_ENDPOINT names the hub; without it, it is https://huggingface.co"


class HubUnreachableError(HubError):
    """No connection to the hub, one that broke, or a fault of its own."""

    token = "MTF-HUB-UNREACHABLE"
    default_hint = (
        "run the same command again: what came is kept. HTTPS_PROXY names a proxy, HF_ENDPOINT a "
        "mirror; a folder that was filled elsewhere can be copied here"
    )


class HubAccessError(HubError):
    """401 or 403."""

    token = "MTF-HUB-ACCESS"
    exit_code = 77
    default_hint = "correct HF_TOKEN, or unset it: the weights are public"


class HubBusyError(BusyError, HubError):
    """429 or 503.

    Args:
        retry_after: seconds the hub asked us to wait, or None.
    """

    token = "MTF-HUB-BUSY"
    exit_code = 75
    default_hint = "run the same command again later: what came is kept"
