"""Joins parts and sound into the finished video by stream copy."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
from av.container import OutputContainer

from musetalk_fast.errors import EncoderError, OutputExistsError
from musetalk_fast.events import MouthFigures
from musetalk_fast.storage import AtomicFile, write_errors
from musetalk_fast.video.containers import CONTAINERS, ContainerFormat
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.mouth_motion import mouth_figures
from musetalk_fast.video.output_sound import SoundTrack, Timed
from musetalk_fast.video.parts import Part, damaged, open_part, part_packets
from musetalk_fast.video.pipe_file import PipeFile

_MOST_DELAY = 4
"""Frames that encoders of ours come late by, at most; a pipe's first packet has to say it."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The finished video.

    Attributes:
        bytes, frames: of the file.
        duration: of its pictures, in seconds.
        mouth: what it did; None if no part was measured.
    """

    bytes: int
    frames: int
    duration: Fraction
    mouth: MouthFigures | None


def join(
    parts: Sequence[Part],
    output: Path,
    *,
    sound: SoundTrack | None,
    fps: Fraction,
    encoder: EncoderSettings,
    metadata: Mapping[str, str],
    folder: Path | None = None,
    overwrite: bool = True,
    check: Callable[[], None] = lambda: None,
    on_frames: Callable[[int], None] = lambda _done: None,
) -> Joined:
    """Copy the parts behind one another, add the sound, move the file to its place.

    Frame i is shown at exactly i/fps; in WebM and Matroska at the nearest millisecond.

    Args:
        parts: all of the video's, in order.
        output: what is there is replaced when all is done, if `overwrite`.
        sound: whose sample 0 is heard with the first frame; None: a silent video.
        fps: frames a second.
        encoder: that made the parts.
        metadata: of the container: `title`, `comment`.
        folder: where the file is written before it is moved; None: beside the output.
        check: called with each packet, and before the file is moved; may raise to stop.
        on_frames: called now and then with the number of frames so far.

    Raises:
        errors.EncoderError: the parts were not made by one encoder with one setting.
        errors.OutputExistsError: the output is there, and `overwrite` is off.
        errors.OutputWriteError: a part is damaged, or the disk is full or the folder gone.
        errors.AudioFormatError: the recording has no samples or changes its format.
    """
    check_parts(parts)
    with AtomicFile(output, folder) as file:
        with write_errors(output):
            container = CONTAINERS[encoder.format]
            delay = max(part.delay for part in parts)
            ways = container, container.muxer_options, delay
            _write(_noted(parts, on_frames), file.url, sound, fps, ways, metadata, check)
        check()
        size = commit_file(file, overwrite=overwrite)
    return joined_parts(parts, size, fps)


def join_into_pipe(
    parts: Iterable[Part],
    pipe: PipeFile,
    *,
    sound: SoundTrack | None,
    fps: Fraction,
    encoder: EncoderSettings,
    metadata: Mapping[str, str],
) -> None:
    """As `join`, into a pipe and of parts that may not be there yet.

    Args:
        parts: of the video in order; the next one is asked for when the one before is through.

    Raises:
        BrokenPipeError: the reader has gone.
        errors.EncoderError, errors.OutputWriteError, errors.AudioFormatError: as `join`.
    """
    container = CONTAINERS[encoder.format]
    assert container.piped_options is not None
    delay = min(encoder.reorders, _MOST_DELAY)
    ways = container, container.piped_options, delay
    try:
        _write(agreeing(parts), pipe, sound, fps, ways, metadata, pipe.check_reader)
    except Exception:
        if pipe.error is not None:
            raise pipe.error from None
        raise


def agreeing(parts: Iterable[Part]) -> Iterator[Part]:
    """The parts, as long as they fit together.

    Raises:
        errors.EncoderError, errors.OutputWriteError: as `check_parts`; or one needs to be decoded
            further ahead than is known before all parts are there.
    """
    first: Part | None = None
    for part in parts:
        first = first or part
        _check_part(part, first)
        if part.delay > _MOST_DELAY:
            message = f"its frames come {part.delay} late: too much for a pipe"
            raise EncoderError(message, where=str(part.path), hint="write a file")
        yield part


def joined_parts(parts: Sequence[Part], size: int, fps: Fraction) -> Joined:
    """What the parts have become: a file or files of `size` bytes."""
    frames = sum(part.frames for part in parts)
    mouth = mouth_figures(part.motion for part in parts)
    return Joined(bytes=size, frames=frames, duration=frames / fps, mouth=mouth)


def commit_file(file: AtomicFile, *, overwrite: bool) -> int:
    """Move a finished video to its place; its size in bytes.

    Raises:
        errors.OutputExistsError: the output is there, and `overwrite` is off.
        errors.OutputWriteError: the disk is full or the folder gone.
    """
    size = file.commit() if overwrite else file.commit_if_absent()
    if size is None:
        raise OutputExistsError("this file has come meanwhile", where=str(file.path))
    return size


def _noted(parts: Iterable[Part], on_frames: Callable[[int], None]) -> Iterator[Part]:
    done = 0
    for part in parts:
        on_frames(done)
        yield part
        done += part.frames


def check_parts(parts: Sequence[Part]) -> None:
    """Refuse parts that do not fit together.

    Raises:
        errors.EncoderError: they were not made by one encoder with one setting.
        errors.OutputWriteError: one is damaged or cannot be read.
    """
    for part in parts:
        _check_part(part, parts[0])


def _check_part(part: Part, first: Part) -> None:
    if part.extradata != first.extradata:
        raise EncoderError(
            "the parts' codec headers differ: they were not encoded with the same settings",
            where=str(part.path),
            hint="render again from the start",
        )
    with write_errors(part.path):
        size = part.path.stat().st_size
    if size != part.bytes:
        raise damaged(part.path, f"{size} of {part.bytes} bytes")


def _write(
    parts: Iterable[Part],
    target: str | PipeFile,
    sound: SoundTrack | None,
    fps: Fraction,
    ways: tuple[ContainerFormat, tuple[tuple[str, str], ...], int],
    metadata: Mapping[str, str],
    check: Callable[[], None],
) -> None:
    container_format, options, delay = ways
    remaining = iter(parts)
    first = next(remaining)
    with av.open(
        target, "w", format=container_format.muxer, container_options=dict(options)
    ) as container:
        container.metadata.update(metadata)
        stream = _add_pictures(container, first, fps, dict(container_format.tags))
        packets = [_pictures(chain([first], remaining), stream, fps, delay)]
        if sound is not None:
            packets.append(sound.add_to(container))
        # In the order of decoding, so that neither stream waits in memory for the other.
        for _, packet in heapq.merge(*packets, key=lambda timed: timed[0]):
            check()
            container.mux(packet)


def _add_pictures(
    container: OutputContainer, part: Part, fps: Fraction, tags: Mapping[str, str]
) -> av.VideoStream:
    with open_part(part.path) as opened:
        encoded = opened.streams.video[0]
        stream = container.add_stream_from_template(encoded, opaque=True)
        # A tag, not a parameter of the codec: without it players ignore the packets' alpha.
        if "alpha_mode" in encoded.metadata:
            stream.metadata["alpha_mode"] = encoded.metadata["alpha_mode"]
        family = encoded.codec_context.codec.canonical_name
        if family == "prores":  # its tag is its profile, and stands nowhere else
            stream.codec_context.codec_tag = encoded.codec_context.codec_tag
        elif family in tags:
            stream.codec_context.codec_tag = tags[family]
    # MP4 counts in a multiple of the rate's numerator: exact for every rate.
    stream.time_base = 1 / fps
    stream.codec_context.framerate = fps
    return stream


def _pictures(
    parts: Iterable[Part], stream: av.VideoStream, fps: Fraction, delay: int
) -> Iterator[Timed]:
    tick, secs = 1 / fps, float(1 / fps)  # made once: fractions are slow
    first = 0
    for part in parts:
        count = 0
        for frame, packet in part_packets(part.path, fps):
            packet.stream, packet.time_base, packet.duration = stream, tick, 1
            packet.pts, packet.dts = first + frame, first + count - delay
            count += 1
            yield packet.dts * secs, packet
        if count != part.frames:
            raise damaged(part.path, f"{count} of {part.frames} frames")
        first += part.frames
