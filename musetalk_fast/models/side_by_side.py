"""Two videos of one avatar and one recording: side by side, as a sheet, and in figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from musetalk_fast.storage import AtomicFile
from musetalk_fast.types import Box, Picture

_DIFFERENT = 24
"""Levels of luma in which two mouths differ, and two encodings of one picture do not."""
_COLUMNS = 8
_TILE = 192
_MARGIN = 0.25
_STRIP = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class MouthPicture:
    """What the place of the mouth looks like, in levels of 255.

    Attributes:
        brightness: mean luma.
        contrast: standard deviation of luma in a frame, on average; a blurred mouth has less.
        least_contrast: of the flattest frame; near 0: a patch of one colour.
        change: mean difference of a frame's luma from the next one's.
        still_frames: frames that are as the one before to within half a level.
    """

    brightness: float
    contrast: float
    least_contrast: float
    change: float
    still_frames: int


def mouth_place(one: Path, other: Path) -> Box | None:
    """Where two videos differ in any frame; None: nowhere.

    Raises:
        av.FFmpegError: one cannot be decoded.
    """
    most: NDArray[np.int16] | None = None
    for left, right in zip(_luma(one), _luma(other), strict=False):
        difference = np.abs(left.astype(np.int16) - right)
        most = difference if most is None else np.maximum(most, difference)
    if most is None or not (most > _DIFFERENT).any():
        return None
    rows, columns = (np.flatnonzero((most > _DIFFERENT).any(axis=axis)) for axis in (1, 0))
    return Box(
        int(columns[0]),
        int(rows[0]),
        int(columns[-1] - columns[0]) + 1,
        int(rows[-1] - rows[0]) + 1,
    )


def mouth_picture(video: Path, place: Box) -> MouthPicture:
    """Figures of the place of the mouth.

    Raises:
        av.FFmpegError: it cannot be decoded.
    """
    means, deviations, changes = [], [], []
    before: NDArray[np.float32] | None = None
    for luma in _luma(video):
        seen = _cut(luma, place).astype(np.float32)
        means.append(seen.mean())
        deviations.append(seen.std())
        if before is not None:
            changes.append(np.abs(seen - before).mean())
        before = seen
    return MouthPicture(
        brightness=round(float(np.mean(means)), 1),
        contrast=round(float(np.mean(deviations)), 1),
        least_contrast=round(float(np.min(deviations)), 1),
        change=round(float(np.mean(changes or [0])), 2),
        still_frames=int(np.sum(np.asarray(changes) < 0.5)),
    )


def write_side_by_side(left: Path, right: Path, output: Path) -> None:
    """One video of both, with the sound of the right one.

    Raises:
        errors.OutputWriteError: it cannot be written.
        av.FFmpegError: one cannot be decoded.
    """
    with AtomicFile(output) as file:
        with av.open(str(right)) as sound, av.open(file.url, "w", format="mp4") as container:
            rate = sound.streams.video[0].average_rate or Fraction(25)
            stream = container.add_stream("libx264", rate, options={"crf": "16"})
            track = _added_track(sound, container)
            for number, frame in enumerate(_beside(left, right)):
                if number == 0:  # a codec that is open keeps its size
                    stream.width, stream.height = frame.width, frame.height
                    stream.pix_fmt = frame.format.name
                    _copy_tags(sound.streams.video[0], stream)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
            if track is not None:
                _copy_packets(sound, track, container)
        file.commit()


def _copy_packets(
    source: av.container.InputContainer,
    track: av.AudioStream,
    target: av.container.OutputContainer,
) -> None:
    for packet in source.demux(audio=0):
        if packet.dts is not None:
            packet.stream = track
            target.mux(packet)


def _copy_tags(source: av.VideoStream, target: av.VideoStream) -> None:
    """What the planes mean is what they meant."""
    for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
        setattr(target.codec_context, name, getattr(source.codec_context, name))


def _added_track(
    source: av.container.InputContainer, target: av.container.OutputContainer
) -> av.AudioStream | None:
    """A copy of the first sound track, without its packets; None: there is no sound."""
    tracks = source.streams.audio
    return target.add_stream_from_template(tracks[0]) if tracks else None


def write_sheet(rows: dict[str, Path], place: Box | None, output: Path) -> None:
    """A PNG with a row of frames for each video, of the mouth's place and what is around it.

    Raises:
        errors.OutputWriteError: it cannot be written.
        av.FFmpegError: one cannot be decoded.
    """
    sheet = Image.new("RGB", (_COLUMNS * _TILE, len(rows) * (_TILE + _STRIP)), "white")
    draw = ImageDraw.Draw(sheet)
    for row, (name, video) in enumerate(rows.items()):
        top = row * (_TILE + _STRIP)
        draw.text((4, top + 3), name, fill="black")
        for column, picture in enumerate(_samples(video)):
            tile = Image.fromarray(_around(picture, place)).resize((_TILE, _TILE))
            sheet.paste(tile, (column * _TILE, top + _STRIP))
    with AtomicFile(output) as file:
        sheet.save(file.unfinished, "PNG")
        file.commit()


def _luma(video: Path) -> Iterator[NDArray[np.uint8]]:
    """(height, width) uint8 of each frame."""
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="gray"), np.uint8)


def _samples(video: Path) -> Iterator[Picture]:
    """Frames from all over a video."""
    with av.open(str(video)) as container:
        count = container.streams.video[0].frames
        wanted = set(np.linspace(0, max(0, count - 1), _COLUMNS).astype(int).tolist())
        for number, frame in enumerate(container.decode(video=0)):
            if number in wanted:
                yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def _around(picture: Picture, place: Box | None) -> Picture:
    """A square around the mouth, or the entire picture."""
    height, width = picture.shape[:2]
    if place is None:
        return picture
    side = min(height, width, int(max(place.width, place.height) * (1 + 2 * _MARGIN)))
    left = min(max(0, place.x + place.width // 2 - side // 2), width - side)
    top = min(max(0, place.y + place.height // 2 - side // 2), height - side)
    return np.ascontiguousarray(picture[top : top + side, left : left + side])


def _cut(luma: NDArray[np.uint8], place: Box) -> NDArray[np.uint8]:
    return luma[place.y : place.y + place.height, place.x : place.x + place.width]


def _beside(left: Path, right: Path) -> Iterator[av.VideoFrame]:
    """Frames of both, in the planes that they have."""
    with av.open(str(left)) as one, av.open(str(right)) as other:
        graph = av.filter.Graph()
        sources = [graph.add_buffer(template=each.streams.video[0]) for each in (one, other)]
        beside, sink = graph.add("hstack"), graph.add("buffersink")
        for number, source in enumerate(sources):
            source.link_to(beside, 0, number)
        beside.link_to(sink)
        graph.configure()
        for pair in zip(one.decode(video=0), other.decode(video=0), strict=False):
            for source, frame in zip(sources, pair, strict=True):
                source.push(frame)
            pulled = sink.pull()
            assert isinstance(pulled, av.VideoFrame)
            yield pulled
