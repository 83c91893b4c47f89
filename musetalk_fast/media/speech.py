"""A speech recording: checked, measured, and as the server wants it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from musetalk_fast.errors import AudioDamagedError
from musetalk_fast.events import WarningEvent
from musetalk_fast.media.audio_decoder import AudioDecoder, length_error
from musetalk_fast.media.excerpt import WHOLE, Excerpt
from musetalk_fast.media.input_file import file_sha256
from musetalk_fast.media.sound_copy_facts import TrackFacts, facts_of
from musetalk_fast.media.speech_mix import Channels, Levels, Mix, Samples
from musetalk_fast.media.speech_notes import damage, notes
from musetalk_fast.media.wav import PaddedWav, WavWriter
from musetalk_fast.types import SPEECH_RATE, Pcm


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
        peak_dbfs: loudest sample of its mono mix without DC, before it is amplified for the server;
            dB relative to full scale; -inf for digital silence.
        rms_dbfs: the mean power, likewise.
        excerpt: which part of the file it is; the track by its number.
        track: of the original file.
        damage: what is missing in the file, a sentence; None: nothing.
        notes: what the user should know, damage included.
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
    excerpt: Excerpt
    track: TrackFacts
    damage: str | None
    notes: tuple[WarningEvent, ...]

    @property
    def duration(self) -> Fraction:
        """Seconds, exact."""
        return Fraction(self.samples, self.rate)

    def check_whole(self) -> None:
        """Raise AudioDamagedError if the recording is damaged."""
        if self.damage:
            raise AudioDamagedError(self.damage, where=str(self.path))

    def padded(self, secs: Fraction) -> PaddedWav:
        """`wav` with silence up to `secs`, where it is shorter."""
        return PaddedWav(self.wav, self.wav_samples, secs)


def load_speech(
    path: Path,
    workdir: Path,
    on_block: Callable[[float], None] = lambda _secs: None,
    excerpt: Excerpt = WHOLE,
) -> Speech:
    """Decode a recording, or the sound track of a video, into a 16 kHz mono WAV.

    The WAV is what an engine hears: where the plain mix would cancel the speech, it is the loudest
    channel; an offset that matters is taken off; quiet speech is amplified. Each of these costs
    another pass through the file, because it can only be known at its end.

    Args:
        path: a recording that FFmpeg decodes (`audio_file` has the list), or a video.
        workdir: folder for the WAV, which is named after the recording's hash.
        on_block: called with the seconds decoded so far, before each second or two is written;
            may raise to stop.
        excerpt: the part of the file that is meant.

    Raises:
        errors.InputNotFoundError, errors.InputUnreadableError: there is no file to read.
        errors.AudioFormatError: no sound, or more of it damaged than whole.
        errors.AudioTrackError: the track that was asked for is not there, or cannot be decoded.
        errors.AudioLengthError: no samples, or more than ten hours.
        errors.OutputWriteError: the folder cannot be written.
    """
    sha256 = ""
    mix: Mix | None = None
    while True:
        with AudioDecoder(path, excerpt) as reader:
            sha256 = sha256 or file_sha256(path)
            wav = workdir / f"speech-{sha256[:16]}.wav"
            heard = _Pass(reader, wav, mix, on_block)
            if (mix := heard.better_mix()) is not None:
                wav.unlink()
                continue
            return _described(Path(path), sha256, reader, heard, excerpt)


def _described(
    path: Path, sha256: str, reader: AudioDecoder, heard: _Pass, excerpt: Excerpt
) -> Speech:
    found, levels = damage(reader), heard.levels
    return Speech(
        path=path,
        sha256=sha256,
        wav=heard.wav,
        wav_sha256=file_sha256(heard.wav),
        wav_samples=heard.wav_samples,
        samples=reader.samples,
        rate=reader.rate,
        peak_dbfs=_dbfs(levels.peak),
        rms_dbfs=_dbfs(levels.rms),
        excerpt=replace(excerpt, track=str(reader.source.number)),
        track=facts_of(reader),
        damage=found,
        notes=notes(reader, found, heard.mix, _dbfs(levels.peak)),
    )


class _Pass:
    """A recording through one mix into the WAV."""

    def __init__(
        self, reader: AudioDecoder, wav: Path, mix: Mix | None, on_block: Callable[[float], None]
    ) -> None:
        self.wav = wav
        self.levels = Levels()
        self.channels: Channels | None = None
        self._mix = mix
        with WavWriter(wav) as writer:
            for mono in _resampled(self._mono(reader, on_block), reader):
                self.levels.add(mono)
                writer.write(_rounded(self.mix.adjusted(mono)))
            if reader.samples == 0:
                raise length_error("there are no samples in it", reader.source.path)
            self.wav_samples = writer.samples

    @property
    def mix(self) -> Mix:
        """How the channels were mixed."""
        assert self._mix is not None
        return self._mix

    def better_mix(self) -> Mix | None:
        """What another pass should do; None: this one was right."""
        assert self.channels is not None
        if (loudest := self.channels.loudest) is not None:
            return Mix.only(loudest, len(self.mix.weights))
        if self.mix.is_adjusted:
            return None
        offset, gain = self.levels.adjustment()
        return replace(self.mix, offset=offset, gain=gain) if (offset, gain) != (0, 1) else None

    def _mono(self, reader: AudioDecoder, on_block: Callable[[float], None]) -> Iterator[Samples]:
        for block in reader.blocks():
            if self.channels is None:
                assert reader.sound.layout is not None
                self._mix = self._mix or Mix.of(reader.sound.layout)
                self.channels = Channels(self._mix)
            on_block(reader.secs)
            yield self.channels.mixed(block)


def _resampled(blocks: Iterator[Samples], reader: AudioDecoder) -> Iterator[Samples]:
    """Bring to 16 kHz (soxr, high quality)."""
    first = next(blocks, None)
    if first is None:
        return
    if reader.rate == SPEECH_RATE:
        yield first
        yield from blocks
        return
    import soxr

    stream = soxr.ResampleStream(reader.rate, SPEECH_RATE, 1, dtype="float32", quality="HQ")
    yield stream.resample_chunk(first)
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.empty(0, np.float32), last=True)


def _rounded(samples: Samples) -> Pcm:
    pcm: Pcm = np.clip(np.rint(samples * np.float32(32768)), -32768, 32767).astype(np.int16)
    return pcm


def _dbfs(level: float) -> float:
    return 20 * math.log10(level) if level > 0 else -math.inf
