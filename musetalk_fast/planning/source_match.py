"""`--match-source`: the codec and the bit rate of a moving avatar, where they were not chosen.

The place for whatever else of the avatar's encoding the video is to have.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from musetalk_fast.config import OutputSettings
from musetalk_fast.config.settings import kinds
from musetalk_fast.kernels.planes import LAYOUTS
from musetalk_fast.media.source_coding import TrackCoding, track_coding
from musetalk_fast.video.codec import Codec
from musetalk_fast.video.codec_table import find_codec
from musetalk_fast.video.containers import container_of
from musetalk_fast.video.encoder_options import SHALLOW

_PRORES: dict[str, dict[str, Any]] = {
    "Proxy": {"quality": 0},
    "LT": {"quality": 30},
    "Standard": {"quality": 50},
    "HQ": {"quality": 70},
    "4444": {"quality": 70, "pix_fmt": "yuv444p10le"},
    "XQ": {"quality": 90, "pix_fmt": "yuv444p10le"},
}
"""Its profiles, as FFmpeg names them, instead of a bit rate."""


def matched(
    settings: OutputSettings, avatar: Path, output: Path
) -> tuple[OutputSettings, str | None]:
    """The settings, completed by the avatar; and a sentence where there is nothing to match.

    The codec stays open where a source of more than 8 bits has one that has 8 here: then
    `codec_choice` takes one that keeps them.

    Raises:
        errors.OutputFormatError: the output's name does not say what to write.
        errors.InputError: the avatar cannot be opened.
    """
    if not settings.match_source:
        return settings, None
    track = track_coding(avatar)
    usual = settings.codec or container_of(output, settings.format).encoder
    if track is None:
        note = f"{avatar.name} is no video file: --match-source finds no codec in it"
        return replace(settings, codec=usual), note
    changes: dict[str, Any] = {}
    codec = find_codec(track.family)
    if settings.codec is None and _keeps(codec, track.depth):
        changes["codec"] = usual if codec is None else track.family
    used = find_codec(changes.get("codec") or settings.codec or "")
    if used is not None and not _has_rate(settings):
        changes |= _rate(track, is_prores=used.family == "prores", takes=used.bitrate is not None)
    lost: str | None = None
    if codec is None:
        lost = f"video is not encoded as {track.family} here: --match-source leaves the codec"
    return replace(settings, **changes), lost


def _keeps(codec: Codec | None, depth: int) -> bool:
    """Whether an encoder, or any other, has the bits of a source."""
    if depth <= SHALLOW:
        return True
    if codec is None:
        return False
    return (
        codec.deep_pix_fmt is not None
        or LAYOUTS[codec.pix_fmt].depth > SHALLOW
        or (codec.lossless == ())
    )


def _has_rate(settings: OutputSettings) -> bool:
    chosen = settings.quality, settings.crf, settings.bitrate
    return settings.lossless or any(each is not None for each in chosen)


def _rate(track: TrackCoding, *, is_prores: bool, takes: bool) -> dict[str, Any]:
    if is_prores:
        return dict(_PRORES.get(track.profile or "", {}))
    kind = kinds(OutputSettings)["bitrate"]
    if not takes or track.bitrate is None:
        return {}
    try:
        return {"bitrate": kind.check(track.bitrate)}
    except ValueError:  # a slide show, or samples as they are
        return {}
