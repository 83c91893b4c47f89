"""Codec levels: size and rate that devices can play.

Sources: ITU-T H.264 (08/2021), table A-1; ITU-T H.265 (09/2023), tables A.8 and A.9; AV1 Bitstream
and Decoding Process 1.0.0, annex A.3; VP9 Bitstream and Decoding Process 0.7, annex A.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

from musetalk_fast.video.codec_table import CODECS
from musetalk_fast.video.encoder_settings import EncoderSettings

_PLAYED = "5.2"
"""The highest that phones play: 4K at 60 frames a second."""


class _Level(NamedTuple):
    """Limits of a level; sides and pictures in pixels.

    Attributes:
        rate: pixels in a second.
        kept: pixels of all pictures that are kept for reference; None where there are always 6.
    """

    name: str
    picture: int
    rate: int
    kept: int | None = None
    width: int = 1 << 16
    height: int = 1 << 16


class _Family(NamedTuple):
    """Levels from `_PLAYED` on, and the blocks that pictures are made of."""

    name: str
    block: int
    levels: tuple[_Level, ...]


_MACROBLOCK = 256
_FAMILIES = {
    "h264": _Family(
        "H.264",
        16,
        tuple(
            _Level(name, picture * _MACROBLOCK, rate * _MACROBLOCK, kept * _MACROBLOCK)
            for name, picture, rate, kept in (
                (_PLAYED, 36_864, 2_073_600, 184_320),
                ("6.0", 139_264, 4_177_920, 696_320),
                ("6.1", 139_264, 8_355_840, 696_320),
                ("6.2", 139_264, 16_711_680, 696_320),
            )
        ),
    ),
    "hevc": _Family(
        "HEVC",
        8,
        (
            _Level(_PLAYED, 8_912_896, 1_069_547_520),
            _Level("6.0", 35_651_584, 1_069_547_520),
            _Level("6.1", 35_651_584, 2_139_095_040),
            _Level("6.2", 35_651_584, 4_278_190_080),
        ),
    ),
    "av1": _Family(
        "AV1",
        8,
        (
            _Level(_PLAYED, 8_912_896, 1_069_547_520, None, 8192, 4352),
            _Level("6.0", 35_651_584, 1_069_547_520, None, 16_384, 8704),
            _Level("6.1", 35_651_584, 2_139_095_040, None, 16_384, 8704),
            _Level("6.2", 35_651_584, 4_278_190_080, None, 16_384, 8704),
        ),
    ),
    "vp9": _Family(
        "VP9",
        8,
        (
            _Level(_PLAYED, 8_912_896, 1_176_502_272, None, 8384, 8384),
            _Level("6.0", 35_651_584, 1_176_502_272, None, 16_832, 16_832),
            _Level("6.1", 35_651_584, 2_353_004_544, None, 16_832, 16_832),
            _Level("6.2", 35_651_584, 4_706_009_088, None, 16_832, 16_832),
        ),
    ),
}
_KEPT = {"slow": 5, "slower": 8, "veryslow": 16, "placebo": 16}
"""Pictures that x264's presets keep."""
_KEPT_ELSE = 4
_PLAYED_PIX_FMTS = {
    "h264": ("yuv420p", "nv12"),
    "hevc": ("yuv420p", "nv12", "yuv420p10le", "p010le"),
    "av1": ("yuv420p", "nv12", "yuv420p10le", "p010le"),
    "vp9": ("yuv420p", "nv12", "yuva420p"),
}
"""By the profiles of their decoders; of AV1 and VP9 those of browsers."""
_STEP = 16
"""Pixels between the widths that are proposed."""


def level_warning(settings: EncoderSettings, width: int, height: int, fps: Fraction) -> str | None:
    """What to say of a video that phones do not play, with the way out; None if they do.

    None, too, for what is made for editing.
    """
    codec = CODECS[settings.codec]
    family = _FAMILIES.get(codec.family)
    if family is None:
        return None
    kept = _KEPT_ELSE
    if settings.codec == "libx264":
        kept = _KEPT.get(settings.options.get(codec.preset, ""), _KEPT_ELSE)
        kept = int(settings.options.get("refs", kept))
    played = family.levels[0]
    if _fits(played, family.block, width, height, fps, kept):
        return None
    needed = next(
        (one.name for one in family.levels if _fits(one, family.block, width, height, fps, kept)),
        f"above {family.levels[-1].name}",
    )
    if _fits(played, family.block, width, height, fps, _KEPT_ELSE):
        way = "--preset medium"
    else:
        way = "--resolution {}x{}".format(*_largest(family, width, height, fps, kept))
    return (
        f"{width}x{height} at {float(fps):.5g} fps is {family.name} level {needed}, which phones "
        f"and many televisions do not play; they play level {_PLAYED}, as {way} makes it"
    )


def profile_warning(settings: EncoderSettings) -> str | None:
    """What to say of a profile that phones do not play, as `level_warning`."""
    family, pix_fmt = CODECS[settings.codec].family, settings.pix_fmt
    played = _PLAYED_PIX_FMTS.get(family)
    if played is None:
        return None
    if pix_fmt not in played:
        return (
            f"phones and many televisions do not play {_FAMILIES[family].name} in {pix_fmt}; they "
            f"play {played[0]}"
        )
    if settings.choices.lossless:
        name = _FAMILIES[family].name
        return f"phones and many televisions do not play lossless {name}; they play --quality 90"
    return None


def largest_played(codec: str, width: int, height: int, fps: Fraction) -> tuple[int, int]:
    """The size, or the largest of the same proportions that phones play; then both sides are even.

    Args:
        codec: FFmpeg's name of an encoder; its preset is not looked at: another one is a smaller
            loss than pixels. What one makes for editing is as large as it is.
    """
    family = _FAMILIES.get(CODECS[codec].family)
    if family is None or _fits(family.levels[0], family.block, width, height, fps, _KEPT_ELSE):
        return width, height
    return _largest(family, width, height, fps, _KEPT_ELSE)


def _fits(level: _Level, block: int, width: int, height: int, fps: Fraction, kept: int) -> bool:
    size = math.ceil(width / block) * math.ceil(height / block) * block * block
    return (
        size <= level.picture
        and size * fps <= level.rate
        and (level.kept is None or size * kept <= level.kept)
        and width <= level.width
        and height <= level.height
    )


def _largest(family: _Family, width: int, height: int, fps: Fraction, kept: int) -> tuple[int, int]:
    """The largest size of the same proportions that phones play."""
    for across in range(width // _STEP * _STEP, 0, -_STEP):
        down = round(across * height / width / 2) * 2
        if _fits(family.levels[0], family.block, across, down, fps, kept):
            return across, down
    return width, height
