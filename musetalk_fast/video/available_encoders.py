"""Which of the encoders in our table this machine can open."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from musetalk_fast.config import OutputSettings
from musetalk_fast.errors import EncoderError
from musetalk_fast.types import BT709
from musetalk_fast.video.codec_table import CODECS
from musetalk_fast.video.containers import CONTAINERS
from musetalk_fast.video.encoder_options import choices_of, gop_of, settings_of
from musetalk_fast.video.encoder_probe import try_encoder


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether an encoder opens on this machine; `reason` if it does not."""

    codec: str
    opens: bool
    reason: str | None = None
    hint: str | None = None


def probe_all() -> list[Probe]:
    """Try every encoder we know, with a small frame."""
    return [probe(name) for name in CODECS]


def probe(name: str) -> Probe:
    """Try an encoder that we know, with a small frame."""
    codec, fps = CODECS[name], Fraction(25)
    container = next(known for known in CONTAINERS.values() if codec.family in known.families)
    choices = choices_of(codec, OutputSettings())
    settings = settings_of(codec, container, choices, codec.pix_fmt, gop_of(codec, None, fps))
    try:
        try_encoder(settings, 256, 256, fps, BT709)
    except EncoderError as error:
        return Probe(name, opens=False, reason=error.message.partition(": ")[2], hint=error.hint)
    return Probe(name, opens=True)


opens_here = cache(lambda name: probe(name).opens)
"""Whether an encoder opens here: asked once."""
