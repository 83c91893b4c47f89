"""The store's refusals: no space for an asset, or no such asset."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.users import User
from musetalk_fast.system_limits import error_chain, limit_error

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def no_space(_path: Path) -> Iterator[None]:
    """What the disk does not take, a client may try again later."""
    try:
        yield
    except OSError as error:
        raise limit_error(error) or store_full(error.strerror or str(error)) from error


def full_disk(error: BaseException) -> str | None:
    """What the system said, if an error came from a disk that takes no more."""
    for each in error_chain(error):
        if getattr(each, "errno", None) in _NO_SPACE:
            return getattr(each, "strerror", None) or "the disk is full"
    return None


def store_full(reason: str) -> RefusalError:
    """503: what a client may try again later."""
    return RefusalError(503, "MTF-STORE-FULL", f"there is no space for the asset: {reason}")


def asset_unknown(name: str) -> RefusalError:
    """404: a client uploads it, and asks again."""
    return RefusalError(
        404, "MTF-ASSET-UNKNOWN", f"no asset {name}", f"upload it: PUT /v1/assets/{name}"
    )


def check_asset_length(length: int, longest: int) -> None:
    """Refuse an asset that can never be kept.

    Raises:
        RefusalError: 413, it is longer than the server takes.
    """
    if length > longest:
        raise RefusalError(413, "MTF-REQUEST-SIZE", f"the asset is longer than {longest} bytes")


def check_asset_quota(size: int, user: User) -> None:
    """Refuse an asset that a user can never keep.

    Args:
        size: what it counts as.

    Raises:
        RefusalError: 413, it is more than the user's quota.
    """
    most = user.quota.stored_bytes
    if most is not None and size > most:
        raise RefusalError(
            *(413, "MTF-REQUEST-SIZE"),
            f"the asset takes {size} bytes, and those of the key {user.name} may take {most}",
        )


def quota_full(user: User) -> RefusalError:
    """429: all that a user may keep is in use."""
    return RefusalError(
        *(429, "MTF-QUOTA"),
        f"the assets of the key {user.name} may take {user.quota.stored_bytes} bytes, and those in "
        "use leave too little",
        "try again when a stream of yours has ended",
    )
