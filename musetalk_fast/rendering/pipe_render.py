"""A render whose video is written to a pipe, with no file left behind."""

from __future__ import annotations

from pathlib import Path

from musetalk_fast.config import Settings
from musetalk_fast.errors import OutputFormatError
from musetalk_fast.events import OnEvent, WarningEvent
from musetalk_fast.rendering.loading import RenderRequest
from musetalk_fast.rendering.renderer import Renderer
from musetalk_fast.rendering.result import RenderResult
from musetalk_fast.storage import temporary_folder
from musetalk_fast.threads import in_threads
from musetalk_fast.types import Container
from musetalk_fast.video.containers import CONTAINERS


def piped_name(settings: Settings) -> str:
    """The name that a video in a pipe would have as a file, which says its container.

    Raises:
        errors.OutputFormatError: a container that cannot be written from front to end.
    """
    container = CONTAINERS[settings.output.format or Container.MKV]
    if container.piped_options is None:
        able = [known.name for known in CONTAINERS.values() if known.piped_options is not None]
        message = f"{container.name} cannot be written into a pipe"
        hint = f"--format {', '.join(able[:-1])} or {able[-1]}; or name a file"
        raise OutputFormatError(message, where="-", hint=hint)
    return f"stdout{container.suffix}"


async def render_to_pipe(
    avatar: Path, audio: Path, descriptor: int, settings: Settings, on_event: OnEvent
) -> RenderResult:
    """Render one video into a pipe. Its parts are in a temporary folder until they are sent.

    Args:
        descriptor: of the pipe; stays open.

    Raises:
        BrokenPipeError: its reader has gone.
        errors.MuseTalkError: the leaf that says what went wrong.
    """
    name = piped_name(settings)
    message = "the video goes into a pipe: if this ends early, it cannot be resumed"
    on_event(WarningEvent(message=message, token="MTF-PIPE"))
    async with Renderer(settings, on_event) as renderer, in_threads(temporary_folder()) as folder:
        request = RenderRequest(avatar, audio, folder / name, settings, on_event)
        return await renderer.pipe(request, descriptor)
