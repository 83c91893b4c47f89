"""WAV files by themselves: what hostile ones may say, and what ours are."""

from __future__ import annotations

import io
import resource
import struct
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import wav_bytes

from musetalk_fast import errors
from musetalk_fast.media.wav import PaddedWav, WavWriter, missing_share, open_speech

PCM = np.arange(-800, 800, dtype=np.int16)
BODY = PCM.astype("<i2").tobytes()
WAV = wav_bytes(BODY, form=1, channels=1, rate=16_000, bits=16)
FMT, DATA = WAV[12:36], WAV[36:]


def _chunk(name: bytes, body: bytes = b"", length: int | None = None) -> bytes:
    return name + struct.pack("<I", len(body) if length is None else length) + body


def _missing(path: Path) -> float:
    with path.open("rb") as file:
        return missing_share(file)


def _file(folder: Path, *chunks: bytes) -> Path:
    path = folder / "a.wav"
    path.write_bytes(WAV[:12] + b"".join(chunks))
    return path


@pytest.mark.parametrize(
    "chunks",
    [
        (FMT, DATA),
        (_chunk(b"LIST", b"abc") + b"\0", FMT, _chunk(b"fact", b"1234"), DATA, b"tail"),
        (_chunk(b"junk") * 62, FMT, DATA),
        (_chunk(b"fmt ", FMT[8:] + b"\0\0"), DATA),
        (FMT, DATA, _chunk(b"LIST", length=0xFFFFFFFF)),
    ],
    ids=["plain", "odd chunks", "64 chunks", "long format", "lies behind the samples"],
)
def test_speech_is_found(tmp_path: Path, chunks: tuple[bytes, ...]) -> None:
    path = _file(tmp_path, *chunks)
    speech = open_speech(path)
    assert (speech == PCM).all()
    assert speech.dtype == np.int16
    assert not speech.flags.writeable
    assert _missing(path) == 0


EXTENSIBLE = wav_bytes(BODY, form=0xFFFE, channels=1, rate=16_000, bits=16)

REFUSED = {
    "data before format": ((DATA, FMT), "samples have no format", 0),
    "too many chunks": ((_chunk(b"junk") * 63, FMT, DATA), "has no samples", 0),
    "no data": ((FMT,), "has no samples", 0),
    "half a head": ((FMT, b"dat"), "has no samples", 0),
    "half a sample": ((FMT, _chunk(b"data", b"123")), "samples have no format", 0),
    "short format": ((_chunk(b"fmt ", FMT[8:22]), DATA), "not 16 kHz, mono, 16-bit PCM", 0),
    "extensible": ((EXTENSIBLE[12:],), "not 16 kHz, mono, 16-bit PCM", 0),
    "longest data": (
        (FMT, _chunk(b"data", BODY, 0xFFFFFFFF)),
        "says that 4294967295 bytes follow; 3200 do",
        0,
    ),
    "longer data": (
        (FMT, _chunk(b"data", BODY, 64_000)),
        "says that 64000 bytes follow; 3200 do",
        19.0,
    ),
    "longest chunk": (
        (_chunk(b"junk", b"", 0xFFFFFFFF), FMT, DATA),
        "says that 4294967295 bytes follow",
        0,
    ),
}
"""Chunks, what `open_speech` says of them, and `missing_share`."""


def test_other_heads_are_no_wav(tmp_path: Path) -> None:
    """RF64 holds what is longer than 4 GiB, which no server takes."""
    path = tmp_path / "a.wav"
    for head in (b"RF64", b"BW64", b"RIFX"):
        path.write_bytes(head + WAV[4:])
        with pytest.raises(errors.AudioFormatError, match="not a WAV"):
            open_speech(path)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_such_a_wav(tmp_path: Path, name: str) -> None:
    chunks, words, secs = REFUSED[name]
    path = _file(tmp_path, *chunks)
    with pytest.raises(errors.AudioFormatError, match=words) as caught:
        open_speech(path)
    assert caught.value.hint == "send a WAV of 16 kHz, mono, 16-bit PCM"
    assert _missing(path) == secs


def test_no_samples(tmp_path: Path) -> None:
    path = _file(tmp_path, FMT, _chunk(b"data"))
    with pytest.raises(errors.AudioLengthError, match="the recording has no samples"):
        open_speech(path)
    assert _missing(path) == 0


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    place=st.integers(0, 59),
    value=st.binary(min_size=1, max_size=8),
    length=st.integers(0, len(WAV)),
)
def test_damage_anywhere_is_refused_or_without_effect(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: bytes, length: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.wav"
    path.write_bytes((WAV[:place] + value + WAV[place + len(value) :])[:length])
    assert _missing(path) >= 0
    try:
        speech = open_speech(path)
    except (errors.AudioFormatError, errors.AudioLengthError):
        return
    assert 0 < 2 * len(speech) <= length - 44


def test_what_we_write_is_by_the_book(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with WavWriter(path) as writer:
        for block in np.array_split(PCM, 7):
            writer.write(block)
    assert path.read_bytes() == WAV
    assert writer.samples == len(PCM)


def test_a_full_disk_at_its_first_bytes_leaves_nothing(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
    try:
        with pytest.raises(errors.OutputWriteError), WavWriter(tmp_path / "speech.wav"):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("secs", "silence"),
    [
        (Fraction(1, 25), 0),
        (Fraction(1, 10), 0),
        (Fraction(3003, 30_000), 2),
        (Fraction(20), 318_400),
    ],
    ids=["shorter", "equal", "rounded up", "long"],
)
def test_silence_up_to_the_last_frame(tmp_path: Path, secs: Fraction, silence: int) -> None:
    path = _file(tmp_path, FMT, DATA)
    padded = PaddedWav(path, len(PCM), Fraction(secs))
    data = b"".join(padded.blocks())
    assert padded.size == len(data)
    with wave.open(io.BytesIO(data)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 16_000)
        assert sound.readframes(1 << 30) == BODY + bytes(2 * silence)
