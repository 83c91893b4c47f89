"""`--face-preview`: a picture of the avatar with its faces numbered, before anything is sent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from musetalk_fast.cli.grouped_help import GroupedOption

if TYPE_CHECKING:
    from musetalk_fast.config import Settings

face_preview_option = click.option(
    "--face-preview", "face_preview", cls=GroupedOption, group="Face", metavar="FILE",
    type=click.Path(path_type=Path, readable=False),
    help="Write the avatar with all faces numbered and the chosen one marked (.png, .jpg).",
)  # fmt: skip


def write_preview(path: Path, avatar: Path, audio: Path, output: Path, settings: Settings) -> None:
    """Write the picture, whether or not a face can be chosen.

    Args:
        path: the picture; it replaces none of the other files.

    Raises:
        errors.InputError: the avatar is no usable picture.
        errors.OutputError: the picture cannot be written, or the output has no such name.
    """
    from musetalk_fast.cli.signals import run_blocking
    from musetalk_fast.media.background import (
        DEFAULT_BACKGROUND,
        background_file,
        load_background,
    )
    from musetalk_fast.media.face.face_preview import check_preview_path, write_face_preview
    from musetalk_fast.planning.avatar_opening import open_wanted

    def write() -> None:
        text = settings.avatar.background or DEFAULT_BACKGROUND
        file = background_file(text)
        check_preview_path(path, (avatar, audio, output, *((file,) if file else ())))
        source = open_wanted(avatar, output, settings.output, load_background(text))
        write_face_preview(path, source.picture(0), settings.avatar.options())

    run_blocking(write)
