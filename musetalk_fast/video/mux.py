"""Parts and a recording into the finished video, without encoding pictures again."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer

from musetalk_fast.errors import EncoderError, OutputExistsError
from musetalk_fast.events import MouthFigures
from musetalk_fast.storage import AtomicFile, write_errors
from musetalk_fast.video.audio_track import SoundTrack, Timed
from musetalk_fast.video.containers import CONTAINERS, ContainerFormat
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.mouth_motion import mouth_figures
from musetalk_fast.video.parts import Part, damaged, open_part, part_packets


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

    Raises:
        errors.EncoderError: the parts were not made by one encoder with one setting.
        errors.OutputExistsError: the output is there, and `overwrite` is off.
        errors.OutputWriteError: a part is damaged, or the disk is full or the folder gone.
        errors.AudioFormatError: the recording has no samples or changes its format.
    """
    check_parts(parts)
    with AtomicFile(output, folder) as file:
        with write_errors(output):
            _write(parts, file, sound, fps, CONTAINERS[encoder.format], metadata, check)
        check()
        size = commit_file(file, overwrite=overwrite)
    return joined_parts(parts, size, fps)


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


def check_parts(parts: Sequence[Part]) -> None:
    """Refuse parts that do not fit together.

    Raises:
        errors.EncoderError: they were not made by one encoder with one setting.
        errors.OutputWriteError: one is damaged or cannot be read.
    """
    for part in parts:
        if part.extradata != parts[0].extradata:
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
    parts: Sequence[Part],
    file: AtomicFile,
    sound: SoundTrack | None,
    fps: Fraction,
    container_format: ContainerFormat,
    metadata: Mapping[str, str],
    check: Callable[[], None],
) -> None:
    with av.open(
        file.url,
        "w",
        format=container_format.muxer,
        container_options=dict(container_format.muxer_options),
    ) as container:
        container.metadata.update(metadata)
        stream = _add_pictures(container, parts[0], fps, dict(container_format.tags))
        packets = [_pictures(parts, stream, fps)]
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


def _pictures(parts: Sequence[Part], stream: av.VideoStream, fps: Fraction) -> Iterator[Timed]:
    delay = max(part.delay for part in parts)
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
