"""Chooses the encoder: the one asked for, or the container's default."""

from __future__ import annotations

from pathlib import Path

from musetalk_fast.config import AUTO_CODEC, OutputSettings
from musetalk_fast.errors import EncoderError
from musetalk_fast.video.available_encoders import opens_here
from musetalk_fast.video.codec import Codec
from musetalk_fast.video.codec_table import CODECS, FAMILIES, find_codec
from musetalk_fast.video.containers import CONTAINERS, ContainerFormat, container_of
from musetalk_fast.video.device_reasons import absent
from musetalk_fast.video.encoder_options import has_alpha


def keeps_alpha(settings: OutputSettings, output: Path) -> bool:
    """Whether the encoder that was chosen makes transparent video.

    Raises:
        errors.OutputFormatError: the output's name does not say what to write.
        errors.EncoderError: unknown, or not for this container.
    """
    codec, container = chosen_codec(settings, output)
    is_opaque = settings.pix_fmt in codec.pix_fmts and not has_alpha(settings.pix_fmt or "")
    return _has_alpha(codec, container) and not is_opaque


def demand_alpha(settings: OutputSettings, output: Path) -> None:
    """Refuse an encoder that does not make transparent video; the hint names those that do.

    Raises:
        errors.OutputFormatError, errors.EncoderError: as `keeps_alpha`; or it makes none.
    """
    codec, container = chosen_codec(settings, output)
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
    """FFmpeg's name of the encoder that a render will open.

    Raises:
        errors.OutputFormatError, errors.EncoderError: as `chosen_codec`.
    """
    return chosen_codec(settings, output)[0].name


def chosen_codec(settings: OutputSettings, output: Path) -> tuple[Codec, ContainerFormat]:
    """The encoder, and what its video is packed in.

    Raises:
        errors.OutputFormatError: the output's name does not say what to write.
        errors.EncoderError: unknown, or not for this container.
    """
    container = container_of(output, settings.format)
    name = settings.codec or _default(container, settings)
    return _codec(_auto(container) if name == AUTO_CODEC else name, container), container


def _default(container: ContainerFormat, settings: OutputSettings) -> str:
    """The container's own encoder; HEVC where that takes 8 bits only and more may come."""
    is_deep = CODECS[container.encoder].deep_pix_fmt is not None
    if not settings.match_source or is_deep:
        return container.encoder
    able = (family for family in DEEP_FAMILIES if family in container.families)
    return next(able, container.encoder)


DEEP_FAMILIES = ("hevc", "av1")
"""In the order in which they are chosen."""


def _auto(container: ContainerFormat) -> str:
    """The first encoder in hardware that opens, of the kind that is usual in a container."""
    family = CODECS[container.encoder].family
    candidates = (each for each in CODECS.values() if each.family == family)
    in_hardware = (
        each.name for each in candidates if not each.in_software and opens_here(each.name)
    )
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


def layouts_of(codec: Codec, container: ContainerFormat) -> tuple[str, ...]:
    """What an encoder takes for a container; pictures are made of its defaults only."""
    if container.pictures is None:
        return codec.pix_fmts
    defaults = codec.pix_fmt, codec.alpha_pix_fmt
    return tuple(each for each in defaults if each is not None)
