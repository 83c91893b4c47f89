"""Derives the choices about an encoder from the output settings, and checks them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from musetalk_fast.config import OutputSettings
from musetalk_fast.errors import EncoderError, UsageError
from musetalk_fast.types import PRESETS
from musetalk_fast.video.codec import Codec
from musetalk_fast.video.containers import ContainerFormat
from musetalk_fast.video.encoder_choices import MAX_GOP, EncoderChoices
from musetalk_fast.video.encoder_settings import EncoderSettings

SHALLOW = 8
"""Bits of a sample: all others are deep."""

GOP_SECS = 10
"""Most seconds from one key frame to the next, if nothing was chosen."""


def choices_of(codec: Codec, settings: OutputSettings) -> EncoderChoices:
    """What was chosen of an encoder, in its own measures.

    Raises:
        errors.UsageError: choices that exclude each other.
        errors.EncoderError: one that this encoder does not have, or beyond its bounds.
    """
    _check_one_rate(settings)
    if settings.crf is not None and not codec.quality:
        raise _lacks(codec, "--crf", _rates(codec))
    if settings.quality is not None and not codec.has_quality:
        raise _lacks(codec, "--quality", _rates(codec))
    choices = EncoderChoices(
        quality=_quality(codec, settings),
        bitrate=settings.bitrate,
        lossless=settings.lossless,
        preset=settings.preset or (codec.default_preset if codec.preset else None),
        tune=settings.tune,
        extras=_extras(codec, settings.encoder_option or ()),
    )
    check_choices(codec, choices)
    return choices


def check_choices(codec: Codec, choices: EncoderChoices) -> None:
    """Refuse what this encoder does not have.

    Raises:
        errors.EncoderError: likewise.
    """
    if choices.quality is not None and not codec.lowest <= choices.quality <= codec.highest:
        raise EncoderError(
            f"--crf {choices.quality} is outside {codec.lowest} to {codec.highest}",
            where=codec.name,
            hint=f"leave it out for {codec.default}",
        )
    if choices.bitrate is not None and codec.bitrate is None:
        raise _lacks(codec, "--bitrate", _rates(codec))
    if choices.lossless and codec.lossless is None:
        raise _lacks(codec, "--lossless", "--codec ffv1 in .mkv loses nothing")
    if choices.preset is not None and not (codec.preset and choices.preset in PRESETS):
        raise _lacks(codec, "--preset", "leave it out")
    if choices.tune is not None and choices.tune not in codec.tunes:
        known = f"it has {', '.join(codec.tunes)}" if codec.tunes else "leave it out"
        raise _lacks(codec, f"--tune {choices.tune}", known)
    for name, value in choices.extras.items():
        if _written(codec, name, value) != value:
            raise _lacks(codec, f"--encoder-option {name}={value}", "leave it out")


def gop_of(codec: Codec, gop: int | None, fps: Fraction) -> int:
    """Most frames from one key frame to the next.

    Raises:
        errors.EncoderError: a number for an encoder each of whose pictures is a key frame.
    """
    if codec.intra:
        if gop not in (None, 1):
            raise _lacks(codec, f"--gop {gop}", "leave it out: every picture is a key frame")
        return 1
    return max(1, round(GOP_SECS * fps)) if gop is None else min(gop, MAX_GOP)


def pix_fmt_of(
    codec: Codec,
    takes: Sequence[str],
    wanted: str | None,
    source: str | None,
    *,
    alpha: bool,
    deep: bool = False,
) -> str:
    """The layout that an encoder is fed with.

    Args:
        takes: the layouts that are possible.
        wanted: FFmpeg's name of it; None: the encoder's default.
        source: the avatar's, which one that loses nothing keeps, if it can.
        alpha: of the frames, to be kept.
        deep: the source has more than 8 bits, which are kept where the encoder takes them.

    Raises:
        errors.EncoderError: the encoder does not take it, or its alpha is not the frames'.
    """
    known = f"it takes {', '.join(takes)}"
    if wanted is None:
        if alpha:
            assert codec.alpha_pix_fmt is not None
            return codec.alpha_pix_fmt
        kept = codec.lossless == () and source in takes and not has_alpha(source or "")
        if kept and source is not None:
            return source
        return codec.deep_pix_fmt if deep and codec.deep_pix_fmt else codec.pix_fmt
    if wanted not in takes:
        raise EncoderError(f"it does not take --pix-fmt {wanted}", where=codec.name, hint=known)
    if has_alpha(wanted) and not alpha:
        message = f"--pix-fmt {wanted} has alpha, and the avatar has no transparent parts that stay"
        raise EncoderError(message, where=codec.name, hint=known)
    if alpha and not has_alpha(wanted):
        message = f"--pix-fmt {wanted} has no alpha, and transparent parts are to stay"
        hint = "leave it out, or give --background a colour or a picture"
        raise EncoderError(message, where=codec.name, hint=hint)
    return wanted


def has_alpha(pix_fmt: str) -> bool:
    """Whether FFmpeg's pixel format of this name has alpha."""
    from av import VideoFormat

    return any(component.is_alpha for component in VideoFormat(pix_fmt).components)


def _check_one_rate(settings: OutputSettings) -> None:
    given = [name for name in ("quality", "crf", "bitrate") if getattr(settings, name) is not None]
    if settings.lossless:
        given.append("lossless")
    if len(given) > 1:
        names = " and ".join(f"--{name}" for name in given)
        raise UsageError(f"{names} exclude each other", hint="give one of them")


def _quality(codec: Codec, settings: OutputSettings) -> int | None:
    if settings.quality is not None:
        return codec.own_quality(settings.quality)
    if settings.crf is not None:
        return settings.crf
    chosen_otherwise = settings.bitrate is not None or settings.lossless
    return codec.default if codec.has_quality and not chosen_otherwise else None


def _extras(codec: Codec, given: Sequence[str]) -> dict[str, str]:
    extras: dict[str, str] = {}
    for each in given:
        name, _, value = each.partition("=")
        if name in extras:
            raise UsageError(f"--encoder-option {name} is there twice", hint="give one of them")
        extras[name] = _written(codec, name, value)
    return extras


def _written(codec: Codec, name: str, value: str) -> str:
    """The value as the encoder gets it."""
    kind = codec.extras.get(name)
    if kind is None:
        known = f"it takes {', '.join(codec.extras)}"
        raise _lacks(codec, f"--encoder-option {name or value}", known)
    try:
        return kind.write(kind.parse(value))
    except ValueError as error:
        message = f"--encoder-option {name} {error}"
        raise EncoderError(message, where=codec.name, hint="leave it out") from None


def _rates(codec: Codec) -> str:
    ways = [
        *(["--quality"] if codec.has_quality else ()),
        *(["--crf"] if codec.quality else ()),
        *(["--bitrate"] if codec.bitrate is not None else ()),
    ]
    return f"it has {' and '.join(ways)}" if ways else "leave it out: it loses nothing"


def _lacks(codec: Codec, what: str, hint: str) -> EncoderError:
    return EncoderError(f"it has no {what}", where=codec.name, hint=hint)


def settings_of(
    codec: Codec, container: ContainerFormat, choices: EncoderChoices, pix_fmt: str, gop: int
) -> EncoderSettings:
    """The settings that follow from choices, with one thread."""
    return EncoderSettings(
        codec=codec.name,
        format=container.name,
        pix_fmt=pix_fmt,
        options=codec.options_for(choices, pix_fmt),
        gop=gop,
        threads=1,
        choices=choices,
    )
