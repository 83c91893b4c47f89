"""Base64 text into the caller's buffer, every character checked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels import native
from musetalk_fast.kernels.buffers import Bytes, readable, writable
from musetalk_fast.kernels.reference import base64 as reference

_native = native.load("base64")


class Base64Error(ValueError):
    """Text that is not base64.

    Attributes:
        offset: place of the first character that is wrong, or the length of a text cut short.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


def decoded_size(text: Bytes) -> int:
    """How many bytes `text` decodes to, from its length and padding alone.

    Raises:
        Base64Error: the length is not a multiple of four.
    """
    source = readable("text", text)
    if len(source) % 4:
        raise Base64Error(
            f"base64 of {len(source)} characters: not a multiple of 4", offset=len(source)
        )
    return len(source) // 4 * 3 - _padding(source)


def decode_into(text: Bytes, out: Bytes) -> int:
    """Decode standard base64 (RFC 4648 section 4: `+/`, padded, no white space) into `out`.

    Args:
        text: any contiguous bytes, at any offset; not changed.
        out: writable, C-contiguous, at least `decoded_size(text)` bytes; what lies behind them
            is not touched. Its contents are undefined after an error.

    Returns:
        The number of bytes written.

    Raises:
        Base64Error: a length that is no multiple of four, a character outside the alphabet,
            padding anywhere but at the end, or bits in the last character that no byte takes.
        ValueError: `out` is read-only, not contiguous or too small.
    """
    if _native is None:
        return _decode_or_say_why(text, out)
    try:
        written: int = _native.decode(text, out)
    except (BufferError, ValueError):
        written = -1
    return written if written >= 0 else _decode_or_say_why(text, out)


def _decode_or_say_why(text: Bytes, out: Bytes) -> int:
    """The reference's way, which is also the one that finds the fault in a text."""
    size = decoded_size(text)
    source, target = readable("text", text), writable("out", out)
    if len(target) < size:
        raise ValueError(f"out has {len(target)} bytes, the text decodes to {size}")
    padding = len(source) // 4 * 3 - size
    offset = reference.decode(source, padding, target[:size])
    if offset >= 0:
        raise Base64Error(
            f"character 0x{source[offset]:02x} at offset {offset} is not base64", offset
        )
    return size


def _padding(source: NDArray[np.uint8]) -> int:
    tail = source[-2:].tobytes()
    return len(tail) - len(tail.rstrip(b"="))
