"""How many pictures a decoder makes as FFmpeg does: `60 of 60`. Fails where not all are.

    python ci/still_rows/same_pictures.py FOLDER/NAME.264 DECODED.yuv

Beside the stream stand the pictures' size and MD5s, as `streams.py` writes them.
"""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path


def check(stream: Path, decoded: Path) -> bool:
    size, *expected = stream.with_suffix(".md5").read_text().split("\n")
    width, height = map(int, size.split())
    data = decoded.read_bytes() if decoded.exists() else b""
    sums = [hashlib.md5(picture).hexdigest() for picture in _pictures(data, width, height)]
    equal = sum((Counter(sums) & Counter(expected)).values())
    note = "" if len(sums) == len(expected) else f", {len(sums)} came"
    if equal == len(expected) and sums != expected:
        note = ", in another order"
    print(f"{equal} of {len(expected)}{note}")
    return equal == len(expected) == len(sums)


def _pictures(data: bytes, width: int, height: int) -> Iterator[bytes]:
    """Planes of yuv420p; GStreamer fills rows up to four bytes."""
    tight = [(width, height), (width // 2, height // 2), (width // 2, height // 2)]
    filled = [(-(-w // 4) * 4, h) for w, h in tight]
    planes = tight if len(data) % sum(w * h for w, h in tight) == 0 else filled
    picture = sum(w * h for w, h in planes)
    for start in range(0, len(data) - picture + 1, picture):
        at, parts = start, []
        for (stride, rows), (own, _) in zip(planes, tight, strict=True):
            parts += [data[row : row + own] for row in range(at, at + stride * rows, stride)]
            at += stride * rows
        yield b"".join(parts)


if __name__ == "__main__":
    sys.exit(0 if check(Path(sys.argv[1]), Path(sys.argv[2])) else 1)
