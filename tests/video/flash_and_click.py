"""Films that flash and recordings that click at the same moments, of any length at little cost.

A recording may have the clicks of several films, which flash at different moments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from musetalk_fast.config import OutputSettings
from musetalk_fast.media.audio_decoder import AudioDecoder
from musetalk_fast.media.copied_sound import CopiedSound
from musetalk_fast.types import BT709
from musetalk_fast.video.encoder_selection import resolve
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.mux import join
from musetalk_fast.video.output_sound import CopiedTrack, EncodedTrack, SoundTrack
from musetalk_fast.video.part_encoder import PartEncoder
from musetalk_fast.video.parts import Part

RATES = {
    "23.976": Fraction(24000, 1001),
    "24": Fraction(24),
    "25": Fraction(25),
    "29.97": Fraction(30000, 1001),
    "30": Fraction(30),
    "50": Fraction(50),
    "59.94": Fraction(60000, 1001),
    "60": Fraction(60),
}
SOUNDS = {
    "mp3": ("libmp3lame", "s16p", 1152, {"reservoir": "0"}),
    "m4a": ("aac", "fltp", 1024, {}),
}
"""Encoder, samples and length of a packet, by the ending of the file; both have priming."""

_SIDE = 64
_EDGE_SECS = 4
"""Of a film, at each end, with a flash; between them ten dark seconds are repeated."""
_MARGIN = 10
"""Packets around the clicks at each end; between them one packet of silence is repeated."""


@dataclass(frozen=True)
class Film:
    """Parts in their order, and the frames that flash: one near each end."""

    parts: list[Part]
    encoder: EncoderSettings
    fps: Fraction
    flashes: tuple[int, int]

    @property
    def moments(self) -> tuple[Fraction, Fraction]:
        """When it flashes, in seconds."""
        first, last = (flash / self.fps for flash in self.flashes)
        return first, last


def make_film(folder: Path, fps: Fraction, secs: float, first: float = 1.0) -> Film:
    """About as long as that, with a flash near each end, the first one at `first` seconds."""
    settings = OutputSettings(preset="ultrafast")
    encoder = resolve(settings, folder / "o.mp4", _SIDE, _SIDE, fps, BT709)
    edge, dark, flash = round(_EDGE_SECS * fps), round(10 * fps), round(first * fps)
    repeats = max(0, round((secs * fps - 2 * edge) / dark))
    end = _part(folder / f"end-{float(fps):.3f}.mp4", encoder, fps, edge, flash)
    between = _part(folder / f"dark-{float(fps):.3f}.mp4", encoder, fps, dark, None)
    last = edge + repeats * dark + flash
    return Film([end, *[between] * repeats, end], encoder, fps, (flash, last))


def _part(
    path: Path, encoder: EncoderSettings, fps: Fraction, frames: int, flash: int | None
) -> Part:
    part = PartEncoder(path, encoder, _SIDE, _SIDE, fps, BT709, 0, "label")
    for index in range(frames):
        frame = av.VideoFrame(_SIDE, _SIDE, "yuv420p")
        for plane, level in zip(
            frame.planes, (235 if index == flash else 16, 128, 128), strict=True
        ):
            plane.update(bytes([level]) * plane.buffer_size)
        frame.pts = index
        frame.colorspace, frame.color_range = BT709.matrix, BT709.range
        frame.color_primaries, frame.color_trc = BT709.primaries, BT709.transfer
        part.encode(frame)
    return part.finish()


def make_recording(path: Path, rate: int, *films: Film) -> Path:
    """Clicks as the films flash, to the sample; MP3 or AAC, with priming as encoders make it."""
    codec, form, frame, options = SOUNDS[path.suffix[1:]]
    firsts, lasts = ([round(each * rate) for each in ends] for ends in _ends(films))
    edge = max(firsts) // frame + _MARGIN
    repeats = max(0, min(lasts) // frame - edge - _MARGIN)
    clicks = [*firsts, *(last - repeats * frame for last in lasts)]
    packets = max(clicks) // frame + _MARGIN
    sound = np.zeros(packets * frame, np.float32)
    for click in clicks:
        sound[click : click + 64] = 0.9
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate, layout="mono")
        stream.options = options
        made = [each for at in range(0, len(sound), frame) for each in stream.encode(
            _frame(sound[at : at + frame], form, rate, at)
        )]  # fmt: skip
        made += stream.encode(None)
        silence = bytes(made[edge - 2])
        begin, tick = made[0].pts, made[0].time_base
        # The encoder's own packets: some of them say what of them is priming or padding.
        order = [*made[: edge - 2], *[None] * repeats, *made[edge - 2 :]]
        for number, known in enumerate(order):
            packet = av.Packet(silence) if known is None else known
            packet.stream, packet.time_base, packet.is_keyframe = stream, tick, True
            packet.pts = packet.dts = begin + number * frame
            packet.duration = frame
            container.mux(packet)
    return path


def _ends(films: Sequence[Film]) -> Iterator[list[Fraction]]:
    for end in range(2):
        yield [film.moments[end] for film in films]


def _frame(block: Any, form: str, rate: int, at: int) -> av.AudioFrame:
    samples = np.rint(block * 32767).astype(np.int16) if form == "s16p" else block
    frame = av.AudioFrame.from_ndarray(samples[None, :], form, "mono")
    frame.sample_rate, frame.pts = rate, at
    return frame


def joined(film: Film, recording: Path, output: Path, *, is_copied: bool) -> Path:
    """The film with the recording as its sound."""
    if is_copied:
        with CopiedSound(recording, None) as copied:
            _join(film, CopiedTrack(copied.stream, copied.packets()), output)
    else:
        with AudioDecoder(recording) as reader:
            _join(film, EncodedTrack(reader.frames(), "aac"), output)
    return output


def _join(film: Film, sound: SoundTrack, output: Path) -> None:
    join(film.parts, output, sound=sound, fps=film.fps, encoder=film.encoder, metadata={})


def seen(path: Path, after: Fraction) -> Fraction:
    """When the first flash after a moment is, in seconds."""
    with av.open(str(path)) as container:
        return _flash(container, after)


def heard(path: Path, after: Fraction) -> Fraction:
    """When the first click after a moment is, in seconds."""
    with av.open(str(path)) as container:
        return _click(container, after)


def _flash(container: Any, after: Fraction) -> Fraction:
    stream = container.streams.video[0]
    container.seek(int(after / stream.time_base), stream=stream)
    for frame in container.decode(stream):
        if frame.pts * stream.time_base >= after and frame.to_ndarray()[0, 0] > 128:
            return Fraction(frame.pts * stream.time_base)
    raise AssertionError("no flash")


def _click(container: Any, after: Fraction) -> Fraction:
    stream = container.streams.audio[0]
    container.seek(int(after / stream.time_base), stream=stream)
    for frame in container.decode(stream):
        loud = np.flatnonzero(np.abs(frame.to_ndarray()[0]) > 0.45)
        begins = frame.pts * stream.time_base
        if begins >= after and len(loud):
            return Fraction(begins + Fraction(int(loud[0]), frame.sample_rate))
    raise AssertionError("no click")
