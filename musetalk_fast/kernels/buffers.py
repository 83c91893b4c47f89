"""Callers' buffers as flat `uint8` arrays, refused by name where they do not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from typing_extensions import Buffer

Bytes: TypeAlias = "Buffer | NDArray[Any]"
"""Whatever speaks the buffer protocol."""


def readable(name: str, data: Bytes) -> NDArray[np.uint8]:
    """A flat view of contiguous bytes.

    Raises:
        ValueError: the buffer is not C-contiguous.
    """
    view = memoryview(cast("Buffer", data))
    if not view.c_contiguous:
        raise ValueError(f"{name} is not C-contiguous")
    return np.frombuffer(view, np.uint8)


def writable(name: str, data: Bytes) -> NDArray[np.uint8]:
    """A flat, writable view of contiguous bytes.

    Raises:
        ValueError: the buffer is read-only or not C-contiguous.
    """
    view = memoryview(cast("Buffer", data))
    if view.readonly:
        raise ValueError(f"{name} is read-only")
    return readable(name, view)
