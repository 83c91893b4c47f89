"""The settings of an encoder, resolved for a render."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from musetalk_fast.kernels.planes import LAYOUTS
from musetalk_fast.types import MAX_MASTERING, ColourTags, Mastering
from musetalk_fast.video.codec_table import CODECS
from musetalk_fast.video.containers import CONTAINERS
from musetalk_fast.video.encoder_choices import EncoderChoices
from musetalk_fast.video.mastering_options import with_mastering
from musetalk_fast.wire.records import TEXTS, choice, integer, integers, nested, optional, stored

if TYPE_CHECKING:
    import av

_PART_MUXERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
_PART_SUFFIXES = {"prores": ".mov", "vp9": ".mkv", "ffv1": ".mkv"}
"""Of families that MP4 does not hold, or not with their alpha."""
PART_SUFFIXES = tuple(_PART_MUXERS)
"""Of the files of parts."""


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """All settings of an encoder beside size and rate.

    Attributes:
        codec: FFmpeg's name.
        format: name of the finished video's container.
        pix_fmt: layout of the frames it is fed with.
        options: its own options, values as text.
        gop: most frames from one key frame to the next.
        threads: of this encoder; another number may give other bytes.
        choices: what `options` was made of.
        mastering: what the video says of its display; None: nothing.
    """

    codec: str = field(metadata=stored(choice(CODECS)))
    format: str = field(metadata=stored(choice(CONTAINERS)))
    pix_fmt: str = field(metadata=stored(choice(LAYOUTS)))
    options: Mapping[str, str] = field(metadata=stored(TEXTS))
    gop: int = field(metadata=stored(integer(1)))
    threads: int = field(metadata=stored(integer(1, 1024), identity=False))
    choices: EncoderChoices = field(
        default_factory=EncoderChoices, metadata=stored(nested(EncoderChoices))
    )
    mastering: Mastering | None = field(
        default=None, metadata=stored(optional(integers(Mastering, 0, MAX_MASTERING)))
    )

    @property
    def part_suffix(self) -> str:
        """Of the files of parts, one of `PART_SUFFIXES`."""
        return _PART_SUFFIXES.get(CODECS[self.codec].family, ".mp4")

    @property
    def part_muxer(self) -> str:
        """FFmpeg's name of the parts' container."""
        return _PART_MUXERS[self.part_suffix]

    @property
    def reorders(self) -> int:
        """Most frames by which a packet can be decoded before it is shown."""
        return CODECS[self.codec].reorders

    @property
    def bit_depth(self) -> int:
        """Bits of the samples that it is fed with."""
        return LAYOUTS[self.pix_fmt].depth

    @property
    def in_software(self) -> bool:
        """Whether it is a library, not a device that may be absent or busy."""
        return CODECS[self.codec].in_software

    def configure(
        self,
        context: av.VideoCodecContext,
        width: int,
        height: int,
        fps: Fraction,
        colour: ColourTags,
    ) -> None:
        """Set up a context of `codec` that is not open yet; time base is 1/fps."""
        context.width, context.height, context.pix_fmt = width, height, self.pix_fmt
        context.framerate, context.time_base = fps, 1 / fps
        context.gop_size = self.gop
        # PyAV's default, slices, costs quality: as many frames at once as there are threads.
        context.thread_type = "FRAME"
        context.thread_count = self.threads
        context.colorspace, context.color_range = colour.matrix, colour.range
        context.color_primaries, context.color_trc = colour.primaries, colour.transfer
        context.options = with_mastering(self.codec, self.options, self.mastering)
