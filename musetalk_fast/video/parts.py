"""Parts: the encoded files of finished segments, and what a reading of them finds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
from av.container import InputContainer

from musetalk_fast.errors import OutputWriteError
from musetalk_fast.events import StillRowsFigures
from musetalk_fast.storage import check_regular
from musetalk_fast.video.mouth_motion import MotionSums
from musetalk_fast.video.part_trailer import TRAILER_BYTES, sums_of_trailer

Header: TypeAlias = bytes

_NO_DECODER = "none"
_AS_THEY_ARE = {
    "fflags": "+noparse",
    "format_whitelist": "mov,matroska",
    "protocol_whitelist": "file",
}
"""They are no playlists, which name other files and addresses."""


@dataclass(frozen=True, slots=True)
class Part:
    """The encoded file of a finished segment.

    Attributes:
        path: MP4, or Matroska for VP9; its first frame is a key frame shown at 0.
        frames, bytes: in it.
        extradata: the codec's header as the file has it; parts that are joined have the same.
        delay: frames by which the last packet to come late comes late: the display order needs
            decoding to be this far ahead.
        label: identifies it for a later run.
        motion: of the mouth; None if it was not measured.
        still_rows: how it was encoded; None if that is not known, or all rows were to be encoded.
    """

    path: Path
    frames: int
    bytes: int
    extradata: Header
    delay: int
    label: str
    motion: MotionSums | None = None
    still_rows: StillRowsFigures | None = None


def read_part(path: Path, fps: Fraction) -> Part:
    """Find out what a file holds, every packet of it.

    Args:
        path: of a file that `PartEncoder` made, perhaps in another run.
        fps: frames a second that it was made for.

    Raises:
        errors.OutputWriteError: it cannot be read, is damaged, or lacks frames.
    """
    shown = [frame for frame, _ in part_packets(path, fps)]
    if sorted(shown) != [*range(len(shown))]:
        raise damaged(path, f"its {len(shown)} frames do not follow one another")
    delay = max(number - frame for number, frame in enumerate(shown))
    with _reading(path):
        size = path.stat().st_size
    motion = part_motion(path)
    return Part(path, len(shown), size, part_header(path), delay, part_label(path), motion)


def part_header(path: Path) -> bytes:
    """The codec's header of a part.

    Raises:
        errors.OutputWriteError: it cannot be read or is damaged.
    """
    with open_part(path) as opened:
        return opened.streams.video[0].codec_context.extradata or b""


def part_label(path: Path) -> str:
    """The label of a part.

    Raises:
        errors.OutputWriteError: it cannot be read or is damaged.
    """
    with open_part(path) as opened:
        # Matroska's names of tags are in capitals.
        tags = {name.lower(): text for name, text in opened.metadata.items()}
        return tags.get("comment", "")


def part_motion(path: Path) -> MotionSums | None:
    """What was measured of the mouth of a part; None if nothing was.

    Raises:
        errors.OutputWriteError: it cannot be read.
    """
    with _reading(path), path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TRAILER_BYTES))
        return sums_of_trailer(file.read(TRAILER_BYTES))


def part_packets(path: Path, fps: Fraction) -> Iterator[tuple[int, av.Packet[av.VideoStream]]]:
    """The packets of a part in the order of decoding, each with the number of its frame.

    Raises:
        errors.OutputWriteError: it cannot be read, is damaged, or no key frame comes first.
    """
    first = True
    with open_part(path) as opened:
        stream = opened.streams.video[0]
        assert stream.time_base is not None
        ticks = 1 / (stream.time_base * fps)
        for packet in opened.demux(stream):
            # Not `dts is None`, which ends many loops: Matroska's first packets have none either.
            if packet.size == 0:
                continue
            if packet.is_corrupt or packet.pts is None:
                raise damaged(path, "a frame is cut off")
            if first and not packet.is_keyframe:
                raise damaged(path, "it does not begin with a key frame")
            first = False
            yield _nearest(packet.pts, ticks), packet
    if first:
        raise damaged(path, "it has no frames")


@contextmanager
def open_part(path: Path, decoder: str = _NO_DECODER) -> Iterator[InputContainer]:
    """Open a part to read it; what FFmpeg dislikes about it becomes our error.

    Args:
        decoder: FFmpeg's name of the only one that may be used. Where parts are copied it is none:
            opening one would else decode its first pictures, 5 ms at 512x512.

    Raises:
        errors.OutputPlaceError: it is no regular file.
        errors.OutputWriteError: it cannot be read, is damaged, or has no pictures.
    """
    with _reading(path):
        check_regular(path)
    options = {"codec_whitelist": decoder, **_AS_THEY_ARE}
    with _reading(path), av.open(f"file:{path}", options=options) as container:
        if not container.streams.video:
            raise damaged(path, "there are no pictures in it")
        yield container


def damaged(path: Path, what: str) -> OutputWriteError:
    """The error that says that a part cannot be used."""
    hint = "delete it and run the same command again"
    return OutputWriteError(f"the part is damaged: {what}", where=str(path), hint=hint)


def _nearest(pts: int, ticks: Fraction) -> int:
    """The number of the frame shown at `pts`: `round(pts / ticks)`, in whole numbers for speed."""
    return (2 * pts * ticks.denominator + ticks.numerator) // (2 * ticks.numerator)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (av.FFmpegError, OSError) as error:
        raise damaged(path, error.strerror or str(error)) from error
