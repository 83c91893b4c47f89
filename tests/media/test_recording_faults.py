"""Recordings with something wrong inside: decoded around it, in time, and said."""

from __future__ import annotations

import re
import struct
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from recordings import Signal, record, remuxed, tones, two_tracks, wav_bytes

from musetalk_fast import errors
from musetalk_fast.media.audio_decoder import AudioDecoder
from musetalk_fast.media.speech import Speech, load_speech
from musetalk_fast.media.wav import open_speech
from musetalk_fast.video.output_sound import EncodedTrack

SECS = 3.0
RATE = 48_000
_TICK = 16
"""Samples at 16 kHz of a millisecond, which is as exact as Matroska's clock is."""


def _sent(speech: Speech) -> Signal:
    return open_speech(speech.wav) / 32768


def _messages(speech: Speech) -> dict[str, str]:
    return {note.token: note.message for note in speech.notes}


def _voice(rate: int = RATE, secs: float = SECS) -> Signal:
    """A tone that rises and falls, so that each moment differs from the others."""
    time = np.arange(int(rate * secs)) / rate
    pitch = 2 * np.pi * (300 * time + 100 * time**2)
    return (0.4 * (1 + 0.5 * np.sin(9 * time)) * np.sin(pitch))[:, None]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same three seconds in several formats."""
    folder = tmp_path_factory.mktemp("made")
    kinds: dict[str, tuple[str, str, dict[str, Any]]] = {
        "a.mp3": ("libmp3lame", "s16p", {}),
        "a.aac": ("aac", "fltp", {"container": "adts"}),
        "a.flac": ("flac", "s16", {}),
        "a.ogg": ("libopus", "s16", {}),
        "a.webm": ("libopus", "s16", {}),
        "film.webm": ("libopus", "s16", {"container": "matroska", "film": True}),
        "a.ac3": ("ac3", "fltp", {}),
    }
    return {
        name: record(folder / name, codec, kind, RATE, _voice(), **options)
        for name, (codec, kind, options) in kinds.items()
    }


def _load(tmp_path: Path, name: str, data: bytes) -> Speech:
    (tmp_path / name).write_bytes(data)
    return load_speech(tmp_path / name, tmp_path)


def _differs(one: Signal, other: Signal, start: float, stop: float, shift: int = 0) -> float:
    """How much two recordings differ between two moments, at most; shifted by so many samples."""
    first, last = int(start * 16_000), int(stop * 16_000)
    return min(
        float(np.abs(one[first + by : last + by] - other[first:last]).max())
        for by in range(-shift, shift + 1)
    )


# ---- which track ----


def test_a_track_without_a_decoder_is_passed_over(tmp_path: Path) -> None:
    quiet, loud = _voice(16_000) * 0.5, _voice(16_000)
    data = two_tracks(tmp_path / "two.mp4", quiet, loud).read_bytes()
    # Apple's spatial sound, which has a box of its own in place of `esds`.
    data = data.replace(b"mp4a\0\0", b"apac\0\0", 1).replace(b"esds", b"dapa", 1)
    speech = _load(tmp_path, "apac.mp4", data)
    assert np.abs(_sent(speech)).max() > 0.45
    assert _messages(speech) == {
        "MTF-AUDIO-TRACK": "the recording has 2 sound tracks: number 2 (aac) is used, not 1 (apac, "
        "which cannot be decoded) (--audio-track chooses)"
    }
    assert speech.damage is None
    with pytest.raises(errors.AudioFormatError, match="cannot be decoded: apac, apac"):
        _load(
            tmp_path, "none.mp4", data.replace(b"mp4a\0\0", b"apac\0\0").replace(b"esds", b"dapa")
        )


def test_of_several_tracks_the_first_is_taken(tmp_path: Path) -> None:
    two_tracks(tmp_path / "two.mp4", _voice(16_000) * 0.25, _voice(16_000))
    speech = load_speech(tmp_path / "two.mp4", tmp_path)
    assert np.abs(_sent(speech)).max() < 0.2
    assert (
        "2 sound tracks: number 1 (aac) is used, not 2 (aac)"
        in _messages(speech)["MTF-AUDIO-TRACK"]
    )


# ---- packets that cannot be decoded ----


def test_two_mp3_behind_one_another(tmp_path: Path, made: dict[str, Path]) -> None:
    one = load_speech(made["a.mp3"], tmp_path)
    speech = _load(tmp_path, "two.mp3", made["a.mp3"].read_bytes() * 2)
    # The tag between them is no sound: no time is lost.
    assert 2 * one.duration <= speech.duration < 2 * one.duration + 0.1
    assert re.fullmatch(
        r"the recording is damaged: 1 of \d+ packets cannot be decoded, the first at 3\.\d\d s",
        _messages(speech)["MTF-AUDIO-DAMAGED"],
    )


def test_padding_is_no_sound(tmp_path: Path, made: dict[str, Path]) -> None:
    data = made["a.mp3"].read_bytes()
    speech = _load(tmp_path, "zeros.mp3", data + bytes(5000))
    assert abs(speech.duration - load_speech(made["a.mp3"], tmp_path).duration) < 0.03
    assert "1 of 127 packets cannot be decoded" in (speech.damage or "")
    assert "cut" not in (speech.damage or "")


@pytest.mark.parametrize("name", ["a.mp3", "a.aac", "a.flac", "a.ogg", "a.ac3"])
def test_forty_bad_bytes_cost_a_moment(tmp_path: Path, made: dict[str, Path], name: str) -> None:
    data = bytearray(made[name].read_bytes())
    # MP3: the header of a frame; what is between headers may be any bytes.
    middle = data.find(b"\xff\xfb", len(data) // 2) if name == "a.mp3" else len(data) // 2
    data[middle : middle + 40] = bytes(range(180, 220))
    whole, speech = load_speech(made[name], tmp_path), _load(tmp_path, name, bytes(data))
    # Raw AAC may lose one frame more, of which FFmpeg says nothing.
    assert abs(speech.duration - whole.duration) <= {"a.ogg": 0.01, "a.aac": 0.022}.get(name, 0.001)
    assert re.search(
        r"\d\.\d\d s of sound missing at (?:\d places, the first at )?[12]\.\d\d s: silence stands",
        speech.damage or "",
    )
    assert set(_messages(speech)) == {"MTF-AUDIO-DAMAGED"}
    # Before and after it, everything is at its place.
    assert _differs(_sent(speech), _sent(whole), 0, 0.9) < 1e-3
    if name != "a.aac":
        assert _differs(_sent(speech), _sent(whole), 2.4, 2.9) < 1e-2
    with pytest.raises(errors.AudioDamagedError, match="sound missing"):
        speech.check_whole()


CUT = ["a.mp3", "no-tag.mp3", "a.aac", "a.flac", "a.ogg", "a.webm", "film.webm", "a.wav", "ima.wav"]


@pytest.mark.parametrize("name", CUT)
def test_a_cut_end_is_noticed(tmp_path: Path, made: dict[str, Path], name: str) -> None:
    if name == "no-tag.mp3":
        options = {"write_xing": "0"}
        path = tmp_path / name
        _without_tag(made["a.mp3"], path, options)
    elif name == "a.wav":
        path = record(tmp_path / name, "pcm_s16le", "s16", RATE, _voice())
    elif name == "ima.wav":
        path = record(tmp_path / name, "adpcm_ima_wav", "s16p", RATE, _voice())
    else:
        path = made[name]
    assert load_speech(path, tmp_path).notes == ()
    speech = _load(tmp_path, f"cut-{name}", path.read_bytes()[: path.stat().st_size * 7 // 10 + 3])
    assert 1.4 < speech.duration < 2.9
    assert re.search("may be cut|packets cannot be decoded", speech.damage or "")


def test_the_last_page_of_an_ogg_is_missed(tmp_path: Path, made: dict[str, Path]) -> None:
    data = bytearray(made["a.ogg"].read_bytes())
    del data[data.rfind(b"OggS") :]  # a page of six milliseconds
    data[-40:] = bytes(40)  # the checksum is wrong: FFmpeg drops all of a second
    speech = _load(tmp_path, "a.ogg", bytes(data))
    assert speech.duration < 2.5
    assert speech.damage == "the file ends in the middle of its sound: it may be cut"


def test_what_an_opus_skips_is_not_missed(tmp_path: Path, made: dict[str, Path]) -> None:
    with av.open(str(made["a.ogg"])) as given, av.open(str(tmp_path / "a.ogg"), "w") as output:
        stream = output.add_stream_from_template(given.streams.audio[0])
        head = bytearray(given.streams.audio[0].codec_context.extradata or b"")
        head[10:12] = struct.pack("<H", 60_000)
        stream.codec_context.extradata = bytes(head)
        for packet in given.demux(audio=0):
            if packet.size:
                packet.stream = stream
                output.mux_one(packet)
    speech = load_speech(tmp_path / "a.ogg", tmp_path)
    assert abs(speech.duration - 3.0065 + 60_000 / 48_000) < 0.002
    assert speech.notes == ()


def _without_tag(source: Path, path: Path, options: dict[str, str]) -> None:
    with av.open(str(source)) as given, av.open(str(path), "w", options=options) as output:
        stream = output.add_stream_from_template(given.streams.audio[0])
        for packet in given.demux(audio=0):
            if packet.size:
                packet.stream = stream
                output.mux_one(packet)


def test_more_damaged_than_whole_is_refused(tmp_path: Path, made: dict[str, Path]) -> None:
    data = bytearray(made["a.flac"].read_bytes())
    for place in range(len(data) // 10, len(data), 700):
        data[place : place + 40] = bytes(range(180, 220))
    with pytest.raises(errors.AudioFormatError, match=r"\d+ of \d+ packets .* cannot be decoded"):
        _load(tmp_path, "a.flac", bytes(data))


# ---- time stamps ----


def test_small_holes_add_up(tmp_path: Path, made: dict[str, Path]) -> None:
    # Packets of 20 ms: 27 holes of one to three of them.
    holes = {5 * hole + more for hole in range(1, 28) for more in range(1 + hole % 3)}
    path = remuxed(made["a.webm"], tmp_path / "a.webm", lambda number, _: number not in holes)
    whole, speech = load_speech(made["a.webm"], tmp_path), load_speech(path, tmp_path)
    assert abs(speech.duration - whole.duration) < 0.003
    secs = len(holes) * 0.02
    message = _messages(speech)["MTF-AUDIO-GAP"]
    found = re.search(
        r"\((\d\.\d\d) s of sound missing at 27 places, the first at 0\.\d\d s", message
    )
    assert found
    assert abs(float(found[1]) - secs) < 0.02
    assert speech.damage is None  # a microphone that was switched off
    # What follows the last hole is in its place.
    assert _differs(_sent(speech), _sent(whole), 2.85, 2.95, _TICK) < 0.02


def test_a_long_gap_is_silence(tmp_path: Path, made: dict[str, Path]) -> None:
    def later(number: int, packet: Any) -> bool:
        packet.pts += 5000 * (number >= 50)
        packet.dts = packet.pts
        return True

    whole = load_speech(made["a.webm"], tmp_path)
    speech = load_speech(remuxed(made["a.webm"], tmp_path / "a.webm", later), tmp_path)
    assert abs(speech.duration - whole.duration - 5) < 0.003
    assert _differs(_sent(speech), np.zeros(8 * 16_000), 1.1, 5.9) == 0
    after = np.concatenate([np.zeros(5 * 16_000), _sent(whole)])
    assert _differs(_sent(speech), after, 6.2, 7.8, _TICK) < 0.02


def test_stamps_that_waver_change_nothing(tmp_path: Path, made: dict[str, Path]) -> None:
    def wavering(number: int, packet: Any) -> bool:
        packet.pts = max(0, packet.pts + (0, 9, 4, -6)[number % 4])
        packet.dts = packet.pts
        return True

    whole = load_speech(made["a.webm"], tmp_path)
    speech = load_speech(remuxed(made["a.webm"], tmp_path / "a.mka", wavering), tmp_path)
    assert abs(speech.duration - whole.duration) <= 0.013
    assert _differs(_sent(speech), _sent(whole), 0, 2.9) < 1e-3
    assert speech.notes == ()


def test_a_stamp_far_beyond_ten_hours_takes_no_time(tmp_path: Path, made: dict[str, Path]) -> None:
    def far(number: int, packet: Any) -> bool:
        packet.pts += 10**12 * (number >= 50)
        packet.dts = packet.pts
        return True

    path = remuxed(made["a.webm"], tmp_path / "a.mka", far)
    began = time.process_time()
    with pytest.raises(errors.AudioLengthError, match="longer than 10 hours"):
        load_speech(path, tmp_path)
    assert time.process_time() - began < 2


# ---- rates and channels that change ----


@pytest.mark.parametrize(("first", "second"), [(24_000, 44_100), (44_100, 24_000)])
def test_the_rate_changes_inside(tmp_path: Path, first: int, second: int) -> None:
    parts = [
        record(tmp_path / f"{rate}.mp3", "libmp3lame", "s16p", rate, tones(rate, 1.5), **tag)
        for rate, tag in ((first, {}), (second, {"layout": "mono"}))
    ]
    speech = _load(tmp_path, "both.mp3", b"".join(path.read_bytes() for path in parts))
    assert speech.rate == first
    assert 3.0 < speech.duration < 3.2
    assert "sample rate or channels once" in _messages(speech)["MTF-AUDIO-CHANGES"]
    assert not re.search("missing", speech.damage or "")
    # The tone of 300 Hz is one in both halves.
    for start in (0.3, 1.9):
        part = _sent(speech)[int(start * 16_000) :][:16_000]
        assert np.abs(np.fft.rfft(part)).argmax() == 300
        assert 0.4 < np.abs(part).max() < 0.6


def test_channels_change_inside(tmp_path: Path) -> None:
    tone = tones(44_100, 1.5)
    data = b""
    for layout in ("mono", "stereo"):
        signal = np.repeat(tone, 1 + (layout == "stereo"), axis=1)
        path = tmp_path / f"{layout}.mp3"
        record(path, "libmp3lame", "s16p", 44_100, signal, layout=layout)
        data += path.read_bytes()
    speech = _load(tmp_path, "both.mp3", data)
    assert 3.0 < speech.duration < 3.2
    assert 0.4 < np.abs(_sent(speech)[30_000:]).max() < 0.6


# ---- formats ----

MORE = {
    "a.voc": ("pcm_s16le", "s16", {}),
    "a.nut": ("pcm_s16le", "s16", {}),
    "a.latm": ("aac", "fltp", {}),
    "a.rm": ("ac3", "fltp", {}),
    "a.au": ("pcm_s16be", "s16", {}),
    "a.sox": ("pcm_s32le", "s32", {}),
    "a.wv": ("wavpack", "s16p", {}),
    "a.tta": ("tta", "s16", {}),
    "a.mp2": ("mp2", "s16", {}),
    "a.eac3": ("eac3", "fltp", {}),
    "a.wtv": ("mp2", "s16", {}),
    "a.asf": ("ac3", "fltp", {}),
    "a.mov": ("pcm_s16le", "s16", {"film": True}),
}


@pytest.mark.parametrize("name", MORE)
def test_more_of_what_ffmpeg_decodes(tmp_path: Path, name: str) -> None:
    codec, kind, options = MORE[name]
    signal = tones(RATE, 1.0)
    speech = load_speech(record(tmp_path / name, codec, kind, RATE, signal, **options), tmp_path)
    assert 1.0 <= speech.duration < 1.08
    assert speech.notes == ()
    assert np.abs(np.fft.rfft(_sent(speech)[:16_000])).argmax() == 300


STREAMED = [0, 0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, 0x7FFFF000, 0x7FFFEFFC, 0xFFFFFFFF - 36]


@pytest.mark.parametrize("size", STREAMED)
def test_a_wav_from_a_pipe_is_not_cut(tmp_path: Path, size: int) -> None:
    body = np.rint(tones(16_000, 1.0) * 32767).astype("<i2").tobytes()
    data = wav_bytes(body, form=1, channels=1, rate=16_000, bits=16)
    speech = _load(tmp_path, "a.wav", data[:40] + struct.pack("<I", size) + data[44:])
    assert (speech.notes, speech.samples) == ((), 16_000)


def test_a_long_wav_says_its_size_elsewhere(tmp_path: Path) -> None:
    body = np.rint(tones(16_000, 1.0) * 32767).astype("<i2").tobytes()
    data = wav_bytes(body, form=1, channels=1, rate=16_000, bits=16)
    sizes = struct.pack("<4sIQQQI", b"ds64", 28, len(data) + 28, len(body), 16_000, 0)
    none = b"\xff" * 4
    rf64 = b"RF64" + none + b"WAVE" + sizes + data[12:40] + none + body
    assert _load(tmp_path, "a.wav", rf64).notes == ()
    cut = _load(tmp_path, "b.wav", rf64[:-16_000])
    assert "the file promises 1.0 s of sound but holds 0.5 s: it may be cut" in (cut.damage or "")


@pytest.mark.parametrize(
    ("name", "codec", "kind"),
    [
        ("a.ogg", "libopus", "flt"),
        ("a.webm", "libopus", "flt"),
        ("a.mka", "aac", "fltp"),
        ("a.nut", "aac", "fltp"),
        ("a.m4a", "aac", "fltp"),
    ],
)
def test_a_clock_that_begins_late_is_no_damage(
    tmp_path: Path, name: str, codec: str, kind: str
) -> None:
    """As of a stream that was captured midway (RFC 7845, 4.3)."""

    def later(_number: int, packet: Any) -> bool:
        packet.pts += round(3 / packet.time_base)
        packet.dts = packet.pts
        return True

    rate = 48_000
    made = record(tmp_path / f"made-{name}", codec, kind, rate, tones(rate, 5.0))
    late = remuxed(made, tmp_path / name, later)
    speech = load_speech(late, tmp_path)
    assert speech.damage is None
    assert abs(speech.duration - 5) < 0.1
    cut = late.with_stem("cut")
    cut.write_bytes(late.read_bytes()[: late.stat().st_size // 2])
    if name != "a.m4a":  # its index is at its end: nothing of it can be read
        assert load_speech(cut, tmp_path).damage is not None


@pytest.mark.parametrize("codec", ["adpcm_ima_wav", "adpcm_ms", "pcm_alaw"])
def test_a_wav_that_is_no_pcm_is_not_cut(tmp_path: Path, codec: str) -> None:
    kind = "s16p" if codec == "adpcm_ima_wav" else "s16"
    path = record(tmp_path / "a.wav", codec, kind, 22_050, tones(22_050, 7.0))
    assert load_speech(path, tmp_path).notes == ()


# ---- the video's sound ----


@pytest.mark.parametrize("name", ["a.webm", "a.flac"])
def test_the_videos_sound_is_what_the_mouth_hears(
    tmp_path: Path, made: dict[str, Path], name: str
) -> None:
    path = tmp_path / name
    if name == "a.webm":
        remuxed(made[name], path, lambda number, _: not 50 <= number < 80)
    else:
        data = bytearray(made[name].read_bytes())
        data[len(data) // 2 : len(data) // 2 + 40] = bytes(range(180, 220))
        path.write_bytes(data)
    heard = _sent(load_speech(path, tmp_path))
    with AudioDecoder(path) as reader, av.open(str(tmp_path / "out.mp4"), "w") as output:
        for _, packet in EncodedTrack(reader.frames(), "aac").add_to(output):
            output.mux(packet)
    sound = _sent(load_speech(tmp_path / "out.mp4", tmp_path))
    assert 0 <= len(sound) - len(heard) <= 1024 / 3
    # The same moments are silent and loud.
    count = len(heard) // 160 * 160
    one, other = (np.abs(each[:count].reshape(-1, 160)).max(axis=1) for each in (heard, sound))
    assert np.corrcoef(one, other)[0, 1] > 0.98
