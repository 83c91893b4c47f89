"""What is in effect where a setting is not set, or says `auto` or a family of encoders."""

from __future__ import annotations

from collections.abc import Callable

from musetalk_fast.config import (
    AUTO_CODEC,
    AUTO_WIRE,
    BUILTIN,
    DEFAULT_SERVER,
    OutputSettings,
    Settings,
    SettingValue,
)
from musetalk_fast.media.background import DEFAULT_BACKGROUND
from musetalk_fast.media.picture.transparency import TRANSPARENT
from musetalk_fast.planning.source_frames import STILL_FPS
from musetalk_fast.video.codec import DEFAULT_QUALITY, Codec
from musetalk_fast.video.codec_table import CODECS, find_codec
from musetalk_fast.video.containers import CONTAINERS

_UNSET = {
    "url": f"{DEFAULT_SERVER} if a server answers there, else {BUILTIN}",
    "ca_file": "the system's",
    "background": f"{TRANSPARENT} where the video can be, else {DEFAULT_BACKGROUND}",
    "fps": f"a moving avatar's own, {STILL_FPS} for a still",
    "resolution": "the avatar's own, scaled down to what phones play",
    "format": "by the output's name",
    "audio_track": "the first that can be decoded",
    "duration": "to the recording's end",
    "sound_bitrate": "80 kbit/s a channel of aac, 64 of opus",
    "gop": "those of 10 seconds",
}
_AUTO = {
    ("wire", AUTO_WIRE): "the best one that the server has",
    ("sound", "auto"): "the recording, copied where it can be",
}


def in_effect(item: SettingValue, settings: Settings) -> str | None:
    """The value, in words where something else decides; None for nothing."""
    text = None if item.value is None else item.kind.write(item.value)
    if item.key == "codec":
        return _by_container(settings.output, lambda codec: codec.name)
    if text is not None:
        return _AUTO.get((item.key, text), text)
    if item.key in _OF_ENCODERS:
        return _by_container(settings.output, _OF_ENCODERS[item.key](settings.output))
    return _UNSET.get(item.key)


def _quality(output: OutputSettings) -> Callable[[Codec], str]:
    if output.quality is not None or output.bitrate is not None or output.lossless:
        return lambda _codec: "none: --quality, --bitrate or --lossless is there"
    return lambda codec: str(codec.default) if codec.quality else "none"


def _alike(output: OutputSettings) -> Callable[[Codec], str]:
    if output.crf is not None or output.bitrate is not None or output.lossless:
        return lambda _codec: "none: --crf, --bitrate or --lossless is there"
    return lambda codec: str(DEFAULT_QUALITY) if codec.has_quality else "none"


_OF_ENCODERS: dict[str, Callable[[OutputSettings], Callable[[Codec], str]]] = {
    "crf": _quality,
    "quality": _alike,
    "preset": lambda _: lambda codec: codec.default_preset if codec.preset else "none",
    "pix_fmt": lambda _: lambda codec: codec.pix_fmt,
}
"""What follows from the encoder."""


def _by_container(output: OutputSettings, say: Callable[[Codec], str]) -> str:
    """What holds of the encoder; of each container's, if neither it nor the container is set."""
    if output.codec == AUTO_CODEC:
        return "one in hardware if any opens, else as without"
    if output.codec is not None:
        codec = find_codec(output.codec)
        return f"no encoder is named {output.codec}" if codec is None else say(codec)
    said: dict[str, list[str]] = {}
    for name, container in CONTAINERS.items():
        if output.format in (None, name) and not container.pictures:
            said.setdefault(say(CODECS[container.encoder]), []).append(name)
    if len(said) == 1:
        return next(iter(said))
    return ", ".join(f"{text} for {'/'.join(names)}" for text, names in said.items())
