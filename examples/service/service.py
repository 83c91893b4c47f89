"""A web service that embeds the renderer: upload a portrait and a recording, fetch the video.

    pip install musetalk-fast fastapi uvicorn python-multipart
    cd examples/service
    MUSETALK_SERVER_URL=http://gpu:8000 uvicorn service:app --port 8080

    curl -F avatar=@portrait.png -F audio=@speech.wav http://localhost:8080/renders
    curl http://localhost:8080/renders/1
    curl -o out.mp4 http://localhost:8080/renders/1/video

One renderer serves all requests, so that connections and prepared avatars are kept. Renders run one
after the other, from a queue of bounded length; a full one is 503, with `Retry-After`. Uploads are
bounded too, and so is the number of videos that are kept; a render that failed keeps no file. What
cannot be stored is 507. There are no users here: whoever reaches the port may see every video.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request, UploadFile
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import FileResponse, Response
from starlette.exceptions import HTTPException as AnyHTTPException

import musetalk_fast
from musetalk_fast.events import Event, ProgressEvent

_log = logging.getLogger(__name__)

MAX_WAITING = 8
MAX_UPLOAD = 200 << 20
MAX_KEPT = 100
CHUNK = 1 << 20


@dataclass
class Job:
    """A render that was asked for.

    Attributes:
        state: `waiting`, `rendering`, `done` or `failed`.
        done, total: frames that are encoded, of how many.
        error: token, message and hint of what went wrong.
    """

    folder: Path = field(repr=False)
    state: str = "waiting"
    done: int = 0
    total: int = 0
    error: dict[str, str | None] | None = None

    @property
    def video(self) -> Path:
        return self.folder / "out.mp4"

    def listen(self, event: Event) -> None:
        if isinstance(event, ProgressEvent) and event.stage == "encode":
            self.done, self.total = event.done, event.total

    def shown(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "folder"}


class Renders:
    """All jobs, and the one task that works on them."""

    def __init__(self, settings: musetalk_fast.Settings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._jobs: dict[int, Job] = {}
        self._count = 0
        self._waiting: asyncio.Queue[Job] = asyncio.Queue(MAX_WAITING)

    def new_folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._folder))

    def add(self, folder: Path) -> int:
        """Put a job into the queue; raises `asyncio.QueueFull`."""
        job = Job(folder)
        self._waiting.put_nowait(job)
        self._count += 1
        self._jobs[self._count] = job
        if oldest := self._jobs.pop(self._count - MAX_WAITING - MAX_KEPT - 1, None):
            shutil.rmtree(oldest.folder, ignore_errors=True)
        return self._count

    def find(self, number: int) -> Job:
        if number not in self._jobs:
            raise HTTPException(404, "there is no such render")
        return self._jobs[number]

    async def work(self) -> None:
        async with musetalk_fast.Renderer(self._settings, self._listen) as renderer:
            while True:
                self._now = await self._waiting.get()
                await self._render(renderer, self._now)

    def _listen(self, event: Event) -> None:
        self._now.listen(event)

    async def _render(self, renderer: musetalk_fast.Renderer, job: Job) -> None:
        job.state = "rendering"
        try:
            await renderer.render(job.folder / "avatar", job.folder / "audio", job.video)
        except musetalk_fast.errors.MuseTalkError as error:
            self._fail(job, {"token": error.token, "message": error.message, "hint": error.hint})
        except Exception:  # noqa: BLE001 - logged; the renders that wait have no part in it
            _log.exception("a render failed")
            message = "the service failed; its log says how"
            self._fail(job, {"token": "INTERNAL", "message": message, "hint": None})
        else:
            job.state = "done"
            for name in ("avatar", "audio"):
                (job.folder / name).unlink(missing_ok=True)

    def _fail(self, job: Job, error: dict[str, str | None]) -> None:
        job.state, job.error = "failed", error
        shutil.rmtree(job.folder, ignore_errors=True)


class BoundedBody:
    """Refuses a body longer than both files: a form lies on the disk before anybody sees it."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        left = 2 * MAX_UPLOAD + CHUNK

        async def bounded() -> Any:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise _too_large()
            return message

        await self._app(scope, bounded, send)


@asynccontextmanager
async def _rendering(app: FastAPI) -> AsyncIterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        app.state.renders = Renders(app.state.settings or _load_settings(), Path(folder))
        worker = asyncio.create_task(app.state.renders.work())
        try:
            yield
        finally:
            worker.cancel()
            with suppress(asyncio.CancelledError):
                await worker


def make_app(settings: musetalk_fast.Settings | None = None) -> FastAPI:
    """The service.

    Args:
        settings: None: those of environment and configuration file.
    """
    app = FastAPI(title="Speaking portraits", lifespan=_rendering)
    app.state.settings = settings
    app.add_middleware(BoundedBody)
    app.add_exception_handler(OSError, _answer_not_stored)
    app.add_exception_handler(AnyHTTPException, _answer)

    @app.post("/renders", status_code=202)
    async def create(avatar: UploadFile, audio: UploadFile) -> dict[str, int]:
        folder = app.state.renders.new_folder()
        try:
            for name, upload in (("avatar", avatar), ("audio", audio)):
                await _keep(upload, folder / name)
            return {"id": app.state.renders.add(folder)}
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if not isinstance(error, asyncio.QueueFull):
                raise
            raise HTTPException(503, "too many renders wait", {"Retry-After": "30"}) from None

    @app.get("/renders/{number}")
    async def show(number: int) -> dict[str, Any]:
        return app.state.renders.find(number).shown()

    @app.get("/renders/{number}/video")
    async def video(number: int) -> FileResponse:
        job = app.state.renders.find(number)
        if job.state != "done":
            raise HTTPException(409, f"the render is {job.state}")
        return FileResponse(job.video, media_type="video/mp4")

    return app


async def _keep(upload: UploadFile, path: Path) -> None:
    size = 0
    with path.open("wb") as file:
        while data := await upload.read(CHUNK):
            size += len(data)
            if size > MAX_UPLOAD:
                raise _too_large()
            file.write(data)


async def _answer(request: Request, error: Exception) -> Response:
    """FastAPI says 400 to a form that it cannot keep: that is no fault of the form."""
    if isinstance(error.__cause__, OSError):
        return await _answer_not_stored(request, error.__cause__)
    assert isinstance(error, AnyHTTPException)
    return await http_exception_handler(request, error)


async def _answer_not_stored(request: Request, error: Exception) -> Response:
    _log.error("an upload cannot be stored: %s", error)
    refusal = HTTPException(507, "the upload cannot be stored", {"Retry-After": "300"})
    return await http_exception_handler(request, refusal)


def _too_large() -> HTTPException:
    return HTTPException(413, f"a file may have {MAX_UPLOAD >> 20} MiB")


def _load_settings() -> musetalk_fast.Settings:
    return musetalk_fast.load_settings().settings


app = make_app()
