"""Software encoders: FFmpeg's names, and their options.

Their scales of quality are measured (ci/quality.py): at one number a mouth that flickers in all of
its pixels has the luma PSNR that libx264 gives it, or up to 2 dB more.
"""

from __future__ import annotations

from musetalk_fast.config.number_kinds import Integer, Number
from musetalk_fast.config.text_kinds import Pattern, Word
from musetalk_fast.config.value_kind import Kind
from musetalk_fast.types import PRESETS
from musetalk_fast.video.codec import Codec, Options

_SWITCH = Integer(0, 1)
_STRENGTH = Number(0, 3, "")
_DEBLOCK = Pattern("two integers from -6 to 6 with a colon between", r"-?[0-6]:-?[0-6]")
_LEVELS = (*("3.0", "3.1", "3.2", "4.0", "4.1", "4.2"), *("5.0", "5.1", "5.2", "6.0", "6.1", "6.2"))
_SLICES = ("4", "6", "9", "12", "16", "24", "30")

_X26X_TUNES = ("animation", "grain", "psnr", "ssim", "fastdecode", "zerolatency")
_X264_TUNES = ("film", "stillimage", *_X26X_TUNES)
_X264_EXTRAS: dict[str, Kind] = {
    "profile": Word("baseline", "main", "high", "high10", "high422", "high444"),
    "level": Word(*_LEVELS),
    "refs": Integer(1, 16),
    "bf": Integer(0, 16),
    "b-pyramid": Word("none", "strict", "normal"),
    "coder": Word("cavlc", "cabac"),
    "aq-mode": Word("none", "variance", "autovariance", "autovariance-biased"),
    "aq-strength": _STRENGTH,
    "rc-lookahead": Integer(0, 250),
    "mbtree": _SWITCH,
    "weightp": Word("none", "simple", "smart"),
    "motion-est": Word("dia", "hex", "umh", "esa", "tesa"),
    "subq": Integer(0, 11),
    "trellis": Integer(0, 2),
    "deblock": _DEBLOCK,
    "sc_threshold": Integer(0, 100),
}
_X265_EXTRAS: dict[str, Kind] = {
    "level-idc": Word(*_LEVELS),
    "ref": Integer(1, 8),
    "bframes": Integer(0, 8),
    "b-adapt": Integer(0, 2),
    "aq-mode": Integer(0, 4),
    "aq-strength": _STRENGTH,
    "psy-rd": Number(0, 5, ""),
    "psy-rdoq": Number(0, 50, ""),
    "rc-lookahead": Integer(9, 250),
    "cutree": _SWITCH,
    "sao": _SWITCH,
    "ctu": Word("16", "32", "64"),
    "me": Word("dia", "hex", "umh", "star", "sea", "full"),
    "subme": Integer(0, 7),
    "rd": Integer(1, 6),
    "strong-intra-smoothing": _SWITCH,
}
_VP9_PRESETS = ("5", "5", "4", "4", "3", "2", "1", "1", "0", "0")
_VP9_EXTRAS: dict[str, Kind] = {
    "deadline": Word("good", "best", "realtime"),
    "lag-in-frames": Integer(0, 25),
    "auto-alt-ref": Integer(0, 6),
    "arnr-maxframes": Integer(0, 15),
    "arnr-strength": Integer(0, 6),
    "aq-mode": Word("none", "variance", "complexity", "cyclic", "equator360"),
    "tile-columns": Integer(0, 6),
    "tile-rows": Integer(0, 2),
    "row-mt": _SWITCH,
    "sharpness": Integer(0, 7),
    "static-thresh": Integer(0, 1000),
}
_SVT_PRESETS = ("9", "9", "8", "8", "7", "6", "5", "4", "3", "2")
_SVT_EXTRAS: dict[str, Kind] = {
    "film-grain": Integer(0, 50),
    "film-grain-denoise": _SWITCH,
    "enable-tf": Integer(0, 2),
    "aq-mode": Integer(0, 2),
    "sharpness": Integer(-7, 7),
    "enable-qm": _SWITCH,
    "qm-min": Integer(0, 15),
    "qm-max": Integer(0, 15),
    "enable-variance-boost": _SWITCH,
    "variance-boost-strength": Integer(1, 4),
    "fast-decode": Integer(0, 2),
    "tile-columns": Integer(0, 4),
    "tile-rows": Integer(0, 6),
    "lookahead": Integer(0, 120),
}

_WIDE_8 = ("yuv422p", "yuv444p")
_TEN_BITS = ("yuv420p10le", "yuv422p10le", "yuv444p10le")


def _named(option: str, names: tuple[str, ...]) -> dict[str, Options]:
    return {name: ((option, name),) for name in names}


_X264 = Codec(
    name="libx264",
    family="h264",
    quality="crf",
    scale=(41, 30, 20, 11),
    highest=51,
    preset="preset",
    presets=PRESETS,
    more_pix_fmts=("nv12", *_WIDE_8, *_TEN_BITS),
    # Else its decisions depend on the processor's instruction sets, and so do the bytes.
    options=(("x264-params", "cpu-independent=1"),),
    bitrate=(),
    is_capped=True,
    lossless=(("qp", "0"),),
    tunes=_named("tune", _X264_TUNES),
    extras=_X264_EXTRAS,
)
_X265 = Codec(
    name="libx265",
    family="hevc",
    quality="crf",
    scale=(46, 34, 24, 13),
    highest=51,
    preset="preset",
    presets=PRESETS,
    deep_pix_fmt="yuv420p10le",
    more_pix_fmts=(*_WIDE_8, *_TEN_BITS),
    # info: a text in the header that names threads and processor would keep parts apart.
    options=(("x265-params", "log-level=none:info=0"),),
    bitrate=(),
    is_capped=True,
    lossless=(("x265-params", "lossless=1"),),
    tunes=_named("tune", _X26X_TUNES),
    extras=_X265_EXTRAS,
    params="x265-params",
)
_VP9 = Codec(
    name="libvpx-vp9",
    family="vp9",
    quality="crf",
    scale=(63, 51, 31, 14),
    highest=63,
    preset="cpu-used",
    presets=_VP9_PRESETS,
    alpha_pix_fmt="yuva420p",
    more_pix_fmts=_WIDE_8,
    options=(("deadline", "good"), ("row-mt", "1"), ("tile-columns", "2")),
    constant=(("b", "0"),),
    bitrate=(),
    is_capped=True,
    lossless=(("lossless", "1"),),
    tunes={
        **_named("tune", ("psnr", "ssim")),
        **_named("tune-content", ("film", "screen")),
    },
    extras=_VP9_EXTRAS,
)
_SVT = Codec(
    name="libsvtav1",
    family="av1",
    quality="crf",
    scale=(63, 56, 32, 12),
    lowest=1,
    highest=63,
    preset="preset",
    presets=_SVT_PRESETS,
    deep_pix_fmt="yuv420p10le",
    more_pix_fmts=("yuv420p10le",),
    bitrate=(),
    lossless=(("svtav1-params", "lossless=1"),),
    tunes={
        name: (("svtav1-params", f"tune={number}"),)
        for number, name in enumerate(("vq", "psnr", "ssim"))
    },
    extras=_SVT_EXTRAS,
    params="svtav1-params",
)
_PRORES = Codec(
    name="prores_ks",
    family="prores",
    pix_fmt="yuv422p10le",
    alpha_pix_fmt="yuva444p10le",
    more_pix_fmts=("yuv444p10le",),
    # The vendor that players of Apple's expect.
    options=(("vendor", "apl0"),),
    ladders={
        "yuv422p10le": tuple(
            (least, (("profile", name),))
            for least, name in ((0, "proxy"), (30, "lt"), (50, "standard"), (70, "hq"))
        ),
        **dict.fromkeys(
            ("yuv444p10le", "yuva444p10le"),
            ((0, (("profile", "4444"),)), (90, (("profile", "4444xq"),))),
        ),
    },
    extras={"mbs_per_slice": Integer(1, 8), "alpha_bits": Word("0", "8", "16")},
    intra=True,
    full_range=False,
)
_FFV1 = Codec(
    name="ffv1",
    family="ffv1",
    pix_fmt="yuv444p",
    alpha_pix_fmt="yuva444p",
    more_pix_fmts=("yuv420p", "yuv422p", *_TEN_BITS, "yuva420p", "yuva444p10le"),
    # A fixed number of slices: else it, and so the bytes, would depend on the processors.
    options=(("level", "3"), ("slices", "4"), ("slicecrc", "1")),
    lossless=(),
    extras={"slices": Word(*_SLICES), "context": _SWITCH, "coder": Word("range_def", "range_tab")},
    intra=True,
)

SOFTWARE_CODECS = (_X264, _X265, _VP9, _SVT, _PRORES, _FFV1)
