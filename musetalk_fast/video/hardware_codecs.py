"""Hardware encoders: FFmpeg's names, and their options.

None of it has been tried where the hardware is; docs/outputs.md says so.
"""

from __future__ import annotations

from musetalk_fast.config.number_kinds import Integer
from musetalk_fast.config.text_kinds import Word
from musetalk_fast.config.value_kind import Kind
from musetalk_fast.video.codec import Codec

_MAX_QP = 51
_SWITCH = Integer(0, 1)

_NVENC_PRESETS = ("p1", "p1", "p2", "p3", "p3", "p4", "p5", "p6", "p7", "p7")
_NVENC_OPTIONS = (
    ("tune", "hq"),
    # Every segment begins with a picture that stands alone, and the next ones are where `gop` says.
    *(("forced-idr", "1"), ("no-scenecut", "1"), ("strict_gop", "1")),
    # Else up to 2^31 pictures may wait inside, each in memory.
    ("delay", "4"),
)
_NVENC_EXTRAS: dict[str, Kind] = {
    "gpu": Integer(0, 63),
    "rc-lookahead": Integer(0, 32),
    "spatial-aq": _SWITCH,
    "temporal-aq": _SWITCH,
    "aq-strength": Integer(1, 15),
    "multipass": Word("disabled", "qres", "fullres"),
    "bf": Integer(0, 4),
    "b_ref_mode": Word("disabled", "each", "middle"),
    "surfaces": Integer(0, 64),
    "weighted_pred": _SWITCH,
}

_QSV_PRESETS = (
    *("veryfast", "veryfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow", "veryslow"),
)
_VP9_QSV_EXTRAS: dict[str, Kind] = {"async_depth": Integer(1, 64), "low_power": _SWITCH}
_QSV_EXTRAS: dict[str, Kind] = {
    **_VP9_QSV_EXTRAS,
    "extbrc": _SWITCH,
    "look_ahead_depth": Integer(0, 100),
    "adaptive_i": _SWITCH,
    "adaptive_b": _SWITCH,
    "bf": Integer(0, 8),
    "refs": Integer(1, 16),
}

_AMF_PRESETS = ("speed",) * 5 + ("balanced",) + ("quality",) * 4
_AMF_EXTRAS: dict[str, Kind] = {
    "usage": Word("transcoding", "high_quality", "lowlatency", "ultralowlatency"),
    "preanalysis": _SWITCH,
    "preencode": _SWITCH,
    "async_depth": Integer(1, 42),
    "bf": Integer(0, 3),
}

_LAMBDA = 118
"""FFmpeg's `FF_QP2LAMBDA`: the unit of its `global_quality`."""
_TOOLBOX_EXTRAS: dict[str, Kind] = {
    "allow_sw": _SWITCH,
    "realtime": _SWITCH,
    "bf": Integer(0, 4),
    "max_ref_frames": Integer(0, 16),
    "power_efficient": _SWITCH,
}


def _nvenc(family: str, scale: tuple[int, ...], highest: int, more: tuple[str, ...]) -> Codec:
    # B pictures where every generation of the hardware has them.
    reordering = (("bf", "2"), ("b_ref_mode", "disabled")) if family == "h264" else (("bf", "0"),)
    tunes = {name: (("tune", name),) for name in ("hq", "ll", "ull")}
    return Codec(
        name=f"{family}_nvenc",
        family=family,
        quality="cq",
        scale=scale,
        highest=highest,
        preset="preset",
        presets=_NVENC_PRESETS,
        default_preset="medium",
        more_pix_fmts=("nv12", *more),
        options=(*_NVENC_OPTIONS, *reordering),
        constant=(("rc", "vbr"), ("b", "0")),
        bitrate=(("rc", "vbr"),),
        is_capped=True,
        lossless=(("tune", "lossless"), ("rc", "constqp"), ("qp", "0")),
        tunes=tunes,
        extras=_NVENC_EXTRAS,
        in_software=False,
    )


def _qsv(family: str, scale: tuple[int, ...]) -> Codec:
    return Codec(
        name=f"{family}_qsv",
        family=family,
        quality="global_quality",
        scale=scale,
        lowest=1,
        highest=_MAX_QP,
        preset="preset",
        presets=_QSV_PRESETS,
        default_preset="medium",
        pix_fmt="nv12",
        more_pix_fmts=() if family == "h264" else ("p010le",),
        bitrate=(),
        is_capped=True,
        extras=_VP9_QSV_EXTRAS if family == "vp9" else _QSV_EXTRAS,
        in_software=False,
    )


def _amf(family: str, scale: tuple[int, ...]) -> Codec:
    return Codec(
        name=f"{family}_amf",
        family=family,
        quality="qvbr_quality_level",
        scale=scale,
        lowest=1,
        highest=_MAX_QP,
        preset="quality",
        presets=_AMF_PRESETS,
        default_preset="medium",
        pix_fmt="nv12",
        more_pix_fmts=("yuv420p",) if family == "h264" else ("yuv420p", "p010le"),
        options=(("usage", "transcoding"),),
        constant=(("rc", "qvbr"),),
        bitrate=(("rc", "vbr_peak"),),
        is_capped=True,
        extras=_AMF_EXTRAS,
        in_software=False,
    )


def _toolbox(family: str) -> Codec:
    """Of VideoToolbox: larger is better, and only Apple's own processors take a quality."""
    return Codec(
        name=f"{family}_videotoolbox",
        family=family,
        quality="global_quality",
        scale=(20, 42, 65, 90),
        lowest=1,
        unit=_LAMBDA,
        preset="prio_speed",
        presets=("1",) * 5 + ("0",) * 5,
        default_preset="medium",
        pix_fmt="nv12",
        more_pix_fmts=("yuv420p",) if family == "h264" else ("yuv420p", "p010le"),
        constant=(("flags", "+qscale"),),
        bitrate=(),
        extras=_TOOLBOX_EXTRAS,
        in_software=False,
    )


HARDWARE_CODECS = (
    _nvenc("h264", (44, 33, 23, 14), _MAX_QP, ("yuv444p",)),
    _nvenc("hevc", (45, 35, 25, 16), _MAX_QP, ("p010le", "yuv444p")),
    _nvenc("av1", (56, 44, 32, 20), 63, ("p010le",)),
    _qsv("h264", (44, 33, 23, 14)),
    _qsv("hevc", (45, 35, 25, 16)),
    _qsv("av1", (48, 38, 28, 18)),
    _qsv("vp9", (48, 38, 28, 18)),
    _amf("h264", (44, 33, 23, 14)),
    _amf("hevc", (45, 35, 25, 16)),
    _amf("av1", (48, 38, 28, 18)),
    _toolbox("h264"),
    _toolbox("hevc"),
)
