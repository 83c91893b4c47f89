"""Sound that is copied: the same packets, heard from the first frame on, and no others."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from recordings import Signal, record, remuxed, two_tracks

from musetalk_fast.config import OutputSettings
from musetalk_fast.errors import SoundFormatError, UsageError
from musetalk_fast.media.audio_decoder import AudioDecoder
from musetalk_fast.media.copied_sound import CopiedSound
from musetalk_fast.media.excerpt import WHOLE, Excerpt
from musetalk_fast.media.sound_copy_facts import TrackFacts, facts_of
from musetalk_fast.planning.sound_choice import choose_sound, copy_note, copy_obstacle
from musetalk_fast.types import Sound
from musetalk_fast.video.containers import CONTAINERS
from musetalk_fast.video.output_sound import CopiedTrack, EncodedTrack

RATE = 44_100
MP4, WEBM = CONTAINERS["mp4"], CONTAINERS["webm"]

KINDS = {
    "a.m4a": ("aac", "fltp", "ipod", RATE),
    "a.aac": ("aac", "fltp", "adts", RATE),
    "aac.mkv": ("aac", "fltp", "matroska", RATE),
    "a.mp3": ("libmp3lame", "s16p", "mp3", 48_000),
    "mp3.mkv": ("libmp3lame", "s16p", "matroska", RATE),
    "opus.ogg": ("libopus", "s16", "ogg", 48_000),
    "opus.webm": ("libopus", "s16", "webm", 48_000),
    "a.flac": ("flac", "s16", "flac", RATE),
    "flac.mkv": ("flac", "s16", "matroska", RATE),
    "alac.m4a": ("alac", "s16p", "ipod", RATE),
    "a.ac3": ("ac3", "fltp", "ac3", RATE),
    "vorbis.webm": ("vorbis", "fltp", "webm", 48_000),
}
"""Encoder, its samples, the container and the rate of each file."""

_TAKEN = {
    **{name: ("mp4",) for name in KINDS if name[0] != "o" and name != "vorbis.webm"},
    **dict.fromkeys(("opus.ogg", "opus.webm"), ("mp4", "webm")),
    "vorbis.webm": ("webm",),
}


def _voice(rate: int, secs: float = 0.7) -> Signal:
    time = np.arange(int(rate * secs) + 77) / rate
    tone = 0.3 * np.sin(2 * np.pi * (300 * time + 200 * time**2))
    return np.stack([tone, tone], 1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A recording of each kind."""
    folder = tmp_path_factory.mktemp("made")
    paths = {}
    for name, (codec, form, container, rate) in KINDS.items():
        options: dict[str, Any] = {"strict": "experimental"} if codec == "vorbis" else {}
        options |= {"layout": "stereo", "container": container}
        paths[name] = record(folder / name, codec, form, rate, _voice(rate), **options)
    return paths


def _decoded(path: Path, excerpt: Excerpt = WHOLE) -> tuple[Signal, TrackFacts]:
    with AudioDecoder(path, excerpt) as reader:
        sound = np.concatenate(list(reader.blocks()))
        return sound, facts_of(reader)


def _copied(source: Path, output: Path) -> list[bytes]:
    """Beside pictures of a codec that goes anywhere; what was copied."""
    contents = []
    with CopiedSound(source, "1") as copied, av.open(str(output), "w") as container:
        pictures: Any = container.add_stream("libvpx-vp9", rate=25)
        pictures.width = pictures.height = 16
        track = CopiedTrack(copied.stream, copied.packets()).add_to(container)
        for index in range(2):
            frame = av.VideoFrame(16, 16, "yuv420p")
            frame.pts = index
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode(None))
        for _, packet in track:
            contents.append(bytes(packet))
            container.mux(packet)
    return contents


@pytest.mark.parametrize("name", KINDS)
def test_packets_are_copied_and_heard_from_the_first_frame_on(
    tmp_path: Path, made: dict[str, Path], name: str
) -> None:
    sound, facts = _decoded(made[name])
    taken = [known.name for known in (MP4, WEBM) if copy_obstacle(facts, known) is None]
    assert tuple(taken) == _TAKEN[name]
    for container in taken:
        output = tmp_path / f"o.{container}"
        contents = _copied(made[name], output)
        heard, again = _decoded(output)
        # At the end a container may not say how much of the last packet is padding.
        frame = 1152 if container == "mp4" else 0
        assert len(sound) <= len(heard) <= len(sound) + frame
        assert np.array_equal(heard[: len(sound)], sound), "to the sample, priming passed over"
        assert (again.codec, again.rate, again.channels) == (facts.codec, facts.rate, 2)
        with av.open(str(output)) as opened:
            for stream in opened.streams:
                assert stream.start_time == 0
            assert next(opened.decode(audio=0)).pts == 0
        with av.open(str(output)) as opened:
            packets = [bytes(each) for each in opened.demux(audio=0) if each.size]
            headers = 7 if name == "a.aac" else 0  # of ADTS, which MP4 has in its own header
            assert packets == [content[headers:] for content in contents]


def test_what_was_not_heard_as_it_is_is_not_copied(tmp_path: Path, made: dict[str, Path]) -> None:
    part = Excerpt(start=Fraction(1, 10), secs=Fraction(1, 10))
    assert _decoded(made["a.mp3"], part)[1].flaw == "only a part of the recording is used"
    broken = bytearray(made["a.flac"].read_bytes())
    broken[len(broken) // 2 : len(broken) // 2 + 400] = bytes(400)
    (tmp_path / "b.flac").write_bytes(broken)
    assert _decoded(tmp_path / "b.flac")[1].flaw == "the recording is damaged"
    lacking = remuxed(made["opus.webm"], tmp_path / "g.webm", lambda number, _: number % 9 < 5)
    flaw = _decoded(lacking)[1].flaw
    assert flaw == "the recording has gaps, which are filled with silence"
    assert _decoded(made["a.mp3"])[1].flaw is None


def _facts(codec: str = "aac", flaw: str | None = None, *, has_delay: bool = True) -> TrackFacts:
    return TrackFacts(1, codec, 48_000, 2, has_delay, flaw)


def test_auto_copies_what_can_be_copied_and_copy_says_why_not() -> None:
    auto, copy = OutputSettings(), OutputSettings(sound="copy")
    for codec in ("aac", "mp3", "opus", "flac", "alac", "ac3"):
        assert choose_sound(auto, MP4, _facts(codec), None) is Sound.COPY
        noted = copy_note(Sound.COPY, _facts(codec), MP4)
        assert (noted is not None) == (codec in ("alac", "ac3"))
    for facts, container, obstacle, sound, why in (
        (_facts("pcm_s16le"), MP4, None, Sound.AAC, "it is pcm_s16le, and mp4 takes aac, mp3"),
        (_facts("vorbis"), MP4, None, Sound.AAC, "it is vorbis, and mp4 takes"),
        (_facts("mp3"), WEBM, None, Sound.OPUS, "it is mp3, and webm takes opus, vorbis"),
        (_facts("opus", has_delay=False), WEBM, None, Sound.OPUS, "does not say how its first"),
        (_facts(flaw="it is damaged"), MP4, None, Sound.AAC, "it is damaged"),
        (_facts(), MP4, "the video ends before it", Sound.AAC, "the video ends before it"),
    ):
        assert choose_sound(auto, container, facts, obstacle) is sound
        with pytest.raises(SoundFormatError, match=f"cannot be copied: .*{why}"):
            choose_sound(copy, container, facts, obstacle)
    assert choose_sound(OutputSettings(sound_bitrate=64), MP4, _facts(), None) is Sound.AAC
    assert choose_sound(OutputSettings(sound="none"), MP4, _facts("x"), "x") is Sound.NONE
    assert choose_sound(OutputSettings(sound="flac"), MP4, _facts(), None) is Sound.FLAC
    with pytest.raises(SoundFormatError, match="webm takes no aac") as refused:
        choose_sound(OutputSettings(sound="aac"), WEBM, _facts(), None)
    assert refused.value.hint == "choose one of opus, or another --format"
    for sound, bitrate in (("copy", 64), ("flac", 64), ("none", 64), ("opus", 600)):
        with pytest.raises(UsageError):
            choose_sound(OutputSettings(sound=sound, sound_bitrate=bitrate), MP4, _facts(), None)


@pytest.mark.parametrize(("codec", "form"), [("flac", "s16"), ("alac", "s32p")])
def test_flac_keeps_every_sample(tmp_path: Path, codec: str, form: str) -> None:
    source = record(
        tmp_path / f"a.{'m4a' if codec == 'alac' else 'flac'}",
        *(codec, form, RATE, np.round(_voice(RATE) * 2**20) / 2**20),
        layout="stereo",
    )
    sound, _ = _decoded(source)
    with AudioDecoder(source) as reader, av.open(str(tmp_path / "o.mp4"), "w") as container:
        bits = reader.source.track.codec_context.format.bytes * 8
        for _, packet in EncodedTrack(reader.frames(), "flac", bits=bits).add_to(container):
            container.mux(packet)
    heard, _ = _decoded(tmp_path / "o.mp4")
    assert np.array_equal(heard, sound)


def test_a_bitrate_is_kept(tmp_path: Path, made: dict[str, Path]) -> None:
    sizes = {}
    for kbits in (32, 192):
        path = tmp_path / f"{kbits}.mp4"
        with AudioDecoder(made["a.flac"]) as reader, av.open(str(path), "w") as container:
            for _, packet in EncodedTrack(reader.frames(), "aac", 1000 * kbits).add_to(container):
                container.mux(packet)
        sizes[kbits] = path.stat().st_size
    assert sizes[192] > 2 * sizes[32]


def test_the_second_of_two_tracks_is_copied(tmp_path: Path) -> None:
    quiet, loud = (gain * _voice(16_000)[:, :1] for gain in (0.1, 1))
    source = two_tracks(tmp_path / "two.mp4", quiet, loud)
    with CopiedSound(source, "2") as copied:
        wanted = [bytes(each.packet) for each in copied.packets()]
        assert copied.stream.index == 1
    with av.open(str(source)) as opened:
        assert wanted == [bytes(each) for each in opened.demux(audio=1) if each.size]
