"""Which encoder, and with which options: resolved by really opening it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path

from musetalk_fast.config import AUTO_CODEC, OutputSettings
from musetalk_fast.errors import EncoderError
from musetalk_fast.kernels.yuv_matrix import coding_of
from musetalk_fast.types import BT709, ColourTags
from musetalk_fast.video.codec import Codec
from musetalk_fast.video.codec_table import CODECS, FAMILIES, find_codec
from musetalk_fast.video.containers import CONTAINERS, ContainerFormat, container_of
from musetalk_fast.video.device_reasons import absent
from musetalk_fast.video.encoder_choices import EncoderChoices
from musetalk_fast.video.encoder_options import (
    SHALLOW,
    check_choices,
    choices_of,
    gop_of,
    has_alpha,
    pix_fmt_of,
)
from musetalk_fast.video.encoder_probe import try_encoder
from musetalk_fast.video.encoder_settings import EncoderSettings

_FULL_RANGE = 2
"""Of `ColourTags.range`."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether an encoder opens on this machine; `reason` if it does not."""

    codec: str
    opens: bool
    reason: str | None = None
    hint: str | None = None


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
    codec, container = _chosen(settings, output)
    if alpha:
        demand_alpha(settings, output)
    _check_frames(codec, width, height, colour)
    takes, deep = _layouts(codec, container), depth > SHALLOW
    pix_fmt = pix_fmt_of(codec, takes, settings.pix_fmt, source, alpha=alpha, deep=deep)
    choices, gop = choices_of(codec, settings), gop_of(codec, settings.gop, fps)
    resolved = _settings(codec, container, choices, pix_fmt, gop)
    if settings.match_source and deep and resolved.bit_depth == SHALLOW:
        raise _depth_error(codec, depth)
    try_encoder(resolved, width, height, fps, colour)
    return resolved


def check_choices_for(settings: OutputSettings, output: Path) -> None:
    """Refuse early what `resolve` would refuse, so far as that does not depend on the avatar.

    Raises:
        errors.OutputFormatError, errors.UsageError, errors.EncoderError: as `resolve`.
    """
    codec, container = _chosen(settings, output)
    choices_of(codec, settings)
    gop_of(codec, settings.gop, Fraction(1))
    wanted, takes = settings.pix_fmt, _layouts(codec, container)
    if wanted is not None:
        pix_fmt_of(codec, takes, wanted, None, alpha=wanted.startswith("yuva"))


def keeps_alpha(settings: OutputSettings, output: Path) -> bool:
    """Whether the encoder that `resolve` chooses makes transparent video.

    Raises:
        errors.OutputFormatError: the output's name does not say what to write.
        errors.EncoderError: unknown, or not for this container.
    """
    codec, container = _chosen(settings, output)
    is_opaque = settings.pix_fmt in codec.pix_fmts and not has_alpha(settings.pix_fmt or "")
    return _has_alpha(codec, container) and not is_opaque


def demand_alpha(settings: OutputSettings, output: Path) -> None:
    """Refuse an encoder that does not make transparent video; the hint names those that do.

    Raises:
        errors.OutputFormatError, errors.EncoderError: as `keeps_alpha`; or it makes none.
    """
    codec, container = _chosen(settings, output)
    if _has_alpha(codec, container):
        return
    able = {
        CODECS[name].family: _places(CODECS[name].family, alpha=True)
        for name in FAMILIES.values()
        if CODECS[name].alpha_pix_fmt is not None
    }
    written = ", ".join(f"{family} in {places}" for family, places in able.items())
    what = "a sequence of" if container.is_sequence else f"its {codec.family} video in"
    raise EncoderError(
        f"{what} {container.name} is never transparent",
        where=codec.name,
        hint=f"write {written}, or give --background a colour or a picture",
    )


def chosen_encoder(settings: OutputSettings, output: Path) -> str:
    """FFmpeg's name of the encoder that `resolve` will open.

    Raises:
        errors.OutputFormatError, errors.EncoderError: as `resolve`.
    """
    return _chosen(settings, output)[0].name


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
    pix_fmt = settings.pix_fmt if settings.pix_fmt in _layouts(codec, container) else codec.pix_fmt
    if has_alpha(pix_fmt) and not container.takes_alpha:
        pix_fmt = codec.pix_fmt
    try:
        check_choices(codec, settings.choices)
        gop = gop_of(codec, settings.gop, fps)
    except EncoderError:
        return None
    again = _settings(codec, container, settings.choices, pix_fmt, gop)
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


def probe_all() -> list[Probe]:
    """Try every encoder we know, with a small frame."""
    return [probe(name) for name in CODECS]


def probe(name: str) -> Probe:
    """Try an encoder that we know, with a small frame."""
    codec, fps = CODECS[name], Fraction(25)
    container = next(known for known in CONTAINERS.values() if codec.family in known.families)
    choices = choices_of(codec, OutputSettings())
    settings = _settings(codec, container, choices, codec.pix_fmt, gop_of(codec, None, fps))
    try:
        try_encoder(settings, 256, 256, fps, BT709)
    except EncoderError as error:
        return Probe(name, opens=False, reason=error.message.partition(": ")[2], hint=error.hint)
    return Probe(name, opens=True)


_opens = cache(lambda name: probe(name).opens)
"""Whether an encoder opens here: asked once."""


def _chosen(settings: OutputSettings, output: Path) -> tuple[Codec, ContainerFormat]:
    container = container_of(output, settings.format)
    name = settings.codec or _default(container, settings)
    return _codec(_auto(container) if name == AUTO_CODEC else name, container), container


def _default(container: ContainerFormat, settings: OutputSettings) -> str:
    """The container's own encoder; HEVC where that takes 8 bits only and more may come."""
    is_deep = CODECS[container.encoder].deep_pix_fmt is not None
    if not settings.match_source or is_deep:
        return container.encoder
    able = (family for family in _DEEP_FAMILIES if family in container.families)
    return next(able, container.encoder)


def _depth_error(codec: Codec, depth: int) -> EncoderError:
    return EncoderError(
        f"its video has {SHALLOW} bits, the source {depth}: --match-source cannot be met",
        where=codec.name,
        hint=f"choose --codec {' or '.join(_DEEP_FAMILIES)}, or leave --match-source out",
    )


_DEEP_FAMILIES = ("hevc", "av1")
"""In the order in which they are chosen."""


def _auto(container: ContainerFormat) -> str:
    """The first encoder in hardware that opens, of the kind that is usual in a container."""
    family = CODECS[container.encoder].family
    candidates = (each for each in CODECS.values() if each.family == family)
    in_hardware = (each.name for each in candidates if not each.in_software and _opens(each.name))
    return next(in_hardware, container.encoder)


def _codec(name: str, container: ContainerFormat) -> Codec:
    takers = [codec.name for codec in CODECS.values() if codec.family in container.families]
    families = [name for name, encoder in FAMILIES.items() if encoder in takers]
    hint = f"{container.name} takes {', '.join(families)}, or one of {', '.join(takers)}"
    codec = find_codec(name)
    if codec is None:
        why = absent(name) or f"no encoder of this name is known: {name!r}"
        raise EncoderError(why, where=name, hint=hint)
    if codec.family not in container.families:
        message = f"its {codec.family} video does not go into {container.name}"
        hint = f"{codec.family} goes into {_places(codec.family)}; {hint}"
        raise EncoderError(message, where=name, hint=hint)
    return codec


def _has_alpha(codec: Codec, container: ContainerFormat) -> bool:
    return codec.alpha_pix_fmt is not None and container.takes_alpha


def _places(family: str, *, alpha: bool = False) -> str:
    """The endings of the containers that take a kind of video, or of those that keep its alpha."""
    return " or ".join(
        each.suffix
        for each in CONTAINERS.values()
        if family in each.families and (each.takes_alpha or not alpha)
    )


def _layouts(codec: Codec, container: ContainerFormat) -> tuple[str, ...]:
    """What an encoder takes for a container; pictures are made of its defaults only."""
    if container.pictures is None:
        return codec.pix_fmts
    defaults = codec.pix_fmt, codec.alpha_pix_fmt
    return tuple(each for each in defaults if each is not None)


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


def _settings(
    codec: Codec, container: ContainerFormat, choices: EncoderChoices, pix_fmt: str, gop: int
) -> EncoderSettings:
    return EncoderSettings(
        codec=codec.name,
        format=container.name,
        pix_fmt=pix_fmt,
        options=codec.options_for(choices, pix_fmt),
        gop=gop,
        threads=1,
        choices=choices,
    )
