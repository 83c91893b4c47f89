"""The encoders we know how to drive: their own names for quality, presets and layouts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from musetalk_fast.types import PRESETS


@dataclass(frozen=True, slots=True)
class Codec:
    """An encoder.

    Attributes:
        name: FFmpeg's.
        family: the kind of video it makes.
        quality: its option for constant quality; empty: it has none.
        default: its value if none was asked for; smaller is better in every encoder here.
        lowest, highest: what it takes.
        preset: its option for speed; empty: it has none.
        presets: a value of it for each of `PRESETS`.
        default_preset: one of `PRESETS`.
        pix_fmt: the layout it is fed with.
        options: what else it needs for constant quality and clean output.
        alpha_pix_fmt: the layout it is fed with where the video is transparent; None: it never is.
        deep_pix_fmt: the layout it is fed with where the source has more than 8 bits; None: no
            other.
        layout_options: what else it needs for a layout.
        intra: every picture is a key frame.
        full_range: its video can say that codes go from 0 to the top.
        in_software: it is a library, not a device that may be absent or busy.
    """

    name: str
    family: str
    quality: str = ""
    default: int = 0
    lowest: int = 0
    highest: int = 0
    preset: str = ""
    presets: tuple[str, ...] = ()
    default_preset: str = "veryfast"
    pix_fmt: str = "yuv420p"
    options: tuple[tuple[str, str], ...] = ()
    alpha_pix_fmt: str | None = None
    deep_pix_fmt: str | None = None
    layout_options: Mapping[str, tuple[tuple[str, str], ...]] = field(
        default_factory=dict, hash=False
    )
    intra: bool = False
    full_range: bool = True
    in_software: bool = True

    @property
    def reorders(self) -> int:
        """Most frames by which a packet can be decoded before it is shown.

        AV1 and VP9 hide their reordering inside packets.
        """
        return 16 if self.family in ("h264", "hevc") else 0


_NVENC = ("p1", "p1", "p2", "p3", "p3", "p4", "p5", "p6", "p7", "p7")
_NVENC_OPTIONS = (("rc", "vbr"), ("b", "0"), ("tune", "hq"))
_QSV = (
    *("veryfast", "veryfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow", "veryslow"),
)
_AMF = ("speed",) * 5 + ("balanced",) + ("quality",) * 4
_AMF_OPTIONS = (("usage", "transcoding"), ("rc", "qvbr"))
_VPX = ("5", "5", "4", "4", "3", "2", "1", "1", "0", "0")
_SVT = ("9", "9", "8", "8", "7", "6", "5", "4", "3", "2")


def _nvenc(family: str, default: int, highest: int) -> Codec:
    return Codec(
        *(f"{family}_nvenc", family, "cq", default, 0, highest, "preset", _NVENC, "medium"),
        options=_NVENC_OPTIONS,
        in_software=False,
    )


def _qsv(family: str, default: int) -> Codec:
    return Codec(
        *(f"{family}_qsv", family, "global_quality", default, 1, 51, "preset", _QSV),
        *("medium", "nv12"),
        in_software=False,
    )


def _amf(family: str, default: int) -> Codec:
    return Codec(
        *(f"{family}_amf", family, "qvbr_quality_level", default, 1, 51, "quality", _AMF),
        *("medium", "nv12", _AMF_OPTIONS),
        in_software=False,
    )


CODECS: dict[str, Codec] = {
    codec.name: codec
    for codec in (
        Codec(
            *("libx264", "h264", "crf", 20, 0, 51, "preset", PRESETS),
            # Else its decisions depend on the processor's instruction sets, and so do the bytes.
            options=(("x264-params", "cpu-independent=1"),),
        ),
        Codec(
            *("libx265", "hevc", "crf", 24, 0, 51, "preset", PRESETS),
            # info: a text in the header that names threads and processor would keep parts apart.
            options=(("x265-params", "log-level=none:info=0"),),
            deep_pix_fmt="yuv420p10le",
        ),
        Codec(
            *("libvpx-vp9", "vp9", "crf", 31, 0, 63, "cpu-used", _VPX),
            options=(("deadline", "good"), ("b", "0"), ("row-mt", "1"), ("tile-columns", "2")),
            alpha_pix_fmt="yuva420p",
        ),
        Codec(
            *("libsvtav1", "av1", "crf", 32, 1, 63, "preset", _SVT),
            deep_pix_fmt="yuv420p10le",
        ),
        Codec(
            *("prores_ks", "prores"),
            pix_fmt="yuv422p10le",
            # The vendor that players of Apple's expect.
            options=(("vendor", "apl0"),),
            alpha_pix_fmt="yuva444p10le",
            layout_options={
                "yuv422p10le": (("profile", "hq"),),
                "yuva444p10le": (("profile", "4444"), ("alpha_bits", "16")),
            },
            intra=True,
            full_range=False,
        ),
        Codec(
            *("ffv1", "ffv1"),
            pix_fmt="yuv444p",
            # A fixed number of slices: else it, and so the bytes, would depend on the processors.
            options=(("level", "3"), ("slices", "4"), ("slicecrc", "1")),
            alpha_pix_fmt="yuva444p",
            intra=True,
        ),
        _nvenc("h264", 23, 51),
        _nvenc("hevc", 25, 51),
        _nvenc("av1", 32, 63),
        _qsv("h264", 23),
        _qsv("hevc", 25),
        _qsv("av1", 28),
        _qsv("vp9", 28),
        _amf("h264", 23),
        _amf("hevc", 25),
        _amf("av1", 28),
    )
}

FAMILIES = {
    "h264": "libx264",
    "hevc": "libx265",
    "h265": "libx265",
    "vp9": "libvpx-vp9",
    "av1": "libsvtav1",
    "prores": "prores_ks",
    "ffv1": "ffv1",
}
"""The encoder that the name of a family means: the library, which makes the same video anywhere."""


def find_codec(name: str) -> Codec | None:
    """The encoder that a name means: FFmpeg's own name of it, or that of its family."""
    return CODECS.get(FAMILIES.get(name, name))
