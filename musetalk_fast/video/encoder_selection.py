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
) -> EncoderSettings:
    """Choose the encoder and its options, and open it once with a frame of this size.

    It has one thread; how many it gets is decided where the segments are known.

    Raises:
        errors.OutputFormatError: the output's name does not say what to write.
        errors.EncoderError: unknown, not for this container, a value out of bounds, or it
            does not open here; the message has FFmpeg's reason.
    """
    container = container_of(output, settings.format)
    codec = _codec(settings.codec or container.encoder, container)
    resolved = _settings(codec, container, _options(codec, settings.crf, settings.preset), fps)
    if width % 2 or height % 2:
        raise EncoderError(
            f"{width}x{height} pixels; 4:2:0 video needs even sides",
            where=codec.name,
            hint="give an even size with --resolution WIDTHxHEIGHT",
        )
    try_encoder(resolved, width, height, fps, colour)
    return resolved


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
    if codec.family not in container.families or preset not in codec.presets:
        return None
    if quality not in map(str, range(codec.lowest, codec.highest + 1)):
        return None
    options = _options(codec, int(quality), PRESETS[codec.presets.index(preset)])
    return replace(_settings(codec, container, options, fps), threads=settings.threads)


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


def _codec(name: str, container: ContainerFormat) -> Codec:
    takers = [codec.name for codec in CODECS.values() if codec.family in container.families]
    families = [name for name, encoder in FAMILIES.items() if encoder in takers]
    hint = f"{container.name} takes {', '.join(families)}, or one of {', '.join(takers)}"
    codec = find_codec(name)
    if codec is None:
        raise EncoderError(f"no encoder of this name is known: {name!r}", where=name, hint=hint)
    if codec.family not in container.families:
        raise EncoderError(
            f"its {codec.family} video does not go into {container.name}", where=name, hint=hint
        )
    return codec


def _settings(
    codec: Codec, container: ContainerFormat, options: dict[str, str], fps: Fraction
) -> EncoderSettings:
    return EncoderSettings(
        codec=codec.name,
        format=container.name,
        pix_fmt=codec.pix_fmt,
        options=options,
        gop=max(1, round(GOP_SECS * fps)),
        threads=1,
    )


def _options(codec: Codec, crf: int | None, preset: str | None) -> dict[str, str]:
    quality = codec.default if crf is None else crf
    if not codec.lowest <= quality <= codec.highest:
        raise EncoderError(
            f"--crf {quality} is outside {codec.lowest} to {codec.highest}",
            where=codec.name,
            hint=f"leave it out for {codec.default}",
        )
    speed = PRESETS.index(preset or codec.default_preset)
    return {
        **dict(codec.options),
        codec.quality: str(quality),
        codec.preset: codec.presets[speed],
    }
