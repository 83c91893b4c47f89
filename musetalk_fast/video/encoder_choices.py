"""What was chosen of an encoder, as a plan keeps it; options are derived from it.

Options of encoders can name files to write. A plan from elsewhere is followed only if its options
are those that its choices come to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from musetalk_fast.wire.records import FLAG, TEXT, TEXTS, integer, optional, stored

MAX_BITRATE = 1_000_000_000
"""Bits a second."""
MAX_GOP = 10_000
"""Frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderChoices:
    """Choices about an encoder, beside its layout and its key frames.

    Of quality, bit rate and lossless one at most is chosen.

    Attributes:
        quality: by the encoder's own measure; of one without, 0 to 100.
        bitrate: bits a second.
        lossless: nothing is lost.
        preset: one of `types.PRESETS`; None: the encoder's default.
        tune: one of the encoder's.
        extras: names and values of `--encoder-option`.
    """

    quality: int | None = field(default=None, metadata=stored(optional(integer(0, 100))))
    bitrate: int | None = field(default=None, metadata=stored(optional(integer(1, MAX_BITRATE))))
    lossless: bool = field(default=False, metadata=stored(FLAG))
    preset: str | None = field(default=None, metadata=stored(optional(TEXT)))
    tune: str | None = field(default=None, metadata=stored(optional(TEXT)))
    extras: Mapping[str, str] = field(default_factory=dict, metadata=stored(TEXTS))
