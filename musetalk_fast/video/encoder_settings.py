"""What an encoder is told, resolved for a render."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from musetalk_fast.video.codecs import CODECS

if TYPE_CHECKING:
    import av

BT709 = 1
LIMITED_RANGE = 1
"""FFmpeg's numbers: matrix, primaries and transfer are all 1 for BT.709."""


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """Everything an encoder is told beside size and rate.

    Attributes:
        codec: FFmpeg's name.
        format: name of the finished video's container.
        pix_fmt: layout of the frames it is fed with.
        options: its own options, values as text.
        gop: most frames from one key frame to the next.
        threads: of this encoder; another number may give other bytes.
    """

    codec: str
    format: str
    pix_fmt: str
    options: Mapping[str, str]
    gop: int
    threads: int

    @property
    def part_suffix(self) -> str:
        """Of the files of parts: what MP4 does not hold well goes into Matroska."""
        return ".mkv" if CODECS[self.codec].family == "vp9" else ".mp4"

    @property
    def part_muxer(self) -> str:
        """FFmpeg's name of the parts' container."""
        return "matroska" if self.part_suffix == ".mkv" else "mp4"

    @property
    def reorders(self) -> int:
        """Most frames by which a packet can be decoded before it is shown."""
        return CODECS[self.codec].reorders

    @property
    def in_software(self) -> bool:
        """Whether it is a library, not a device that may be absent or busy."""
        return self.codec.startswith("lib")

    def identity(self) -> dict[str, object]:
        """What decides how the video looks; threads do not."""
        return {
            "codec": self.codec,
            "format": self.format,
            "pix_fmt": self.pix_fmt,
            "options": dict(self.options),
            "gop": self.gop,
        }

    def configure(
        self, context: av.VideoCodecContext, width: int, height: int, fps: Fraction
    ) -> None:
        """Set up a context of `codec` that is not open yet; time base is 1/fps."""
        context.width, context.height, context.pix_fmt = width, height, self.pix_fmt
        context.framerate, context.time_base = fps, 1 / fps
        context.gop_size = self.gop
        # PyAV's default, slices, costs quality: as many frames at once as there are threads.
        context.thread_type = "FRAME"
        context.thread_count = self.threads
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED_RANGE
        context.options = dict(self.options)
