"""An encoder we know, and the options for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from musetalk_fast.config.value_kind import Kind
from musetalk_fast.types import PRESETS
from musetalk_fast.video.encoder_choices import EncoderChoices

Options: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values, as FFmpeg takes them."""

QUALITIES = (0, 35, 70, 100)
"""Of `--quality`: where `Codec.scale` has values. Between them it is a straight line."""
DEFAULT_QUALITY = 70

_PEAK, _BUFFER_SECS = 1.5, 2
"""Of a bit rate: the most that is reached, and over which time."""
_PARAMS = "-params"


@dataclass(frozen=True, slots=True)
class Codec:
    """An encoder.

    Attributes:
        name: FFmpeg's.
        family: the kind of video it makes.
        quality: its option for constant quality; empty: it has none.
        scale: its values at `QUALITIES`; the third is the default.
        lowest, highest: what it takes.
        unit: what these are multiplied by for FFmpeg.
        preset: its option for speed; empty: it has none.
        presets: a value of it for each of `PRESETS`.
        default_preset: one of `PRESETS`.
        pix_fmt: the layout it is fed with if none was chosen.
        alpha_pix_fmt: likewise where the video is transparent; None: it never is.
        deep_pix_fmt: likewise where the source has more than 8 bits; None: no other.
        more_pix_fmts: others that it takes.
        options: what else it needs for clean output.
        constant: with constant quality.
        bitrate: with a bit rate; None: it has none.
        is_capped: a bit rate has a peak.
        lossless: to lose nothing; None: it cannot.
        tunes: of `--tune`.
        extras: what `--encoder-option` may set. None of it names a file.
        params: the option in which it takes them; empty: each is an option.
        ladders: options by quality for a layout, instead of `quality`: each from its quality on.
        intra: every picture is a key frame.
        full_range: its video can say that codes go from 0 to the top.
        in_software: it is a library, not a device that may be absent or busy.
    """

    name: str
    family: str
    quality: str = ""
    scale: tuple[int, ...] = QUALITIES
    lowest: int = 0
    highest: int = 100
    unit: int = 1
    preset: str = ""
    presets: tuple[str, ...] = ()
    default_preset: str = "veryfast"
    pix_fmt: str = "yuv420p"
    alpha_pix_fmt: str | None = None
    deep_pix_fmt: str | None = None
    more_pix_fmts: tuple[str, ...] = ()
    options: Options = ()
    constant: Options = ()
    bitrate: Options | None = None
    is_capped: bool = False
    lossless: Options | None = None
    tunes: Mapping[str, Options] = field(default_factory=dict, hash=False)
    extras: Mapping[str, Kind] = field(default_factory=dict, hash=False)
    params: str = ""
    ladders: Mapping[str, tuple[tuple[int, Options], ...]] = field(default_factory=dict, hash=False)
    intra: bool = False
    full_range: bool = True
    in_software: bool = True

    @property
    def default(self) -> int:
        """Its quality if none was asked for, by its own measure."""
        return self.scale[QUALITIES.index(DEFAULT_QUALITY)]

    @property
    def pix_fmts(self) -> tuple[str, ...]:
        """All layouts that it takes here."""
        alpha = () if self.alpha_pix_fmt is None else (self.alpha_pix_fmt,)
        return (self.pix_fmt, *self.more_pix_fmts, *alpha)

    @property
    def has_quality(self) -> bool:
        """Whether there is anything to choose between small and good."""
        return bool(self.quality or self.ladders)

    @property
    def reorders(self) -> int:
        """Most frames by which a packet can be decoded before it is shown.

        AV1 and VP9 hide their reordering inside packets.
        """
        return 16 if self.family in ("h264", "hevc") else 0

    def own_quality(self, quality: int) -> int:
        """What 0 to 100, as `--quality` has it, is by the encoder's own measure."""
        step = next(i for i in range(1, len(QUALITIES)) if quality <= QUALITIES[i])
        (low, high), (first, last) = QUALITIES[step - 1 : step + 1], self.scale[step - 1 : step + 1]
        return round(first + (last - first) * (quality - low) / (high - low))

    def options_for(self, choices: EncoderChoices, pix_fmt: str) -> dict[str, str]:
        """FFmpeg's options.

        Args:
            choices: such as it has, within its bounds.
            pix_fmt: one of `pix_fmts`.
        """
        speed = choices.preset or self.default_preset
        pairs = [
            *self.options,
            *self._rate_options(choices, pix_fmt),
            *([(self.preset, self.presets[PRESETS.index(speed)])] if self.preset else ()),
            *(self.tunes[choices.tune] if choices.tune else ()),
        ]
        for name, value in sorted(choices.extras.items()):
            pairs.append((self.params, f"{name}={value}") if self.params else (name, value))
        return _merged(pairs)

    def _rate_options(self, choices: EncoderChoices, pix_fmt: str) -> Options:
        if choices.lossless:
            return self.lossless or ()
        if choices.bitrate is not None:
            peak, buffer = round(_PEAK * choices.bitrate), _BUFFER_SECS * choices.bitrate
            caps = (("maxrate", str(peak)), ("bufsize", str(buffer))) if self.is_capped else ()
            return (*(self.bitrate or ()), ("b", str(choices.bitrate)), *caps)
        if choices.quality is None:
            return ()
        if self.quality:
            return (*self.constant, (self.quality, str(choices.quality * self.unit)))
        steps = self.ladders.get(pix_fmt, ())
        return next((made for least, made in reversed(steps) if choices.quality >= least), ())


def _merged(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The last value of each name; those of `...-params` are put together."""
    merged: dict[str, str] = {}
    for name, value in pairs:
        before = merged.get(name)
        merged[name] = f"{before}:{value}" if before and name.endswith(_PARAMS) else value
    return merged
