"""Which encoder, and with which options: resolved by really opening it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from musetalk_fast.config import OutputSettings
from musetalk_fast.errors import EncoderError
from musetalk_fast.kernels.yuv_matrix import coding_of
from musetalk_fast.types import BT709, PRESETS, ColourTags
from musetalk_fast.video.codec_table import CODECS, FAMILIES, Codec, find_codec
from musetalk_fast.video.containers import CONTAINERS, ContainerFormat, container_of
from musetalk_fast.video.encoder_probe import try_encoder
from musetalk_fast.video.encoder_settings import EncoderSettings

FULL_RANGE = 2
"""Of `ColourTags.range`."""

SHALLOW = 8
"""Bits of a sample: all others are deep."""

GOP_SECS = 10
"""Most seconds from one key frame to the next."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether an encoder opens on this machine; `reason` if it does not."""

    codec: str
    opens: bool
    reason: str | None = None


def resolve(
    settings: OutputSettings,
    output: Path,
    width: int,
    height: int,
    fps: Fraction,
    colour: ColourTags,
    *,
    alpha: bool = False,
    depth: int = 8,
) -> EncoderSettings:
    """Choose the encoder and its options, and open it once with a frame of this size.

    It has one thread; how many it gets is decided where the segments are known.

    Args:
        alpha: of the frames, to be kept.
        depth: bits of the source's samples; more than 8 are kept where the encoder takes them.

    Raises:
        errors.OutputFormatError: the output's name does not say what to write.
        errors.EncoderError: unknown, not for this container, without the alpha or the depth
            that is asked for, a value out of bounds, or it does not open here; the message has
            FFmpeg's reason.
    """
    codec, container = _chosen(settings, output)
    if alpha:
        demand_alpha(settings, output)
    options = _options(codec, settings.crf, settings.preset)
    resolved = _settings(codec, container, options, fps, alpha=alpha, deep=depth > SHALLOW)
    if settings.match_source and depth > SHALLOW == resolved.bit_depth:
        raise _depth_error(codec, depth)
    if width % 2 or height % 2:
        raise EncoderError(
            f"{width}x{height} pixels; 4:2:0 video needs even sides",
            where=codec.name,
            hint="give an even size with --resolution WIDTHxHEIGHT",
        )
    if colour.range == FULL_RANGE and not codec.full_range:
        raise EncoderError(
            f"its {codec.family} video says nothing of a full range of codes, which the avatar has",
            where=codec.name,
            hint="choose another --codec, or convert the avatar: ffmpeg -vf scale=out_range=tv",
        )
    try_encoder(resolved, width, height, fps, colour)
    return resolved


def keeps_alpha(settings: OutputSettings, output: Path) -> bool:
    """Whether the encoder that `resolve` chooses makes transparent video.

    Raises:
        errors.OutputFormatError: the output's name does not say what to write.
        errors.EncoderError: unknown, or not for this container.
    """
    codec, container = _chosen(settings, output)
    return codec.alpha_pix_fmt is not None and container.takes_alpha


def demand_alpha(settings: OutputSettings, output: Path) -> None:
    """Refuse an encoder that does not make transparent video; the hint names those that do.

    Raises:
        errors.OutputFormatError, errors.EncoderError: as `keeps_alpha`; or it makes none.
    """
    if keeps_alpha(settings, output):
        return
    codec, container = _chosen(settings, output)
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


def _places(family: str, *, alpha: bool = False) -> str:
    """The endings of the containers that take a kind of video, or of those that keep its alpha."""
    return " or ".join(
        each.suffix
        for each in CONTAINERS.values()
        if family in each.families and (each.takes_alpha or not alpha)
    )


def has_alpha(pix_fmt: str) -> bool:
    """Whether FFmpeg's pixel format of this name has alpha."""
    from av import VideoFormat

    return any(component.is_alpha for component in VideoFormat(pix_fmt).components)


def chosen_encoder(settings: OutputSettings, output: Path) -> str:
    """FFmpeg's name of the encoder that `resolve` will open.

    Raises:
        errors.OutputFormatError, errors.EncoderError: as `resolve`.
    """
    return _chosen(settings, output)[0].name


def resolve_again(settings: EncoderSettings, fps: Fraction) -> EncoderSettings | None:
    """What `resolve` makes of the choices that lead to some settings, without opening anything.

    Options of an encoder can name files to write: settings from elsewhere must equal these.

    Args:
        settings: of a known codec, with any options.

    Returns:
        The settings, with the same number of threads; None if no choices lead to them.
    """
    codec, container = CODECS[settings.codec], CONTAINERS[settings.format]
    quality, preset = (settings.options.get(name, "") for name in (codec.quality, codec.preset))
    if codec.family not in container.families or preset not in (codec.presets or ("",)):
        return None
    if codec.quality and quality not in map(str, range(codec.lowest, codec.highest + 1)):
        return None
    crf = int(quality) if codec.quality else None
    speed = PRESETS[codec.presets.index(preset)] if codec.preset else None
    options = _options(codec, crf, speed)
    alpha = settings.pix_fmt == codec.alpha_pix_fmt and container.takes_alpha
    deep = settings.pix_fmt == codec.deep_pix_fmt
    again = _settings(codec, container, options, fps, alpha=alpha, deep=deep)
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
    return [_probe(codec) for codec in CODECS.values()]


def _probe(codec: Codec) -> Probe:
    container = next(known for known in CONTAINERS.values() if codec.family in known.families)
    fps = Fraction(25)
    settings = _settings(codec, container, _options(codec, None, None), fps)
    try:
        try_encoder(settings, 256, 256, fps, BT709)
    except EncoderError as error:
        return Probe(codec.name, opens=False, reason=error.message.partition(": ")[2])
    return Probe(codec.name, opens=True)


def _chosen(settings: OutputSettings, output: Path) -> tuple[Codec, ContainerFormat]:
    container = container_of(output, settings.format)
    return _codec(settings.codec or _default(container, settings), container), container


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


def _codec(name: str, container: ContainerFormat) -> Codec:
    takers = [codec.name for codec in CODECS.values() if codec.family in container.families]
    families = [name for name, encoder in FAMILIES.items() if encoder in takers]
    hint = f"{container.name} takes {', '.join(families)}, or one of {', '.join(takers)}"
    codec = find_codec(name)
    if codec is None:
        raise EncoderError(f"no encoder of this name is known: {name!r}", where=name, hint=hint)
    if codec.family not in container.families:
        message = f"its {codec.family} video does not go into {container.name}"
        hint = f"{codec.family} goes into {_places(codec.family)}; {hint}"
        raise EncoderError(message, where=name, hint=hint)
    return codec


def _settings(
    codec: Codec,
    container: ContainerFormat,
    options: dict[str, str],
    fps: Fraction,
    *,
    alpha: bool = False,
    deep: bool = False,
) -> EncoderSettings:
    special = codec.alpha_pix_fmt if alpha else codec.deep_pix_fmt if deep else None
    pix_fmt = special or codec.pix_fmt
    return EncoderSettings(
        codec=codec.name,
        format=container.name,
        pix_fmt=pix_fmt,
        options={**options, **dict(codec.layout_options.get(pix_fmt, ()))},
        gop=1 if codec.intra else max(1, round(GOP_SECS * fps)),
        threads=1,
    )


def _options(codec: Codec, crf: int | None, preset: str | None) -> dict[str, str]:
    return {**dict(codec.options), **_quality(codec, crf), **_speed(codec, preset)}


def _quality(codec: Codec, crf: int | None) -> dict[str, str]:
    if not codec.quality:
        if crf is not None:
            raise EncoderError("it has no --crf", where=codec.name, hint="leave it out")
        return {}
    quality = codec.default if crf is None else crf
    if not codec.lowest <= quality <= codec.highest:
        raise EncoderError(
            f"--crf {quality} is outside {codec.lowest} to {codec.highest}",
            where=codec.name,
            hint=f"leave it out for {codec.default}",
        )
    return {codec.quality: str(quality)}


def _speed(codec: Codec, preset: str | None) -> dict[str, str]:
    if not codec.preset:
        if preset is not None:
            raise EncoderError("it has no --preset", where=codec.name, hint="leave it out")
        return {}
    return {codec.preset: codec.presets[PRESETS.index(preset or codec.default_preset)]}
