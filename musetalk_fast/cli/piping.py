"""Inputs from pipes, and a video into one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from musetalk_fast.errors import MuseTalkError, UsageError
from musetalk_fast.media.piped_input import STANDARD, is_piped

if TYPE_CHECKING:
    from musetalk_fast.cli.display import Display
    from musetalk_fast.config import Settings


@contextmanager
def piped_inputs(avatar: Path, audio: Path) -> Iterator[tuple[Path, Path]]:
    """Both inputs as files; those that come through a pipe are in a temporary folder.

    Raises:
        errors.MuseTalkError: as `media.piped_input.keep_piped`.
    """
    if not (is_piped(avatar) or is_piped(audio)):
        yield avatar, audio
        return
    from musetalk_fast.cli.signals import removed_on_signals, run_blocking
    from musetalk_fast.media.piped_input import keep_piped

    given = avatar, audio
    with removed_on_signals() as folder:
        kept = run_blocking(partial(keep_piped, given, folder))
        try:
            yield kept[0], kept[1]
        except MuseTalkError as error:
            # Where it is kept says nothing to the user, and is gone.
            named = {str(copy): str(path) for copy, path in zip(kept, given, strict=True)}
            error.where = named.get(error.where or "", error.where)
            raise


@contextmanager
def named_output(output: Path, settings: Settings) -> Iterator[Path]:
    """The output under a name that says its container, also where it is standard output.

    Raises:
        errors.OutputFormatError: a container that cannot be written into a pipe.
    """
    if output != STANDARD:
        yield output
        return
    from musetalk_fast.cli.signals import removed_on_signals
    from musetalk_fast.rendering.pipe_render import piped_name

    name = piped_name(settings)
    with removed_on_signals() as folder:
        yield folder / name


def send_video(
    avatar: Path, audio: Path, descriptor: int, settings: Settings, display: Display
) -> None:
    """Render into a pipe."""
    from musetalk_fast.cli.signals import run
    from musetalk_fast.rendering.pipe_render import render_to_pipe

    run(render_to_pipe(avatar, audio, descriptor, settings, display))


def refuse_pipes(avatar: Path, audio: Path, output: Path) -> None:
    """Refuse what a plan cannot name: other machines, or a later run, read it again.

    Raises:
        errors.UsageError: an input or the output is a pipe.
    """
    for path in (avatar, audio):
        if is_piped(path):
            hint = (
                f"keep it in a file first: cat {path} >FILE"
                if path != STANDARD
                else ("keep it in a file first: ... >FILE, and name that")
            )
            message = "a plan names files, which are read again later; this is a pipe"
            raise UsageError(message, where=str(path), hint=hint)
    if output == STANDARD:
        hint = "name the video's file; `render -o -` makes it and sends it at once"
        raise UsageError("a plan is for a file, which `join` writes", where="-", hint=hint)
