"""The avatar as settings want it, and again as a plan says it."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from pathlib import Path

from musetalk_fast.config import OutputSettings
from musetalk_fast.media.avatar import AvatarSource, open_avatar
from musetalk_fast.media.frame_size import Resolution
from musetalk_fast.media.image import Background
from musetalk_fast.media.picture_video import OnPicture
from musetalk_fast.planning.plan import Plan
from musetalk_fast.planning.source_frames import STILL_FPS
from musetalk_fast.video.codec_choice import chosen_encoder
from musetalk_fast.video.codec_levels import largest_played


def open_wanted(
    avatar: Path,
    output: Path,
    settings: OutputSettings,
    background: Background,
    on_picture: OnPicture = lambda _done, _total: None,
) -> AvatarSource:
    """Open an avatar for an output.

    Args:
        on_picture: as `media.avatar.open_avatar` has it.

    Raises:
        errors.InputError, errors.UsageError: as `media.avatar.open_avatar`.
        errors.OutputError: as `wanted_resolution`.
    """
    wanted = wanted_resolution(settings, output)
    return open_avatar(
        avatar,
        background=background,
        resolution=wanted,
        on_picture=on_picture,
        keeps_hdr=settings.match_source,
    )


def open_planned(
    plan: Plan, background: Background, on_picture: OnPicture = lambda _done, _total: None
) -> AvatarSource:
    """Open the avatar of a plan: the same pictures as when the plan was made.

    Args:
        background: the plan's.
        on_picture: as `media.avatar.open_avatar` has it.

    Raises:
        errors.InputError: as `media.avatar.open_avatar`.
    """
    wanted = Resolution((plan.width, plan.height), plan.fit)
    return open_avatar(
        plan.avatar,
        background=background,
        resolution=wanted,
        on_picture=on_picture,
        keeps_hdr=plan.match_source,
    )


def wanted_resolution(settings: OutputSettings, output: Path) -> Resolution:
    """The size of a video, in so far as settings and the output's name decide it.

    Raises:
        errors.OutputError: an avatar's own size is bounded by the encoder, and there is none.
    """
    size, largest = settings.resolution, None
    if isinstance(size, str):
        size = None
    elif size is None:
        largest = partial(_played, chosen_encoder(settings, output), settings.fps)
    return Resolution(size, settings.fit, settings.max_side, largest)


def _played(
    codec: str, fps: Fraction | int | None, width: int, height: int, rate: Fraction | None
) -> tuple[int, int]:
    return largest_played(codec, width, height, Fraction(fps or rate or STILL_FPS))
