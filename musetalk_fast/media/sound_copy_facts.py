"""Whether the packets of a decoded track can be copied unchanged."""

from __future__ import annotations

from dataclasses import dataclass

from musetalk_fast.media.audio_decoder import AudioDecoder

_MOST_FRAME = 4096
"""Samples by which the packets may say another length than the decoder: a frame that the file
does not shorten."""


@dataclass(frozen=True, slots=True)
class TrackFacts:
    """A sound track that was decoded to its end, or to an excerpt's.

    Attributes:
        number: from 1.
        codec: FFmpeg's name of it.
        rate: samples a second.
        channels: how many.
        has_delay: the file's header says how many samples are priming, as Matroska needs it.
        flaw: why its packets are not what was heard; None: they are.
    """

    number: int
    codec: str
    rate: int
    channels: int
    has_delay: bool
    flaw: str | None


def facts_of(reader: AudioDecoder) -> TrackFacts:
    """Of what a reader has read."""
    context, clock = reader.source.track.codec_context, reader.packets.clock
    assert reader.sound.layout is not None
    return TrackFacts(
        number=reader.source.number,
        codec=context.codec.canonical_name,
        rate=reader.rate,
        channels=reader.sound.layout.nb_channels,
        has_delay=clock.priming == context.delay,
        flaw=_flaw(reader),
    )


def _flaw(reader: AudioDecoder) -> str | None:
    if not reader.is_whole:
        return "only a part of the recording is used"
    if reader.packets.failed or reader.lost.places or reader.packets.broken_off:
        return "the recording is damaged"
    if reader.gaps.places:
        return "the recording has gaps, which are filled with silence"
    if reader.sound.changes:
        return "the recording changes its sample rate or channels"
    clock = reader.packets.clock
    if clock.is_cut:
        return "the file leaves out parts of its sound (an edit list)"
    secs = clock.end / clock.rate
    if abs(secs - reader.secs) * reader.rate > _MOST_FRAME:
        return "the packets of the recording do not say how long they are"
    return None
