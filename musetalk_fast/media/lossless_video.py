"""Pictures as a lossless video, for what reads videos only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.errors import ImageSizeError, OutputWriteError
from musetalk_fast.media.picture.transparency import Alpha
from musetalk_fast.types import Picture

if TYPE_CHECKING:
    import av

SUFFIX = ".mkv"
TICK = Fraction(1, 1000)
"""Seconds: what Matroska counts in, and a multiple of what GIF and WebP count in."""

_MAX_BYTES = 16 << 30
_LOOK_EVERY = 64
_OPTIONS = {"level": "3", "slices": "4", "g": "1"}
"""A fixed number of slices: else it, and so the bytes, would depend on the processors."""


class TimedPicture(NamedTuple):
    """A picture and for how many ticks it is shown.

    Attributes:
        alpha: (H, W) uint8; None: all of it is opaque.
    """

    rgb: Picture
    ticks: int
    alpha: Alpha | None = None


class Written(NamedTuple):
    """What was written.

    Attributes:
        stamps: (n,) int64: when each picture begins, in ticks.
        last_ticks: for how long the last one is shown.
        sha256: of the file; equal pictures and times give equal files.
        is_transparent: whether something of the pictures is.
    """

    stamps: NDArray[np.int64]
    last_ticks: int
    sha256: str
    is_transparent: bool


def write_lossless(
    path: Path, pictures: Iterable[TimedPicture], *, with_alpha: bool = False
) -> Written:
    """Write pictures of one size as FFV1 in Matroska, RGB with 8 bits, every one a key frame.

    Args:
        with_alpha: write it, even if none has any.

    Raises:
        errors.ImageSizeError: more than 16 GiB of them.
        errors.OutputWriteError: the disk is full or failed.
    """
    import av

    starts: list[int] = []
    end = ticks = 0
    is_transparent, pix_fmt = False, "bgra" if with_alpha else "bgr0"
    try:
        # Bit-exact: no random identifiers and no date.
        with av.open(str(path), "w", format="matroska", options={"fflags": "+bitexact"}) as file:
            stream: av.VideoStream | None = None
            for rgb, ticks, alpha in pictures:
                stream = stream or _stream(file, rgb, pix_fmt)
                frame = _frame(rgb, alpha if with_alpha else None, pix_fmt)
                is_transparent = is_transparent or (with_alpha and alpha is not None)
                frame.pts, frame.time_base = end, TICK
                file.mux(stream.encode(frame))
                starts.append(end)
                end += ticks
                if len(starts) % _LOOK_EVERY == 0:
                    _check_length(path)
            assert stream is not None
            file.mux(stream.encode(None))
        return Written(np.array(starts, np.int64), ticks, _sha256(path), is_transparent)
    except (av.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputWriteError(
            f"the pictures of the avatar cannot be kept: {reason}",
            where=str(path.parent),
            hint="set TMPDIR to a folder with more space",
        ) from error


def _frame(rgb: Picture, alpha: Alpha | None, pix_fmt: str) -> av.VideoFrame:
    import av

    if alpha is None:
        return av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format=pix_fmt)
    return av.VideoFrame.from_ndarray(np.dstack([rgb, alpha]), "rgba").reformat(format=pix_fmt)


def _stream(file: av.container.OutputContainer, rgb: Picture, pix_fmt: str) -> av.VideoStream:
    stream = file.add_stream("ffv1", rate=1 / TICK, options=_OPTIONS)
    stream.height, stream.width = rgb.shape[:2]
    stream.pix_fmt = pix_fmt
    stream.time_base = stream.codec_context.time_base = TICK
    return stream


def _check_length(path: Path) -> None:
    if path.stat().st_size > _MAX_BYTES:
        raise ImageSizeError(
            f"the pictures take more than {_MAX_BYTES >> 30} GiB as a video",
            hint="scale them down with --resolution, or give a video",
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
