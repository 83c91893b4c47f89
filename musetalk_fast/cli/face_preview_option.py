"""`--face-preview`: a picture of the avatar with its faces numbered, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from musetalk_fast.cli.setting_options import GroupedOption

if TYPE_CHECKING:
    from musetalk_fast.config import Settings

face_preview_option = click.option(
    "--face-preview", "face_preview", cls=GroupedOption, group="Face", metavar="FILE",
    type=click.Path(path_type=Path, readable=False),
    help="Write the avatar with all faces numbered and the chosen one marked (.png, .jpg).",
)  # fmt: skip


def write_preview(path: Path, avatar: Path, in_use: Iterable[Path], settings: Settings) -> None:
    """Write the picture, whether or not a face can be chosen.

    Args:
        in_use: files that it must not replace.

    Raises:
        errors.InputError: the avatar is no usable picture.
        errors.OutputError: the picture cannot be written.
    """
    from musetalk_fast.cli.signals import run_blocking
    from musetalk_fast.media.avatar import open_avatar
    from musetalk_fast.media.background import (
        DEFAULT_BACKGROUND,
        background_file,
        load_background,
    )
    from musetalk_fast.media.face.face_preview import check_preview_path, write_face_preview

    def write() -> None:
        background = background_file(settings.avatar.background)
        check_preview_path(path, in_use if background is None else [*in_use, background])
        source = open_avatar(
            avatar,
            background=load_background(settings.avatar.background or DEFAULT_BACKGROUND),
            resolution=settings.output.resolution,
        )
        write_face_preview(path, source.picture(0), settings.avatar.options())

    run_blocking(write)
