"""Sizes in bytes: `10000000`, `512M`, `4G`."""

from __future__ import annotations

from musetalk_fast.config.value_kind import Kind

_SHIFTS = {"k": 10, "m": 20, "g": 30, "t": 40}
_MAX_DIGITS = 20
_LEAST = 1 << 20
_MOST = 1 << 62


class ByteSize(Kind):
    """A number of bytes; `k`, `M`, `G` and `T` stand for powers of 1024."""

    wanted = "a size of at least 1M, such as 512M or 4G"

    def _from_text(self, text: str) -> int:
        shift = _SHIFTS.get(text[-1:].lower(), 0)
        digits = text[:-1] if shift else text
        if not digits.isascii() or not digits.isdigit():
            raise ValueError
        return int(digits[:_MAX_DIGITS]) << shift

    def _checked(self, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError
        if not _LEAST <= value <= _MOST:
            raise ValueError
        return value


BYTE_SIZE = ByteSize()
