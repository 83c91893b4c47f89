"""The functions for programs that embed the renderer: on any thread, also inside a running loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from musetalk_fast.config import Settings
from musetalk_fast.events import OnEvent
from musetalk_fast.planning import Plan, SegmentChoice
from musetalk_fast.rendering.renderer import Renderer
from musetalk_fast.rendering.result import RenderResult
from musetalk_fast.video.mux import Joined
from musetalk_fast.video.parts import Part

T = TypeVar("T")

# The functions below import `steps`: it imports the client, which a renderer does in a thread.


def _ignore(_event: object) -> None:
    pass


async def render_async(
    avatar: Path | str,
    audio: Path | str,
    output: Path | str,
    settings: Settings | None = None,
    *,
    fresh: bool = False,
    on_event: OnEvent = _ignore,
) -> RenderResult:
    """Render one video on the running event loop; see `render`.

    Examples:
        >>> import asyncio
        >>> from musetalk_fast import ServerSettings, Settings, render_async
        >>> settings = Settings(server=ServerSettings(url="builtin"))
        >>> job = render_async("portrait.png", "speech.wav", "out.mp4", settings)
        >>> asyncio.run(job).frames
        75
    """
    async with Renderer(settings, on_event) as renderer:
        return await renderer.render(avatar, audio, output, fresh=fresh)


def render(
    avatar: Path | str,
    audio: Path | str,
    output: Path | str,
    settings: Settings | None = None,
    *,
    fresh: bool = False,
    on_event: OnEvent = _ignore,
) -> RenderResult:
    """Render one video: an avatar speaks a recording.

    If parts of an interrupted render of the same plan are there, it is continued. Where an event
    loop is running, which it blocks until the end, it works in a loop of a thread of its own.

    Args:
        avatar: a picture or a video with a face.
        audio: a recording, or a video with a sound track.
        output: the video to write; it appears only when it is complete.
        settings: how; the default uses the default server or the built-in preview.
        fresh: start over instead.
        on_event: called with every event (`musetalk_fast.events`), on the event loop's thread.

    Raises:
        errors.MuseTalkError: the leaf that says what went wrong, where, and what to do.

    Examples:
        >>> from musetalk_fast import ServerSettings, Settings, render
        >>> settings = Settings(server=ServerSettings(url="builtin"))
        >>> render("portrait.png", "speech.wav", "out.mp4", settings).duration_secs
        3.0
    """
    return _run(
        lambda: render_async(avatar, audio, output, settings, fresh=fresh, on_event=on_event)
    )


def write_plan(
    avatar: Path | str,
    audio: Path | str,
    output: Path | str,
    settings: Settings | None = None,
    *,
    on_event: OnEvent = _ignore,
) -> tuple[Path, Plan]:
    """Check both inputs and write `OUTPUT.parts/plan.json` for `segment` and `join`.

    Returns:
        the plan's file, and the plan.

    Raises:
        errors.InputError, errors.OutputError: what would stop the render.

    Examples:
        >>> from musetalk_fast import ProcessingSettings, Settings, write_plan
        >>> settings = Settings(processing=ProcessingSettings(segment_secs=1))
        >>> file, plan = write_plan("portrait.png", "speech.wav", "out.mp4", settings)
        >>> file.name, len(plan.segments)
        ('plan.json', 3)
    """
    from musetalk_fast.rendering import steps

    inputs = Path(avatar), Path(audio), Path(output)
    return steps.write_plan(*inputs, settings or Settings(), on_event=on_event)


def segment(
    plan: Path | str,
    numbers: Collection[int] | None = None,
    settings: Settings | None = None,
    *,
    on_event: OnEvent = _ignore,
) -> list[Part]:
    """Make the parts of some segments of a plan; those that are finished are left as they are.

    Any number of machines may do this at a time over a shared folder.

    Args:
        plan: as `write_plan` made it, or the folder it is in.
        numbers: of the segments, from 0 on; None: all.
        settings: servers and retries; how the video looks is the plan's.

    Raises:
        errors.MuseTalkError: the leaf that says what went wrong.

    Examples:
        >>> from musetalk_fast import ServerSettings, Settings, segment
        >>> settings = Settings(server=ServerSettings(url="builtin"))
        >>> [part.frames for part in segment("out.mp4.parts", [0, 2], settings)]
        [25, 25]
    """
    from musetalk_fast.rendering import steps

    choice, used = SegmentChoice(numbers), settings or Settings()
    return _run(lambda: steps.render_segments(Path(plan), choice, used, on_event=on_event))


def join(plan: Path | str, *, on_event: OnEvent = _ignore) -> Joined:
    """Join the parts of a plan into the video, add the sound, and remove the parts.

    Raises:
        errors.PartsError: parts are missing; their segments are named.
        errors.PlanError: avatar or recording have changed since the plan was made.
        errors.MuseTalkError: the leaf that says what else went wrong.

    Examples:
        >>> from musetalk_fast import ServerSettings, Settings, join, segment
        >>> settings = Settings(server=ServerSettings(url="builtin"))
        >>> parts = segment("out.mp4.parts", settings=settings)
        >>> join("out.mp4.parts").frames
        75
    """
    from musetalk_fast.rendering import steps

    return steps.join_plan(Path(plan), on_event)[1]


def _run(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(make())
    return _run_in_thread(make)


def _run_in_thread(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """A notebook's cell runs inside a loop; what interrupts the cell cancels the work."""
    begun: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def work() -> T:
        task = asyncio.current_task()
        assert task is not None
        begun.append((asyncio.get_running_loop(), task))
        return await make()

    with ThreadPoolExecutor(1, "musetalk-render") as executor:
        future = executor.submit(lambda: asyncio.run(work()))
        try:
            return future.result()
        except BaseException:
            for loop, task in begun:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(task.cancel)
            raise
