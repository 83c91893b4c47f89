"""Resolves the encoder and its options for a render by opening it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from musetalk_fast.config import OutputSettings
from musetalk_fast.errors import EncoderError
from musetalk_fast.kernels.yuv_matrix import coding_of
from musetalk_fast.types import ColourTags
from musetalk_fast.video.codec import Codec
from musetalk_fast.video.codec_choice import DEEP_FAMILIES, chosen_codec, demand_alpha, layouts_of
from musetalk_fast.video.codec_table import CODECS
from musetalk_fast.video.containers import CONTAINERS
from musetalk_fast.video.encoder_options import (
    SHALLOW,
    check_choices,
    choices_of,
    gop_of,
    has_alpha,
    pix_fmt_of,
    settings_of,
)
from musetalk_fast.video.encoder_probe import try_encoder
from musetalk_fast.video.encoder_settings import EncoderSettings

_FULL_RANGE = 2
"""Of `ColourTags.range`."""


def resolve(
    settings: OutputSettings,
    output: Path,
    width: int,
    height: int,
    fps: Fraction,
    colour: ColourTags,
    *,
    alpha: bool = False,
    depth: int = SHALLOW,
    source: str | None = None,
) -> EncoderSettings:
    """Choose the encoder and its options, and open it once with a frame of this size.

    It has one thread; how many it gets is decided where the segments are known.

    Args:
        alpha: of the frames, to be kept.
        depth: bits of the source's samples; more than 8 are kept where the encoder takes them.
        source: FFmpeg's pixel format of the avatar; None: nobody knows.

    Raises:
        errors.OutputFormatError: the output's name does not say what to write.
        errors.UsageError: choices that exclude each other.
        errors.EncoderError: unknown, not for this container, without the alpha or the depth
            that is asked for, a value out of bounds, or it does not open here; the message has
            FFmpeg's reason.
    """
    codec, container = chosen_codec(settings, output)
    if alpha:
        demand_alpha(settings, output)
    _check_frames(codec, width, height, colour)
    takes, deep = layouts_of(codec, container), depth > SHALLOW
    pix_fmt = pix_fmt_of(codec, takes, settings.pix_fmt, source, alpha=alpha, deep=deep)
    choices, gop = choices_of(codec, settings), gop_of(codec, settings.gop, fps)
    resolved = settings_of(codec, container, choices, pix_fmt, gop)
    if settings.match_source and deep and resolved.bit_depth == SHALLOW:
        raise _depth_error(codec, depth)
    try_encoder(resolved, width, height, fps, colour)
    return resolved


def check_choices_for(settings: OutputSettings, output: Path) -> None:
    """Refuse early what `resolve` would refuse, so far as that does not depend on the avatar.

    Raises:
        errors.OutputFormatError, errors.UsageError, errors.EncoderError: as `resolve`.
    """
    codec, container = chosen_codec(settings, output)
    choices_of(codec, settings)
    gop_of(codec, settings.gop, Fraction(1))
    wanted, takes = settings.pix_fmt, layouts_of(codec, container)
    if wanted is not None:
        pix_fmt_of(codec, takes, wanted, None, alpha=wanted.startswith("yuva"))


def resolve_again(settings: EncoderSettings, fps: Fraction) -> EncoderSettings | None:
    """What `resolve` makes of the choices in some settings, without opening anything.

    Options of an encoder can name files to write: settings from elsewhere must equal these.

    Args:
        settings: of a known codec, with any choices and options.

    Returns:
        The settings, with the same number of threads; None if there are no such choices.
    """
    codec, container = CODECS[settings.codec], CONTAINERS[settings.format]
    if codec.family not in container.families:
        return None
    if bool(codec.preset) != (settings.choices.preset is not None):
        return None
    pix_fmt = (
        settings.pix_fmt if settings.pix_fmt in layouts_of(codec, container) else codec.pix_fmt
    )
    if has_alpha(pix_fmt) and not container.takes_alpha:
        pix_fmt = codec.pix_fmt
    try:
        check_choices(codec, settings.choices)
        gop = gop_of(codec, settings.gop, fps)
    except EncoderError:
        return None
    again = settings_of(codec, container, settings.choices, pix_fmt, gop)
    return replace(again, threads=settings.threads, mastering=settings.mastering)


def has_kernel_and_name(colour: ColourTags) -> bool:
    """Whether a kernel makes such code values, and FFmpeg knows primaries and transfer."""
    from av.video.reformatter import ColorPrimaries, ColorTrc

    try:
        coding_of(colour)
    except ValueError:
        return False
    primaries, transfers = ([each.value for each in kind] for kind in (ColorPrimaries, ColorTrc))
    return colour.primaries in primaries and colour.transfer in transfers


def _depth_error(codec: Codec, depth: int) -> EncoderError:
    return EncoderError(
        f"its video has {SHALLOW} bits, the source {depth}: --match-source cannot be met",
        where=codec.name,
        hint=f"choose --codec {' or '.join(DEEP_FAMILIES)}, or leave --match-source out",
    )


def _check_frames(codec: Codec, width: int, height: int, colour: ColourTags) -> None:
    if width % 2 or height % 2:
        raise EncoderError(
            f"{width}x{height} pixels; 4:2:0 video needs even sides",
            where=codec.name,
            hint="give an even size with --resolution WIDTHxHEIGHT",
        )
    if colour.range == _FULL_RANGE and not codec.full_range:
        raise EncoderError(
            f"its {codec.family} video says nothing of a full range of codes, which the avatar has",
            where=codec.name,
            hint="choose another --codec, or convert the avatar: ffmpeg -vf scale=out_range=tv",
        )
