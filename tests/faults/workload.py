"""What the bench renders: small inputs, real servers, and the one right answer."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
import traceback
import wave
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from musetalk_fast import Settings, render_async
from musetalk_fast.config import (
    AvatarSettings,
    OutputSettings,
    ProcessingSettings,
    ServerSettings,
)
from musetalk_fast.events import Event, ProgressEvent, SegmentEvent, WarningEvent
from musetalk_fast.kernels.png import encode_png
from musetalk_fast.types import CropEncoding

sys.path.insert(0, str(Path(__file__).parents[1] / "server"))

import server_process

FPS = 25
SIZE = 128
DEADLINE_SECS = 120.0
"""No render of the bench may take longer, whatever happens to it, on however busy a machine."""

Right = Callable[..., Awaitable[list[str]]]
"""Given a workload and an encoding: the frames of a fault-free render."""

PROGRAM = (sys.executable, "-m", "musetalk_fast")

LIMITS = {"heartbeat_secs": 0.6, "max_streams": 16}


@dataclass
class EventRecorder:
    """Collects the events of a render."""

    events: list[Event] = field(default_factory=list)
    on_part: Callable[[SegmentEvent], None] = lambda _event: None

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, SegmentEvent):
            self.on_part(event)

    @property
    def warnings(self) -> list[str]:
        """What the user was warned of."""
        return [event.message for event in self.events if isinstance(event, WarningEvent)]

    @property
    def received(self) -> int:
        """Frames that have come."""
        counts = [
            event.done
            for event in list(self.events)
            if isinstance(event, ProgressEvent) and event.stage == "generate"
        ]
        return max(counts, default=0)

    def segments(self, *, reused: bool) -> list[int]:
        """Numbers of the segments that became parts, or were parts already."""
        return [
            event.number
            for event in self.events
            if isinstance(event, SegmentEvent) and event.reused is reused
        ]


@dataclass(frozen=True)
class Workload:
    """One avatar and one recording of some seconds."""

    folder: Path
    secs: float

    @property
    def avatar(self) -> Path:
        """A picture without a face: none is looked for."""
        return self.folder / "avatar.png"

    @property
    def audio(self) -> Path:
        """Some sound."""
        return self.folder / f"speech-{self.secs:g}.wav"

    @property
    def frames(self) -> int:
        """Of its video."""
        return round(self.secs * FPS)

    def write(self) -> Workload:
        """Make the files."""
        self.folder.mkdir(exist_ok=True)
        rows, columns = np.mgrid[0:SIZE, 0:SIZE]
        picture = np.stack([rows * 2, columns * 2, rows + columns], 2).astype(np.uint8)
        self.avatar.write_bytes(encode_png(np.ascontiguousarray(picture)))
        tone = np.sin(np.arange(round(self.secs * 16_000)) * 0.05) * 8000
        with wave.open(str(self.audio), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(16_000)
            sound.writeframes(tone.astype("<i2").tobytes())
        return self

    def settings(self, *urls: str, **members: Any) -> Settings:
        """Small segments, short waits, a fast encoder."""
        return Settings(
            server=ServerSettings(
                url=urls,
                timeout_secs=members.get("timeout_secs", 5.0),
                wire=members.get("wire", "binary"),
            ),
            avatar=AvatarSettings(face_check=False),
            output=OutputSettings(preset="ultrafast", sound="none", crf=30),
            processing=ProcessingSettings(
                segment_secs=members.get("segment_secs", 1.0),
                max_retries=members.get("max_retries", 4),
                frame_encoding=members.get("encoding", CropEncoding.RAW),
            ),
        )

    async def render(self, output: Path, *urls: str, **members: Any) -> EventRecorder:
        """Render with these servers, within the deadline."""
        recorder = members.pop("recorder", EventRecorder())
        fresh = members.pop("fresh", False)
        settings = self.settings(*urls, **members)
        work = render_async(
            self.avatar, self.audio, output, settings, fresh=fresh, on_event=recorder
        )
        loop = asyncio.get_running_loop()
        due = loop.time() + DEADLINE_SECS - 1
        stuck = loop.call_at(due, lambda: _print_events(recorder, loop.time() - due))
        try:
            async with asyncio.timeout(DEADLINE_SECS):
                await work
        finally:
            stuck.cancel()
        return recorder

    def arguments(self, output: Path, *urls: str, command: str = "render") -> list[str]:
        """The same as a command: `render`, or `plan`, which asks no server."""
        flags = {
            "segment-secs": 1, "preset": "ultrafast", "crf": 30, "sound": "none",
            "frame-encoding": "raw",
        }  # fmt: skip
        if command != "plan":
            flags["max-retries"] = 4
        return [
            *(*PROGRAM, command, "--json", "--no-face-check"),
            *("-i", str(self.avatar), "-a", str(self.audio), "-o", str(output)),
            *(part for url in urls for part in ("-s", url)),
            *(text for name, value in flags.items() for text in (f"--{name}", str(value))),
        ]


def _print_events(recorder: EventRecorder, late_secs: float) -> None:
    """What every task and thread waits for, on stderr: a render is about to miss its deadline.

    Args:
        late_secs: if many, the machine or the loop stood still, and nothing need be wrong.
    """
    print(f"reported {late_secs:.1f} s late", *recorder.events[-20:], sep="\n", file=sys.stderr)
    for task in asyncio.all_tasks():
        task.print_stack(limit=8)
    for frame in sys._current_frames().values():
        traceback.print_stack(frame, limit=8)


def environment(**variables: str) -> dict[str, str]:
    """For commands: nothing of this user's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MUSETALK_")}
    return kept | {"MUSETALK_SERVER_TIMEOUT_SECS": "5"} | variables


def parts_of(output: Path) -> dict[str, int]:
    """Names and inodes of the finished parts of an output."""
    folder = output.with_name(output.name + ".parts")
    try:
        return {path.name: path.stat().st_ino for path in folder.glob("[0-9]*.mp4")}
    except FileNotFoundError:  # they are being taken away
        return {}


def unfinished(folder: Path) -> list[Path]:
    """Files that a process has begun to write."""
    return list(folder.rglob("*.tmp"))


def pictures(path: Path) -> list[str]:
    """Each decoded frame of a video, as a hash of its pixels."""
    with av.open(str(path)) as container:
        return [hashlib.sha256(_pixels(frame)).hexdigest() for frame in container.decode(video=0)]


def _pixels(frame: av.VideoFrame) -> NDArray[np.uint8]:
    return np.ascontiguousarray(frame.to_ndarray())


class Server:
    """A real server process that can be frozen, killed and started again."""

    def __init__(self, **engine: Any) -> None:
        self.address = ""
        # Each frame is far from its neighbours.
        self._engine = {"step": 37} | engine
        self._stack = ExitStack()
        self._process: server_process.Process | None = None

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        assert self._process is not None
        return self._process.child.pid

    def start(self) -> str:
        """Start it, with an empty store; where it listens."""
        running = server_process.running(engine=self._engine, limits=LIMITS)
        self._process = self._stack.enter_context(running)
        self.address = self._process.address
        return self.address

    def kill(self) -> None:
        """`kill -9`."""
        assert self._process is not None
        self._process.child.kill()
        self._process.child.wait()

    def freeze(self) -> None:
        """SIGSTOP."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End it for good."""
        self._stack.close()


@contextmanager
def served(count: int = 1, **engine: Any) -> Iterator[list[Server]]:
    """Servers that run while the context is open."""
    servers = [Server(**engine) for _ in range(count)]
    try:
        for server in servers:
            server.start()
        yield servers
    finally:
        for server in servers:
            server.stop()
