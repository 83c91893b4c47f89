"""The sound of joined videos: all of it, from 0 on, once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_video import decode, encode_part, encoder_for
from numpy.typing import NDArray

from musetalk_fast.errors import AudioFormatError
from musetalk_fast.video.mux import join
from musetalk_fast.video.output_sound import EncodedTrack
from musetalk_fast.video.parts import Part

FPS = Fraction(25)
_ENCODERS = {"o.mp4": "aac", "o.webm": "libopus"}
RATES = [8_000, 16_000, 22_050, 44_100, 48_000, 96_000]


def _frames(
    samples: NDArray[np.float32],
    rate: int,
    layout: str = "mono",
    block: int = 1000,
) -> Iterator[av.AudioFrame]:
    """(channels, n) samples as frames; only the first knows a time, and a wrong one."""
    for first in range(0, samples.shape[1], block):
        piece = np.ascontiguousarray(samples[:, first : first + block].T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(piece, "flt", layout)
        frame.sample_rate = rate
        frame.pts = 123 if first == 0 else None
        yield frame


def _in_form(frames: Iterable[av.AudioFrame], form: str) -> Iterator[av.AudioFrame]:
    """The same sound with samples of another form."""
    resampler = av.AudioResampler(format=form)
    for frame in frames:
        yield from resampler.resample(frame)


def _clicks(rate: int, secs: float, channels: int = 1) -> NDArray[np.float32]:
    """Silence with a short tone in the middle of every half second."""
    time = np.arange(round(rate * secs)) / rate
    heard = np.abs(time % 0.5 - 0.25) < 0.02
    tone = np.where(heard, 0.8 * np.sin(2 * np.pi * 1000 * time), 0).astype(np.float32)
    return np.tile(tone, (channels, 1))


@dataclass(frozen=True)
class _Heard:
    rate: int
    channels: int
    codec: str
    samples: NDArray[np.float32]
    start: Fraction


def _listen(path: Path) -> _Heard:
    """What a player hears; `start` is the time of the first sample."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        frames = list(_in_form(container.decode(stream), "flt"))
        assert frames[0].pts is not None
        assert frames[0].time_base is not None
        channels = frames[0].layout.nb_channels
        return _Heard(
            frames[0].sample_rate,
            channels,
            stream.codec_context.name,
            np.concatenate(
                [frame.to_ndarray().reshape(-1, channels).T for frame in frames], axis=1
            ),
            frames[0].pts * frames[0].time_base,
        )


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Part]:
    """One part of two seconds for each container."""
    folder = tmp_path_factory.mktemp("parts")
    return {
        name: encode_part(
            folder / f"0{encoder_for(Path(name), FPS).part_suffix}",
            *(encoder_for(Path(name), FPS), FPS, range(50)),
        )
        for name in ("o.mp4", "o.webm")
    }


def _join(part: Part, output: Path, sound: Iterable[av.AudioFrame] | None) -> _Heard:
    encoder = encoder_for(output, FPS)
    track = None if sound is None else EncodedTrack(sound, _ENCODERS[output.name])
    join([part], output, sound=track, fps=FPS, encoder=encoder, metadata={})
    return _listen(output)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", ["o.mp4", "o.webm"])
def test_sound_starts_at_zero_and_keeps_its_length_and_place(
    tmp_path: Path, parts: dict[str, Part], name: str, rate: int
) -> None:
    sound = _clicks(rate, 1.99)
    heard = _join(parts[name], tmp_path / name, _frames(sound, rate))
    assert heard.start == 0
    assert heard.rate == (48_000 if name == "o.webm" else rate)
    secs = heard.samples.shape[1] / heard.rate
    assert abs(secs - 1.99) <= (0.02 if name == "o.webm" else 1024 / heard.rate)
    loud = np.flatnonzero(np.abs(heard.samples[0]) > 0.2) / heard.rate
    assert abs(loud.min() - 0.23) < 0.003
    assert abs(loud.max() - 1.77) < 0.003


@pytest.mark.parametrize(
    ("layout", "channels", "kept"),
    [("mono", 1, 1), ("stereo", 2, 2), ("5.1", 6, 6), ("7.1", 8, 8), ("3.0", 3, 2)],
)
@pytest.mark.parametrize("name", ["o.mp4", "o.webm"])
def test_channels_are_kept_where_players_know_them(
    tmp_path: Path, parts: dict[str, Part], name: str, layout: str, channels: int, kept: int
) -> None:
    sound = _clicks(44_100, 1.0, channels)
    heard = _join(parts[name], tmp_path / name, _frames(sound, 44_100, layout))
    assert heard.channels == kept
    assert heard.codec == {"o.mp4": "aac", "o.webm": "opus"}[name]
    assert np.abs(heard.samples[0]).max() > 0.3


def test_channels_do_not_change_places(tmp_path: Path, parts: dict[str, Part]) -> None:
    sound = _clicks(44_100, 1.0, 2)
    sound[0] = 0
    heard = _join(parts["o.mp4"], tmp_path / "o.mp4", _frames(sound, 44_100, "stereo"))
    left, right = np.abs(heard.samples).max(axis=1)
    assert left < 0.05
    assert right > 0.5


@pytest.mark.parametrize("form", ["flt", "fltp", "dbl", "dblp"])
@pytest.mark.parametrize("name", ["o.mp4", "o.webm"])
def test_what_is_no_number_becomes_silence(
    tmp_path: Path, parts: dict[str, Part], name: str, form: str
) -> None:
    sound = _clicks(16_000, 1.0)
    sound[:, :4000] = [[np.nan, np.inf, -np.inf, 1e30] * 1000]
    heard = _join(parts[name], tmp_path / name, _in_form(_frames(sound, 16_000), form))
    assert np.isfinite(heard.samples).all()
    loud = np.flatnonzero(np.abs(heard.samples[0, heard.rate * 6 // 10 :]) > 0.2) / heard.rate
    assert abs(loud.min() - (0.73 - 0.6)) < 0.003, "what follows is unharmed"


@pytest.mark.parametrize("form", ["u8", "s16", "s32", "flt", "dbl", "s16p", "dblp"])
def test_every_form_of_sample_is_taken(tmp_path: Path, parts: dict[str, Part], form: str) -> None:
    resampler = av.AudioResampler(format=form)
    sound = [
        new for old in _frames(_clicks(16_000, 1.0), 16_000) for new in resampler.resample(old)
    ]
    heard = _join(parts["o.mp4"], tmp_path / "o.mp4", sound)
    assert np.abs(heard.samples[0]).max() > 0.5


@pytest.mark.parametrize("samples", [100, 1023, 1024, 1025])
@pytest.mark.parametrize("name", ["o.mp4", "o.webm"])
def test_short_recordings_are_kept(
    tmp_path: Path, parts: dict[str, Part], name: str, samples: int
) -> None:
    heard = _join(
        parts[name], tmp_path / name, _frames(np.full((1, samples), 0.5, np.float32), 16_000)
    )
    assert heard.start == 0
    wanted = samples / 16_000
    frame = 0.02 if name == "o.webm" else 1024 / heard.rate
    assert wanted - 0.001 <= heard.samples.shape[1] / heard.rate <= wanted + frame


@pytest.mark.parametrize("name", ["o.mp4", "o.webm"])
def test_a_recording_without_samples_is_refused(
    tmp_path: Path, parts: dict[str, Part], name: str
) -> None:
    with pytest.raises(AudioFormatError, match="no samples"):
        _join(parts[name], tmp_path / name, iter(()))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["flt", "s16"])
def test_a_recording_that_changes_is_refused(
    tmp_path: Path, parts: dict[str, Part], form: str
) -> None:
    def changing() -> Iterator[av.AudioFrame]:
        for rate in (16_000, 44_100):
            yield from _in_form(_frames(_clicks(rate, 0.5), rate), form)

    with pytest.raises(AudioFormatError, match="changes its format"):
        _join(parts["o.mp4"], tmp_path / "o.mp4", changing())
    assert list(tmp_path.iterdir()) == []


def test_a_video_may_be_silent(tmp_path: Path, parts: dict[str, Part]) -> None:
    encoder = encoder_for(Path("o.mp4"), FPS)
    join(
        [parts["o.mp4"]],
        tmp_path / "o.mp4",
        sound=None,
        fps=FPS,
        encoder=encoder,
        metadata={},  # type: ignore[arg-type]
    )
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert not container.streams.audio


def test_sound_and_pictures_are_interleaved(tmp_path: Path, parts: dict[str, Part]) -> None:
    # A player that reads on finds both: no stream runs ahead of the other by half a second.
    _join(parts["o.mp4"], tmp_path / "o.mp4", _frames(_clicks(16_000, 2.0), 16_000))
    at = {"video": 0.0, "audio": 0.0}
    with av.open(str(tmp_path / "o.mp4")) as container:
        packets = [p for p in container.demux() if p.size and p.dts is not None]
        for packet in sorted(packets, key=lambda packet: packet.pos or 0):
            at[packet.stream.type] = float(packet.dts * packet.time_base)
            if packet.dts * packet.time_base < 1.9:
                assert abs(at["video"] - at["audio"]) < 0.5


@pytest.mark.long
def test_memory_does_not_grow_with_the_recording(tmp_path: Path, parts: dict[str, Part]) -> None:
    # When a frame is asked for, what came before it is in the file (FFmpeg writes 256 KiB a time).
    asked: list[int] = []
    sizes: list[int] = []

    def watched() -> Iterator[av.AudioFrame]:
        for number, frame in enumerate(_frames(_clicks(16_000, 180.0), 16_000)):
            asked.append(number)
            sizes.append(sum(path.stat().st_size for path in tmp_path.iterdir()))
            yield frame

    encoder = encoder_for(Path("o.mp4"), FPS)
    long = [parts["o.mp4"]] * 90
    joined = join(
        *(long, tmp_path / "o.mp4"),
        sound=EncodedTrack(watched(), "aac"),
        fps=FPS,
        encoder=encoder,
        metadata={},  # type: ignore[arg-type]
    )
    assert len(asked) == 2880
    assert sizes[-1] - sizes[1440] > joined.bytes // 4
    assert sizes[1440] - sizes[0] > joined.bytes // 4


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("name", ["o.mp4", "o.webm"])
def test_a_sample_or_two_do_not_matter(
    tmp_path: Path, parts: dict[str, Part], name: str, samples: int
) -> None:
    encoder = encoder_for(Path(name), FPS)
    sound = _frames(np.full((1, samples), 0.5, np.float32), 16_000)
    track = EncodedTrack(sound, _ENCODERS[name])
    join([parts[name]], tmp_path / name, sound=track, fps=FPS, encoder=encoder, metadata={})
    assert decode(tmp_path / name).numbers == [*range(50)]
