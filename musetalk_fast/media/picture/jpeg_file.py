"""A JPEG file: what comes before its pixels, and the pixels, through libjpeg-turbo.

Pillow would accept a truncated one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musetalk_fast.errors import ImageFormatError
from musetalk_fast.media.picture.interface import Band, Samples

_SCAN, _EXIF, _PROFILE = 0xDA, 0xE1, 0xE2
_SCAN_MARKER, _END_MARKER = b"\xff\xda", b"\xff\xd9"
_EXIF_NAME, _PROFILE_NAME = b"Exif\0\0", b"ICC_PROFILE\0"

_MAX_SCANS = 200
"""A progressive JPEG has about ten; one with thousands only keeps a decoder busy."""
_MAX_SEGMENTS = 10_000
"""Before the first scan: metadata of 640 MB."""


_SPACES = {"Gray": "GRAY", "CMYK": "CMYK", "YCCK": "CMYK"}
"""libjpeg-turbo's words for what is not RGB or YCbCr, and what it then decodes to."""


@dataclass(slots=True)
class JpegPicture:
    """A JPEG, decoded strictly.

    Attributes:
        data: the picture alone, with its end.
        size: (width, height), as stored.
        space: of its colours, in libjpeg-turbo's words.
        exif: the Exif block; empty if there is none.
        profile: the ICC profile; None if there is none, empty if parts are missing.
    """

    data: bytes
    size: tuple[int, int]
    space: str
    exif: bytes
    profile: bytes | None
    _samples: Samples | None = None

    def load(self) -> None:
        """Decode it all.

        Raises:
            errors.ImageFormatError: damaged, or rows are missing.
        """
        import simplejpeg

        # Without a profile libjpeg-turbo's own conversion of CMYK is as good as any.
        space = "RGB" if self.profile is None else _SPACES.get(self.space, "RGB")
        try:
            samples: Samples = simplejpeg.decode_jpeg(self.data, space)
        except ValueError as error:
            raise ImageFormatError(f"broken JPEG: {error}") from error
        # Adobe's programs, and so everybody, store CMYK with 0 for full ink.
        self._samples = np.subtract(255, samples, out=samples) if space == "CMYK" else samples

    def band(self, rows: slice) -> Band:
        """Rows of what was decoded."""
        assert self._samples is not None
        return Band(self._samples[rows], None)


def read_jpeg(data: bytes) -> JpegPicture:
    """Read what comes before the pixels; nothing is decoded.

    What follows the picture, such as a phone's motion clip, is ignored. A file whose end mark
    alone is missing gets one.

    Raises:
        errors.ImageFormatError: not a JPEG, cut in its header, or made to be slow.
    """
    import simplejpeg

    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        raise ImageFormatError(f"broken JPEG: {error}") from error
    exif, parts, scan = _segments(data)
    end = data.find(_END_MARKER, scan)
    data = data[: end + 2] if end >= 0 else data + _END_MARKER
    if data.count(_SCAN_MARKER, scan) > _MAX_SCANS:
        raise ImageFormatError(f"a JPEG of more than {_MAX_SCANS} scans")
    return JpegPicture(data, (width, height), space, exif, _joined(parts))


def _segments(data: bytes) -> tuple[bytes, list[bytes], int]:
    """The Exif block, the pieces of the profile, and where the first scan begins."""
    exif, profile, at = b"", list[bytes](), 2
    for _ in range(_MAX_SEGMENTS):
        if data[at : at + 1] != b"\xff" or at + 4 > len(data):
            break
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if kind == _SCAN:
            return exif, profile, at
        body = at + 4
        if kind == _EXIF and data.startswith(_EXIF_NAME, body):
            exif = exif or data[body + len(_EXIF_NAME) : at + 2 + length]
        elif kind == _PROFILE and data.startswith(_PROFILE_NAME, body):
            profile.append(data[body + len(_PROFILE_NAME) : at + 2 + length])
        at += 1 if kind == 0xFF else 2 + length  # any marker may have more of its first byte
    raise ImageFormatError("broken JPEG: no pixels behind its header")


def _joined(parts: list[bytes]) -> bytes | None:
    """The profile of its pieces; each begins with its number and how many there are (ICC.1 B.4)."""
    parts.sort()
    is_complete = list(range(1, len(parts) + 1)) == list(b"".join(part[:1] for part in parts))
    if not parts:
        return None
    return b"".join(part[2:] for part in parts) if is_complete else b""
