"""A JPEG file: what comes before its pixels, and the pixels, through libjpeg-turbo.

Pillow would accept a truncated one.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

import numpy as np

from musetalk_fast.errors import ImageFormatError
from musetalk_fast.media.picture.picture_file import Band, Samples
from musetalk_fast.media.picture.proportions import pixel_aspect

_SCAN, _END, _APP0, _APP1, _APP2, _COMMENT = 0xDA, 0xD9, 0xE0, 0xE1, 0xE2, 0xFE
_LEFT_OUT = frozenset((*range(0xE1, 0xEE), 0xEF, _COMMENT))
"""Segments that libjpeg-turbo need not see, and whose damage it would refuse: no pixels, and not
what Adobe says of their colours."""
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
"""One that begins a segment or ends the picture: what stands in a scan's data does neither."""
_END_MARKER = b"\xff\xd9"
_JFIF, _EXIF, _PROFILE = b"JFIF\0", b"Exif\0\0", b"ICC_PROFILE\0"
_FFMPEG = b"Lavc"
"""Its comment; it writes the pixels' ratio into JFIF where the ratio of densities belongs."""

_MAX_SCANS = 200
"""A progressive JPEG has about ten; one with thousands only keeps a decoder busy."""
_MAX_SEGMENTS = 10_000
"""Before the first scan, and after it: metadata of 640 MB."""


_NATIVE = {"Gray": "GRAY", "CMYK": "CMYK", "YCCK": "CMYK"}
"""libjpeg-turbo's words for what is not RGB or YCbCr, and what it then decodes to."""
_PADDED = "extraneous bytes before marker 0xd9"
"""Of libjpeg-turbo, where everything is decoded and more comes before the end mark."""


@dataclass(slots=True)
class JpegPicture:
    """A JPEG, decoded strictly.

    Attributes:
        data: the picture alone, with its end.
        size: (width, height), as stored.
        space: of its colours, in libjpeg-turbo's words.
        exif: the Exif block; empty if there is none.
        profile: the ICC profile; None if there is none, empty if parts are missing.
        aspect: a pixel's width by its height.
        has_others: no: what else a JPEG holds are previews, depths and views of the same moment.
    """

    data: bytes
    size: tuple[int, int]
    space: str
    exif: bytes
    profile: bytes | None
    aspect: float
    has_others: bool = False
    _samples: Samples | None = None

    def load(self) -> None:
        """Decode it all.

        Raises:
            errors.ImageFormatError: damaged, or rows are missing.
        """
        space = _NATIVE.get(self.space, "RGB")
        samples = _decoded(self.data, space)
        # Adobe's programs, and so everybody, store CMYK with 0 for full ink.
        self._samples = np.subtract(255, samples, out=samples) if space == "CMYK" else samples

    def band(self, rows: slice) -> Band:
        """Rows of what was decoded."""
        assert self._samples is not None
        return Band(self._samples[rows], None)


def _decoded(data: bytes, space: str) -> Samples:
    import simplejpeg

    try:
        try:
            samples: Samples = simplejpeg.decode_jpeg(data, space)
        except ValueError as error:
            if not str(error).endswith(_PADDED):
                raise
            samples = simplejpeg.decode_jpeg(data, space, strict=False)
    except ValueError as error:
        raise ImageFormatError(f"broken JPEG: {error}") from error
    return samples


def read_jpeg(data: bytes) -> JpegPicture:
    """Read what comes before the pixels; nothing is decoded.

    What follows the picture, such as a phone's motion clip, is ignored. A file whose end mark
    alone is missing gets one.

    Raises:
        errors.ImageFormatError: not a JPEG, cut in its header, or made to be slow.
    """
    import simplejpeg

    head, scan = _head(data)
    picture = b"".join((*head.kept, data[scan : _end(data, scan)], _END_MARKER))
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(picture)
    except ValueError as error:
        raise ImageFormatError(f"broken JPEG: {error}") from error
    profile = _joined(head.profile)
    return JpegPicture(picture, (width, height), space, head.exif, profile, head.aspect)


@dataclass(slots=True)
class _Head:
    """What stands before the first scan.

    Attributes:
        kept: what a decoder needs of it.
    """

    kept: list[bytes]
    exif: bytes = b""
    profile: list[bytes] = field(default_factory=list)
    density: tuple[int, int] = (1, 1)
    by_ffmpeg: bool = False

    @property
    def aspect(self) -> float:
        """ITU-T T.871, 10.1: the densities' ratio, the other way round."""
        across, down = self.density
        return pixel_aspect(down, across) if self.by_ffmpeg else pixel_aspect(across, down)

    def read(self, kind: int, body: bytes) -> None:
        """Take what is of use from a segment."""
        if kind == _APP1 and body.startswith(_EXIF):
            self.exif = self.exif or body[len(_EXIF) :]
        elif kind == _APP2 and body.startswith(_PROFILE):
            self.profile.append(body[len(_PROFILE) :])
        elif kind == _APP0 and body.startswith(_JFIF) and len(body) >= 12:
            self.density = struct.unpack_from(">HH", body, 8)
        elif kind == _COMMENT and body.startswith(_FFMPEG):
            self.by_ffmpeg = True


def _head(data: bytes) -> tuple[_Head, int]:
    """What stands before the first scan, and where that begins."""
    head, at = _Head([data[:2]]), 2
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(data, at)  # some writers leave bytes between segments
        if found is None or data[found.end() - 1] == _END:
            break
        kind, body = data[found.end() - 1], found.end() + 2
        if kind == _SCAN:
            return head, found.start()
        at = max(body, found.end() + int.from_bytes(data[body - 2 : body], "big"))
        head.read(kind, data[body:at])
        if kind not in _LEFT_OUT:
            head.kept.append(data[found.start() : at])
    raise ImageFormatError("broken JPEG: no pixels behind its header")


def _end(data: bytes, at: int) -> int:
    """Where the picture ends, before its end mark; the end of the data if it has none.

    Args:
        at: where its first scan begins.
    """
    scans = 0
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(data, at)
        if found is None:
            return len(data)
        at, kind = found.end(), data[found.end() - 1]
        if kind == _END:
            return found.start()
        scans += kind == _SCAN
        if scans > _MAX_SCANS:
            raise ImageFormatError(f"a JPEG of more than {_MAX_SCANS} scans")
        at += int.from_bytes(data[at : at + 2], "big")
    raise ImageFormatError(f"a JPEG of more than {_MAX_SEGMENTS} segments")


def _joined(parts: list[bytes]) -> bytes | None:
    """The profile of its pieces; each begins with its number and how many there are (ICC.1 B.4)."""
    if not parts:
        return None
    parts.sort()
    count = len(parts)
    numbers = [(number, count) for number in range(1, count + 1)]
    is_complete = [tuple(part[:2]) for part in parts] == numbers
    return b"".join(part[2:] for part in parts) if is_complete else b""
