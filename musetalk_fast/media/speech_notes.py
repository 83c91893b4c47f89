"""Warnings about a recording: damage, levels, and which of several tracks is heard."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from musetalk_fast.events import WarningEvent
from musetalk_fast.media.audio_decoder import AudioDecoder, Missing
from musetalk_fast.media.audio_track_choice import described_tracks
from musetalk_fast.media.speech_mix import Mix
from musetalk_fast.media.truncation import missing_end

_SILENT_DBFS = -70.0
_QUIET_DBFS = -30.0
_SHORT_SECS = 0.2
_ROUNDED = Fraction(1, 1000)


def damage(reader: AudioDecoder) -> str | None:
    """What is missing in a recording that was decoded to its end; None: nothing.

    Gaps that the format allows, for a pause or a microphone that was switched off, are no damage.
    """
    found = []
    failed, lost = reader.packets.failed, reader.lost
    if failed:
        of, at = failed + reader.packets.decoded, f"{reader.packets.first:.2f} s"
        found.append(f"{failed} of {of} packets cannot be decoded, the first at {at}")
    if lost.places:
        found.append(f"{_missing(lost)}: silence stands for it")
    if reader.is_cut:
        return "; ".join(found) or None
    if end := missing_end(reader.source, reader.position_secs, reader.origin):
        found.append(end)
    elif reader.packets.broken_off:
        found.append(f"the file breaks off at {reader.position_secs:.2f} s: it may be cut")
    return "; ".join(found) or None


def notes(
    reader: AudioDecoder, damaged: str | None, mix: Mix, peak_dbfs: float
) -> tuple[WarningEvent, ...]:
    """All there is to say of a recording that was decoded to its end.

    Args:
        damaged: what `damage` says of it.
        mix: what the engine hears of it.
        peak_dbfs: of the mix, before it is amplified.
    """
    return (*_file_notes(reader, damaged), *_level_notes(mix, peak_dbfs))


def _file_notes(reader: AudioDecoder, damaged: str | None) -> Iterator[WarningEvent]:
    if reader.source.tracks > 1 and reader.excerpt.track is None:
        yield _note("MTF-AUDIO-TRACK", _choice(reader))
    if damaged:
        yield _note("MTF-AUDIO-DAMAGED", f"the recording is damaged: {damaged}")
    if reader.gaps.places:
        yield _note(
            "MTF-AUDIO-GAP", f"the recording has gaps ({_missing(reader.gaps)}): they are silence"
        )
    if reader.sound.changes:
        message = (
            f"the recording changes its sample rate or channels {reader.sound.changes} times: all "
            f"of it is brought to those of its beginning, {reader.rate} Hz"
        )
        yield _note("MTF-AUDIO-CHANGES", message.replace("1 times", "once"))
    wanted = reader.excerpt.secs
    if wanted is not None and reader.secs < wanted - _ROUNDED and not reader.is_cut:
        message = (
            f"the recording ends after {reader.secs:.2f} s of the {float(wanted):g} s asked for"
        )
        yield _note("MTF-AUDIO-END", message)
    if reader.secs < _SHORT_SECS:
        ms = reader.secs * 1000
        yield _note("MTF-AUDIO-SHORT", f"the recording is very short ({ms:.0f} ms)")


def _level_notes(mix: Mix, peak_dbfs: float) -> Iterator[WarningEvent]:
    if mix.channel is not None:
        message = (
            "the recording's channels cancel one another: the mouth follows the loudest, "
            f"number {mix.channel + 1}"
        )
        yield _note("MTF-AUDIO-MIX", message)
    quiet = f"the recording is quiet (peak {peak_dbfs:.0f} dBFS)"
    if mix.gain > 1 and peak_dbfs < _QUIET_DBFS:
        message = (
            f"{quiet}: the mouth follows it amplified by {mix.gain_db:.0f} dB; the video's sound "
            "stays as it is"
        )
        yield _note("MTF-AUDIO-QUIET", message)
    elif peak_dbfs < _SILENT_DBFS:
        yield _note("MTF-AUDIO-SILENT", "the recording is silent: the mouth will not move")
    elif peak_dbfs < _QUIET_DBFS:
        message = f"{quiet}, and nothing in it stands out as speech: the mouth may hardly move"
        yield _note("MTF-AUDIO-QUIET", message)


def _note(token: str, message: str) -> WarningEvent:
    return WarningEvent(message=message, token=token)


def _choice(reader: AudioDecoder) -> str:
    """Which track of several is heard."""
    source = reader.source
    tracks = list(described_tracks(source.container.streams.audio, source.codecs()))
    used = tracks.pop(source.number - 1)
    return (
        f"the recording has {len(tracks) + 1} sound tracks: number {used} is used, not "
        f"{', '.join(tracks)} (--audio-track chooses)"
    )


def _missing(missing: Missing) -> str:
    secs, first = f"{missing.secs:.2f} s", f"{missing.first:.2f} s"
    if missing.places == 1:
        return f"{secs} of sound missing at {first}"
    return f"{secs} of sound missing at {missing.places} places, the first at {first}"
