"""A frame's line of the NDJSON wire, in the one form that `wire.ndjson` writes."""

from __future__ import annotations

import re
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.reference.crc32c import crc32c
from musetalk_fast.types import CropEncoding

_ENCODINGS = tuple(encoding.value.encode() for encoding in CropEncoding)

_NUMBER = rb"(0|[1-9][0-9]{0,9})"
_HEAD = re.compile(
    rb'{"type":"frame","index":%b,"source":%b,"encoding":"(%b)",'
    rb'"rows":\[%b,%b\],"width":%b,"data":"'
    % (_NUMBER, _NUMBER, b"|".join(_ENCODINGS), _NUMBER, _NUMBER, _NUMBER)
)
_TAIL = re.compile(rb'","crc32c":"([0-9a-f]{8})"}\n')

Line: TypeAlias = tuple[int, int, int, int, int, int, int, int, int, int]
"""Index, source, encoding (its place in `CropEncoding`), first row, rows, width; where in the text
the data begins and ends, and the line ends; its checksum."""


def frame_line(text: NDArray[np.uint8], start: int, side: int) -> Line | None:
    """The frame's line that begins at `start` of `text` ((n,) uint8).

    Raw data has four characters a pixel; other data ends at its quotation mark.

    Returns:
        None where there is no complete line of this form, rows and width up to `side` (width not
        0), index and source in 32 bits, and the right checksum.
    """
    view = text.data
    head = _HEAD.match(view, start)
    if head is None:
        return None
    index, source, first, rows, width = map(int, head.group(1, 2, 4, 5, 6))
    if max(index, source) >> 32 or max(first, rows, width) > side or not width:
        return None
    encoding, data = _ENCODINGS.index(head[3]), head.end()
    stop = bytes(view).find(b'"', data) if encoding else data + 4 * rows * width
    tail = _TAIL.match(view, stop) if 0 <= stop < len(view) else None
    if tail is None or crc32c(text[start : stop + 1], 0) != int(tail[1], 16):
        return None
    end = tail.end()
    return index, source, encoding, first, rows, width, data, stop, end, int(tail[1], 16)
