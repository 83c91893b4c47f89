"""What an engine is: four verbs. Batching, ranges, cancellation and bounds are the server's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.types import AvatarOptions, Face, Pcm

ENGINE_GROUP = "musetalk_fast.engines"
"""Entry-point group by which engines are found.

Each entry is a callable that returns an `Engine`. Its keyword arguments, if any, are the options of
`serve` that it takes, of those in `cli.musetalk_options`.
"""

OnFace: TypeAlias = Callable[[int, int, Face | None], None]
"""Called with `(source, source frames, face or None)` for each source frame, in order, while a long
video is still prepared; raises where it is too long or of no more use."""

CancelCheck: TypeAlias = Callable[[], None]
"""Raises once a preparation is abandoned; engines let the error propagate. It costs
less than a microsecond: call it between any two steps, best every 50 ms."""


def never_cancelled() -> None:
    """The `CancelCheck` of work that is never cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """An engine's description of itself.

    Attributes:
        name: the name it is chosen by (`preview`, `musetalk`).
        model: version of model and weights; other crops, other version.
        is_preview: its mouths are a preview, not MuseTalk.
        max_batch: most crops of one `infer`.
        gpu_name: the accelerator it runs on, or None.
        takes_videos: an avatar may be a video.
    """

    name: str
    model: str
    is_preview: bool
    max_batch: int = 8
    gpu_name: str | None = None
    takes_videos: bool = False


class PreparedAvatar(Protocol):
    """An avatar that is ready: its size in pixels, and one face (or None) per source frame."""

    @property
    def width(self) -> int:
        """Pixels across."""
        ...

    @property
    def height(self) -> int:
        """Pixels down."""
        ...

    @property
    def faces(self) -> Sequence[Face | None]:
        """One entry per source frame, read by several threads.

        Best made when it is asked for: all masks of a long video would fill the memory.
        """
        ...


class CropRequest(NamedTuple):
    """One crop to make: `frame` of a recording at `fps` = num/den, on source frame `source`."""

    avatar: PreparedAvatar
    source: int
    audio: object
    frame: int
    fps: tuple[int, int]


class EngineFigures(NamedTuple):
    """What an engine measures of itself.

    Attributes:
        gpu_memory: bytes in use and in all, of each device by its name.
        stage_secs: seconds spent in each of its stages since it was loaded.
    """

    gpu_memory: Mapping[str, tuple[int, int]]
    stage_secs: Mapping[str, float]


class WorkerCount(NamedTuple):
    """Processes that an engine computes in.

    Attributes:
        ready: at work, or waiting for it; the others are being started again.
        total: all of them.
        restarts: since the engine was loaded.
    """

    ready: int
    total: int
    restarts: int


@runtime_checkable
class ReportsWorkers(Protocol):
    """An engine whose processes `/health` and `/metrics` count; none has to."""

    def workers(self) -> WorkerCount | None:
        """Its processes; None: it has none of its own. Called in any thread; never waits."""
        ...


@runtime_checkable
class ReportsFigures(Protocol):
    """An engine that has figures for `/metrics`; none has to."""

    def figures(self) -> EngineFigures:
        """What it measures; called in any thread, at any time, and takes milliseconds at most."""
        ...


class Engine(Protocol):
    """Makes crops.

    Each verb has a worker thread of its own: none is called twice at once, but different ones are
    called at the same time. `close` may come while an avatar or a recording is still prepared.
    """

    def describe(self) -> EngineInfo:
        """Name, model version and limits."""
        ...

    def prepare_avatar(
        self, path: Path, options: AvatarOptions, on_face: OnFace, check: CancelCheck
    ) -> PreparedAvatar:
        """Decode an avatar asset and find its face in every source frame.

        What `media.avatar.open_asset` opens has the source frames, in number and in size, that the
        client counts; `media.face.FaceTracker` follows one face through them. Memory must not grow
        with the video; files are best kept in the folder of `path`, without a name.

        Raises:
            errors.ImageFormatError, errors.ImageSizeError: the asset is no usable picture, or a
                video, of which this engine takes none.
            errors.NoFaceError, errors.FaceSizeError, errors.FaceTurnedError,
            errors.MouthHiddenError: no source frame has a usable face.
            errors.FaceOptionsError: an option that cannot be met; the hint says what can. Every
                `errors.InputError` is told to the client as its own fault (422), not to be
                repeated; anything else is the server's.
        """
        ...

    def prepare_audio(self, pcm: Pcm, check: CancelCheck) -> object:
        """Extract what `infer` needs from a complete recording; the server caches it by content."""
        ...

    def infer(self, batch: Sequence[CropRequest]) -> NDArray[np.uint8]:
        """Make crops: (len(batch), 256, 256, 3) uint8 RGB. Frames beyond the sound are silence."""
        ...

    def close(self) -> None:
        """Release what the engine holds."""
        ...


MakeEngine: TypeAlias = Callable[[], Engine]
"""Loads an engine; called once, in a worker thread."""
