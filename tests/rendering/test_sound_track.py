"""Whose sound a plan's video has: the avatar's own in step with its pictures, or a mix."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from musetalk_fast.config import AvatarSettings, OutputSettings, Settings
from musetalk_fast.errors import AudioLengthError, SoundFormatError, UsageError
from musetalk_fast.events import WarningEvent
from musetalk_fast.media.audio_decoder import AudioDecoder
from musetalk_fast.media.avatar_sound import avatar_frames, look_at_sound
from musetalk_fast.media.excerpt import Excerpt
from musetalk_fast.planning.sound_choice import planned_sound
from musetalk_fast.rendering.sound_track import sound_track
from musetalk_fast.types import Sound
from musetalk_fast.video.containers import CONTAINERS

RATE = 16_000
MP4 = CONTAINERS["mp4"]


def _film(path: Path, delay: float) -> Path:
    """A second of pictures, and of sound that begins `delay` later and clicks in its middle."""
    sound = np.zeros((1, RATE), np.int16)
    sound[0, RATE // 2 : RATE // 2 + 64] = 20_000
    with av.open(str(path), "w") as container:
        pictures: Any = container.add_stream("mpeg4", rate=25)
        pictures.width = pictures.height = 16
        track: Any = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for index in range(25):
            frame = av.VideoFrame(16, 16, "yuv420p")
            frame.pts = index + 25
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode(None))
        samples = av.AudioFrame.from_ndarray(sound, "s16", "mono")
        samples.sample_rate, samples.pts = RATE, round((1 + delay) * RATE)
        container.mux(track.encode(samples))
        container.mux(track.encode(None))
    return path


def _plan(avatar: Path, **changes: object) -> Any:
    members: dict[str, Any] = {
        "sound": Sound.FLAC, "sound_bitrate": None, "audio_from_avatar": True, "avatar": avatar,
        "audio": avatar, "excerpt": Excerpt(), "track": 1, "frames": 40, "fps": Fraction(25),
        "mix_background": None, "background_volume": 0,
    }  # fmt: skip
    return SimpleNamespace(**{**members, **changes})


def _heard(plan: Any, path: Path) -> Any:
    """The samples of the sound, decoded again."""
    with av.open(str(path), "w", format="matroska") as container, sound_track(plan, []) as sound:
        assert sound is not None
        for _, packet in sound.add_to(container):
            container.mux(packet)
    with AudioDecoder(path) as reader:
        return np.concatenate(list(reader.blocks()))[:, 0]


@pytest.mark.parametrize("delay", [0.0, 0.25, -0.25])
def test_an_avatars_sound_stays_in_step_with_its_pictures(tmp_path: Path, delay: float) -> None:
    film = _film(tmp_path / "a.mkv", delay)
    own = look_at_sound(film, lambda _secs: None)
    assert own.delay == Fraction(delay)
    heard = _heard(_plan(film), tmp_path / "o.mkv")
    assert np.flatnonzero(heard > 0.5)[0] == round((0.5 + delay) * RATE)
    assert len(heard) == round((1 + delay) * RATE)
    over = _plan(film, mix_background=film, background_volume=-20)
    mixed = _heard(over, tmp_path / "m.mkv")
    assert len(mixed) == 40 * RATE // 25, "to the video's end"
    beneath = mixed[round(1.4 * RATE) :]  # its second time, after the sound itself
    assert abs(beneath.max() - 0.061) < 0.002


def test_silence_before_late_sound_is_bounded(tmp_path: Path) -> None:
    frames = list(avatar_frames(_film(tmp_path / "a.mkv", 60.0)))
    assert max(frame.samples for frame in frames) <= 1 << 15
    assert sum(frame.samples for frame in frames) == 61 * RATE
    with pytest.raises(AudioLengthError, match="after its pictures; the limit is 36000"):
        next(avatar_frames(_film(tmp_path / "b.mkv", 36_001.0)))


def test_an_avatars_sound_is_copied_where_it_can_be(tmp_path: Path) -> None:
    speech = SimpleNamespace(path=tmp_path / "a.wav", duration=Fraction(1), track=None)
    said: list[Any] = []
    for delay, secs, why in ((0.0, Fraction(1), None), (0.25, Fraction(2), "does not begin with"),
                             (0.0, Fraction(1, 2), "the video ends before it")):  # fmt: skip
        film = _film(tmp_path / "a.mkv", delay)
        own = look_at_sound(film, lambda _secs: None)
        inputs: Any = SimpleNamespace(
            speech=speech, avatar=SimpleNamespace(path=film), avatar_sound=own, mix_background=None
        )
        settings = Settings(output=OutputSettings(sound="copy", audio_from_avatar=True))
        if why is None:
            sound = planned_sound(inputs, CONTAINERS["mkv"], settings, secs, said.append)
            assert sound is Sound.COPY
        else:
            with pytest.raises(SoundFormatError, match=why) as refused:
                planned_sound(inputs, CONTAINERS["mkv"], settings, secs, said.append)
            assert refused.value.where == str(film)
        auto = Settings(output=OutputSettings(audio_from_avatar=True))
        planned_sound(inputs, MP4, auto, secs, said.append)
    assert [each.token for each in said if isinstance(each, WarningEvent)] == ["MTF-SOUND-END"]
    for wrong in (
        Settings(output=OutputSettings(sound="none", mix_background="a.mp3")),
        Settings(
            output=OutputSettings(audio_from_avatar=True),
            avatar=AvatarSettings(speed_to_fit=True),
        ),
    ):
        with pytest.raises(UsageError, match=r"--sound none leaves|--speed-to-fit takes"):
            planned_sound(inputs, MP4, wrong, Fraction(1), said.append)
