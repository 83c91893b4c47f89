"""A speech recording: checked, measured, and as the server wants it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from musetalk_fast.errors import AudioLengthError
from musetalk_fast.media.audio_decoder import AudioDecoder, Samples
from musetalk_fast.media.input_file import file_sha256
from musetalk_fast.media.wav import PaddedWav, WavWriter
from musetalk_fast.types import SPEECH_RATE, Pcm

MAX_SECS = 36_000
"""Longest recording: ten hours."""

_SILENT_DBFS = -70.0
_QUIET_DBFS = -30.0
_SHORT_SECS = Fraction(1, 5)
_CUT_SECS, _CUT_SHARE = 1.0, 0.95
"""A file that holds this much less than it promises was probably cut."""


@dataclass(frozen=True, slots=True)
class Speech:
    """A recording that is ready.

    Attributes:
        path: the original file.
        sha256: of the original file.
        wav: 16 kHz, mono, 16-bit, for the server.
        wav_sha256, wav_samples: of `wav`.
        samples: decoded samples of the original, without the codec's priming.
        rate: of `samples`, a second.
        peak_dbfs: loudest sample of `wav`, dB relative to full scale; -inf for digital silence.
        rms_dbfs: its mean power, likewise.
        notes: sentences for the user.
    """

    path: Path
    sha256: str
    wav: Path
    wav_sha256: str
    wav_samples: int
    samples: int
    rate: int
    peak_dbfs: float
    rms_dbfs: float
    notes: tuple[str, ...]

    @property
    def duration(self) -> Fraction:
        """Seconds, exact."""
        return Fraction(self.samples, self.rate)

    def padded(self, secs: Fraction) -> PaddedWav:
        """`wav` with silence up to `secs`, where it is shorter."""
        return PaddedWav(self.wav, self.wav_samples, secs)


def load_speech(
    path: Path, workdir: Path, on_block: Callable[[float], None] = lambda _secs: None
) -> Speech:
    """Decode a recording, or the sound track of a video, into a 16 kHz mono WAV.

    Args:
        path: WAV, FLAC, MP3, M4A, OGG, Opus, or a video.
        workdir: folder for the WAV, which is named after the recording's hash.
        on_block: called with the seconds decoded so far, before each second or two is written;
            may raise to stop.

    Raises:
        errors.InputNotFoundError, errors.InputUnreadableError: there is no file to read.
        errors.AudioFormatError: no sound, or damaged; the message says when.
        errors.AudioLengthError: no samples, or more than ten hours.
        errors.OutputWriteError: the folder cannot be written.
    """
    with AudioDecoder(path) as reader:
        sha256 = file_sha256(path)
        wav = workdir / f"speech-{sha256[:16]}.wav"
        meter = _Meter()
        with WavWriter(wav) as writer:
            for pcm in _to_speech(_limited(reader, path, on_block), reader):
                meter.add(pcm)
                writer.write(pcm)
            if reader.samples == 0:
                raise _length_error("there are no samples in it", path)
        return Speech(
            path=Path(path),
            sha256=sha256,
            wav=wav,
            wav_sha256=file_sha256(wav),
            wav_samples=writer.samples,
            samples=reader.samples,
            rate=reader.rate,
            peak_dbfs=meter.peak_dbfs,
            rms_dbfs=meter.rms_dbfs,
            notes=_notes(reader, meter.peak_dbfs),
        )


def _limited(
    reader: AudioDecoder, path: Path, on_block: Callable[[float], None]
) -> Iterator[Samples]:
    for block in reader.blocks():
        if reader.samples > MAX_SECS * reader.rate:
            raise _length_error(f"it is longer than {MAX_SECS // 3600} hours", path)
        on_block(reader.samples / reader.rate)
        yield block


def _length_error(message: str, path: Path) -> AudioLengthError:
    hint = f"give a recording of speech, up to {MAX_SECS // 3600} hours long"
    return AudioLengthError(message, where=str(path), hint=hint)


def _to_speech(blocks: Iterator[Samples], reader: AudioDecoder) -> Iterator[Pcm]:
    """Resample to 16 kHz (soxr, high quality) and round to 16 bits."""
    first = next(blocks, None)
    if first is None:
        return
    if reader.rate == SPEECH_RATE:
        yield _rounded(first)
        yield from map(_rounded, blocks)
        return
    import soxr

    stream = soxr.ResampleStream(reader.rate, SPEECH_RATE, 1, dtype="float32", quality="HQ")
    yield _rounded(stream.resample_chunk(first))
    for block in blocks:
        yield _rounded(stream.resample_chunk(block))
    yield _rounded(stream.resample_chunk(np.empty(0, np.float32), last=True))


def _rounded(samples: Samples) -> Pcm:
    pcm: Pcm = np.clip(np.rint(samples * np.float32(32768)), -32768, 32767).astype(np.int16)
    return pcm


class _Meter:
    """Peak and mean power of a stream."""

    def __init__(self) -> None:
        self._peak = 0.0
        self._energy = 0.0
        self._samples = 0

    def add(self, pcm: Pcm) -> None:
        if not len(pcm):
            return
        values = pcm.astype(np.float32)
        self._peak = max(self._peak, float(pcm.max()), -float(pcm.min()))
        self._energy += float(values @ values)
        self._samples += len(pcm)

    @property
    def peak_dbfs(self) -> float:
        return _dbfs(self._peak)

    @property
    def rms_dbfs(self) -> float:
        return _dbfs(math.sqrt(self._energy / self._samples)) if self._samples else -math.inf


def _dbfs(level: float) -> float:
    return 20 * math.log10(level / 32768) if level > 0 else -math.inf


def _notes(reader: AudioDecoder, peak_dbfs: float) -> tuple[str, ...]:
    secs = Fraction(reader.samples, reader.rate)
    notes = []
    if peak_dbfs < _SILENT_DBFS:
        notes.append("the recording is silent: the mouth will not move")
    elif peak_dbfs < _QUIET_DBFS:
        notes.append(
            f"the recording is quiet (peak {peak_dbfs:.0f} dBFS): the mouth may hardly move; "
            "amplify it"
        )
    if secs < _SHORT_SECS:
        notes.append(f"the recording is very short ({float(secs) * 1000:.0f} ms)")
    promised = reader.promised_secs or 0.0
    if promised - float(secs) > _CUT_SECS and float(secs) < _CUT_SHARE * promised:
        notes.append(
            f"the file promises {promised:.1f} s of sound but holds {float(secs):.1f} s: "
            "it may be cut"
        )
    return tuple(notes)
