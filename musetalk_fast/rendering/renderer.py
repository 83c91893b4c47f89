"""Renders videos: the public face of the room."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from musetalk_fast.client.choice import ChosenServer
from musetalk_fast.config import Settings
from musetalk_fast.errors import MuseTalkError
from musetalk_fast.events import DoneEvent, Event
from musetalk_fast.planning import Inputs, OnEvent, Plan, load_inputs, plan_render
from musetalk_fast.rendering.job import Job
from musetalk_fast.rendering.parts import parts_folder
from musetalk_fast.rendering.progress import Meter
from musetalk_fast.rendering.servers import engage
from musetalk_fast.video.output import check_output


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderResult:
    """A finished video.

    Attributes:
        output: the file.
        bytes, frames, duration_secs: of the file.
        fps: frames a second while frames were generated and encoded.
        wall_secs: the whole render.
        engine, model: who made the mouth; `preview` is not MuseTalk.
        stages: seconds spent in each stage.
    """

    output: Path
    bytes: int
    frames: int
    duration_secs: float
    fps: float
    wall_secs: float
    engine: str
    model: str
    stages: dict[str, float] = field(default_factory=dict)


class Renderer:
    """Renders one video after another with one server; an asynchronous context manager.

    Args:
        settings: how.
        on_event: told of everything that happens, on the event loop's thread.
        fallback: use the built-in engine if no server was chosen and none is at home.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        on_event: OnEvent = lambda _event: None,
        *,
        fallback: bool = True,
    ) -> None:
        self._settings = settings or Settings()
        self._on_event = on_event
        self._fallback = fallback
        self._stack = AsyncExitStack()
        self._server: asyncio.Task[ChosenServer] | None = None
        self._threads = ThreadPoolExecutor(4, "musetalk-render")

    async def __aenter__(self) -> Renderer:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.cancel()
            # Its own failure was told by whoever needed it; here it only has to be over.
            await asyncio.gather(self._server, return_exceptions=True)
        await self._stack.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def connect(self) -> None:
        """Open the server now, rather than with the first render.

        Raises:
            errors.ServerError: it cannot be opened.
        """
        self._start_server()
        await self._opened_server()

    async def render(self, avatar: Path, audio: Path, output: Path) -> RenderResult:
        """Render one video; the output appears whole or not at all.

        Raises:
            errors.MuseTalkError: the leaf that says what went wrong.
        """
        clock = _Clock()
        settings = self._settings.output
        check_output(output, settings.format, overwrite=settings.overwrite)
        self._start_server()
        with parts_folder(output) as folder:
            plan, inputs = await self._load(avatar, audio, output, folder)
            clock.lap("load")
            server = await self._opened_server()
            clock.lap("server")
            job = Job(plan, inputs, server, folder, self._threads, self._on_event)
            job.tell_plan()
            picture, faces = await job.prepare()
            clock.lap("prepare")
            parts = await job.generate(picture, faces, Meter(plan.frames, self._on_event))
            clock.lap("generate")
            joined = await job.join(parts)
            clock.lap("join")
        result = RenderResult(
            output=output,
            bytes=joined.bytes,
            frames=joined.frames,
            duration_secs=float(joined.duration),
            fps=plan.frames / clock.stages["generate"],
            wall_secs=clock.total(),
            engine=server.info.engine,
            model=server.info.model,
            stages=clock.stages,
        )
        self._tell_done(result)
        return result

    async def _load(
        self, avatar: Path, audio: Path, output: Path, folder: Path
    ) -> tuple[Plan, Inputs]:
        loop = asyncio.get_running_loop()

        def tell(event: Event) -> None:
            loop.call_soon_threadsafe(self._on_event, event)

        def load() -> tuple[Plan, Inputs]:
            inputs = load_inputs(avatar, audio, self._settings, folder, tell)
            return plan_render(inputs, output, self._settings), inputs

        return await loop.run_in_executor(self._threads, load)

    def _start_server(self) -> None:
        """Begin to open the server, so that it starts while the inputs load."""
        if self._server is None:
            self._server = asyncio.create_task(
                engage(self._settings.server, self._stack, self._on_event, fallback=self._fallback)
            )

    async def _opened_server(self) -> ChosenServer:
        assert self._server is not None
        try:
            return await asyncio.shield(self._server)
        except MuseTalkError:
            self._server = None  # the next render of a batch tries again
            raise

    def _tell_done(self, result: RenderResult) -> None:
        self._on_event(
            DoneEvent(
                output=str(result.output),
                bytes=result.bytes,
                duration_secs=round(result.duration_secs, 3),
                frames=result.frames,
                fps=round(result.fps, 1),
                wall_secs=round(result.wall_secs, 3),
                engine=result.engine,
                stages={name: round(secs, 3) for name, secs in result.stages.items()},
            )
        )


async def render_async(
    avatar: Path | str,
    audio: Path | str,
    output: Path | str,
    settings: Settings | None = None,
    *,
    on_event: OnEvent = lambda _event: None,
) -> RenderResult:
    """Render one video on the running event loop; see `render`."""
    async with Renderer(settings, on_event) as renderer:
        return await renderer.render(Path(avatar), Path(audio), Path(output))


def render(
    avatar: Path | str,
    audio: Path | str,
    output: Path | str,
    settings: Settings | None = None,
    *,
    on_event: OnEvent = lambda _event: None,
) -> RenderResult:
    """Render one video: an avatar speaks a recording.

    Args:
        avatar: a picture with a face.
        audio: a recording, or a video with a sound track.
        output: the video to write; it appears whole or not at all.
        settings: how; the default uses a server at home or the built-in preview.
        on_event: told of everything that happens (`musetalk_fast.events`).

    Raises:
        errors.MuseTalkError: the leaf that says what went wrong, where, and what to do.
    """
    return asyncio.run(render_async(avatar, audio, output, settings, on_event=on_event))


class _Clock:
    """Seconds per stage."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self._began = self._lap = time.monotonic()

    def lap(self, stage: str) -> None:
        now = time.monotonic()
        self.stages[stage] = now - self._lap
        self._lap = now

    def total(self) -> float:
        return time.monotonic() - self._began
