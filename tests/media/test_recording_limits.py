"""Recordings that are empty, cut, damaged, quiet, short or long."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from recordings import record, silent_film, tones, wav_bytes, write_wav

from musetalk_fast import errors
from musetalk_fast.media.audio_decoder import MAX_SECS, AudioDecoder
from musetalk_fast.media.speech import Speech, load_speech
from musetalk_fast.media.wav import WavWriter


def _refused(path: Path, kind: type[errors.InputError], words: str) -> errors.InputError:
    before = sorted(path.parent.iterdir())
    with pytest.raises(kind, match=words) as caught:
        load_speech(path, path.parent)
    assert caught.value.where == str(path)
    assert caught.value.hint
    assert sorted(path.parent.iterdir()) == before
    return caught.value


def _said(speech: Speech) -> str:
    return "; ".join(note.message for note in speech.notes)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    _refused(tmp_path / "a.wav", errors.AudioLengthError, "the file is empty")


def test_a_recording_without_samples(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", 16_000, np.zeros(0, np.int16))
    _refused(path, errors.AudioLengthError, "no samples")


def test_text(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no sound " * 1000)
    _refused(tmp_path / "a.wav", errors.AudioFormatError, "no sound that can be read")


def test_a_playlist_opens_nothing(tmp_path: Path) -> None:
    write_wav(tmp_path / "real.wav", 16_000, np.full(16_000, 9000, np.int16))
    for text in ("ffconcat version 1.0\nfile real.wav\n", "#EXTM3U\n#EXTINF:1,\nreal.wav\n"):
        (tmp_path / "a.m3u8").write_text(text)
        _refused(tmp_path / "a.m3u8", errors.AudioFormatError, "no sound that can be read")


def test_a_film_without_sound(tmp_path: Path) -> None:
    path = silent_film(tmp_path / "a.mp4")
    _refused(path, errors.AudioFormatError, "a video without sound")


def test_a_picture(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parents[2] / "examples/portrait.png", tmp_path / "a.png")
    _refused(tmp_path / "a.png", errors.AudioFormatError, "no sound")


BROKEN_INSIDE = [
    ("a.flac", "flac", "s16"),
    ("a.mp3", "libmp3lame", "s16p"),
    ("a.ogg", "libopus", "s16"),
    ("a.mp4", "aac", "fltp"),
    ("a.mka", "libopus", "s16"),
]


@pytest.mark.parametrize(("name", "codec", "kind"), BROKEN_INSIDE)
def test_damage_in_the_middle_is_silence_with_its_time(
    tmp_path: Path, name: str, codec: str, kind: str
) -> None:
    noise = np.random.default_rng(1).normal(0, 0.2, (30 * 48_000, 1)).clip(-1, 1)
    data = bytearray(record(tmp_path / name, codec, kind, 48_000, noise).read_bytes())
    middle, length = len(data) // 2, len(data) // 32
    data[middle : middle + length] = np.random.default_rng(2).bytes(length)
    (tmp_path / name).write_bytes(data)
    speech = load_speech(tmp_path / name, tmp_path)
    # What follows the damage is where it was.
    assert 29.9 < speech.duration < 30.1
    (note,) = speech.notes
    found = re.search(
        r"(\d+\.\d\d) s of sound missing at (?:\d+ places, .*at )?(\d+\.\d\d) s", _said(speech)
    )
    assert found, note
    assert 0.4 < float(found[1]) < 5.5
    assert 10 < float(found[2]) < 20
    if name == "a.mka":  # a pause is the same to Matroska
        assert (note.token, speech.damage) == ("MTF-AUDIO-GAP", None)
        return
    assert note.token == "MTF-AUDIO-DAMAGED"
    with pytest.raises(errors.AudioDamagedError, match=r"s of sound missing") as caught:
        speech.check_whole()
    assert (caught.value.where, caught.value.exit_code) == (str(tmp_path / name), 65)


@pytest.mark.parametrize(("name", "codec", "kind"), [("a.wav", "pcm_s16le", "s16"), *BROKEN_INSIDE])
def test_a_cut_recording_is_refused_or_reported(
    tmp_path: Path, name: str, codec: str, kind: str
) -> None:
    path = record(tmp_path / name, codec, kind, 48_000, tones(48_000, 8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    if name == "a.mp4":  # what stands at its end says where its sound is
        _refused(path, errors.AudioFormatError, "an MP4 or MOV that was cut")
        return
    speech = load_speech(path, tmp_path)
    assert "it may be cut" in speech.notes[0].message
    assert "it may be cut" in (speech.damage or "")
    assert 2 < speech.duration < 6


@pytest.mark.parametrize("rate", [100, 800_000])
def test_unusual_rates(tmp_path: Path, rate: int) -> None:
    path = write_wav(tmp_path / "a.wav", rate, np.full(rate, 9000, np.int16))
    _refused(path, errors.AudioFormatError, f"{rate} samples a second are outside")


@pytest.mark.parametrize(
    ("level", "words"),
    [
        (0, "the recording is silent: the mouth will not move"),
        (3, "the recording is silent"),
        (100, "the recording is quiet (peak -50 dBFS)"),
        (1000, "the recording is quiet (peak -30 dBFS)"),
        (1100, None),
    ],
)
def test_how_loud_it_is(tmp_path: Path, level: int, words: str | None) -> None:
    wave = np.rint(tones(16_000, 1.0)[:, 0] * 2 * level)
    speech = load_speech(write_wav(tmp_path / "a.wav", 16_000, wave), tmp_path)
    assert len(speech.notes) == (words is not None)
    assert (words or "") in _said(speech)


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_ten_milliseconds(tmp_path: Path, rate: int) -> None:
    path = write_wav(tmp_path / "a.wav", rate, np.rint(tones(rate, 0.01) * 9000))
    speech = load_speech(path, tmp_path)
    assert _said(speech) == "the recording is very short (10 ms)"
    assert speech.wav.stat().st_size == 44 + 2 * 160


def test_one_sample(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", 48_000, np.full(1, 9000, np.int16))
    speech = load_speech(path, tmp_path)
    assert speech.samples == 1
    assert "the recording is very short (0 ms)" in _said(speech)


def _endless(path: Path, secs: int, rate: int = 8_000) -> Path:
    """Hours of silence that take no place on the disk."""
    head = wav_bytes(b"", form=1, channels=1, rate=rate, bits=8)
    size = secs * rate
    with path.open("wb") as file:
        file.write(head[:-4] + struct.pack("<I", size))
        file.truncate(len(head) + size)
    return path


def test_more_than_ten_hours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_SECS == 36_000
    # What takes the time of the test is decoding: a minute shows as much.
    monkeypatch.setattr("musetalk_fast.media.audio_decoder.MAX_SECS", 60)
    _refused(_endless(tmp_path / "a.wav", 61), errors.AudioLengthError, "longer than")


_MEASURE = """
import resource, sys
from pathlib import Path
from musetalk_fast.media.speech import load_speech
load_speech(Path(sys.argv[1]), Path(sys.argv[1]).parent)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
speech = load_speech(Path(sys.argv[2]), Path(sys.argv[2]).parent)
print(speech.samples, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    short, long = _endless(tmp_path / "a.wav", 10), _endless(tmp_path / "b.wav", 600)
    command = [sys.executable, "-c", _MEASURE, str(short), str(long)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    samples, grown = map(int, done.stdout.split())
    assert samples == 600 * 8_000
    # As floats at 16 kHz, ten minutes are 38 MB.
    assert grown < 10


def test_frames_are_the_original(tmp_path: Path) -> None:
    signal = tones(44_100, 0.5, 2)
    path = write_wav(tmp_path / "a.wav", 44_100, np.rint(signal * 32767))
    with AudioDecoder(path) as reader:
        blocks = [frame.to_ndarray().reshape(-1, 2) for frame in reader.frames()]
    assert (np.concatenate(blocks) * 32768 == np.rint(signal * 32767)).all()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", 16_000, np.full(16_000, 9000, np.int16))
    with pytest.raises(errors.OutputWriteError, match="No such file") as caught:
        load_speech(path, tmp_path / "none")
    assert "temporary folder" in (caught.value.hint or "")


def test_a_wav_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    with WavWriter(tmp_path / "a.wav") as writer:
        writer.write(np.arange(100, dtype=np.int16))
        assert not (tmp_path / "a.wav").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
    with pytest.raises(KeyError):
        _break_off(tmp_path / "b.wav")
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def _break_off(path: Path) -> None:
    with WavWriter(path) as writer:
        writer.write(np.arange(100, dtype=np.int16))
        raise KeyError


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_a_wav_from_a_pipe_promises_nothing(tmp_path: Path, size: int) -> None:
    body = np.rint(tones(16_000, 3.0) * 32767).astype("<i2").tobytes()
    data = wav_bytes(body, form=1, channels=1, rate=16_000, bits=16)
    (tmp_path / "a.wav").write_bytes(data[:40] + struct.pack("<I", size) + data[44:])
    assert load_speech(tmp_path / "a.wav", tmp_path).notes == ()


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file that cannot be read")
def test_a_disk_that_fails() -> None:
    with pytest.raises(errors.InputUnreadableError, match="cannot be read: Input/output error"):
        AudioDecoder(Path("/proc/self/mem"))
