"""Events that a render reports to its caller.

Each event is one line of `--json`: its class names the `event`, its fields the members.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEvent:
    """Everything is decided; nothing was sent yet.

    Attributes:
        kept: segments that an earlier run has finished.
        threads: of each encoder.
        frame_encoding: how crops will travel.
        transparent: whether the video has alpha.
    """

    avatar: str
    audio: str
    output: str
    frames: int
    fps: str
    width: int
    height: int
    segments: int
    kept: int = 0
    encoder: str
    threads: int
    frame_encoding: str
    transparent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FacePlace:
    """The rectangle of a face, forehead to chin, in pixels of the avatar."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FacesEvent:
    """The faces of the avatar, and which of them will speak.

    Attributes:
        faces: from left to right, as `--face` counts them: without those that are several times
            smaller than the largest. A named box is not looked beyond.
        chosen: the number of the one that was taken.
        reason: why: `largest`, `left`, `right`, `number`, `center` or `box`.
    """

    faces: tuple[FacePlace, ...]
    chosen: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FacelessEvent:
    """Source frames of a moving avatar in which the server found no face.

    Attributes:
        frames: how many there are.
        total: source frames of the avatar.
        ranges: `[start, stop)` of them; the first 100.
        shown: what is shown for them: `pass` or `hold` (`types.NoFace`).
    """

    frames: int
    total: int
    ranges: tuple[tuple[int, int], ...]
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEvent:
    """The server that makes the mouth, by which engine, and on which wire (`wire.media_types`)."""

    url: str
    engine: str
    model: str
    builtin: bool
    wire: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadEvent:
    """Bytes of an asset that a server lacked; `sent == total` ends it."""

    server: str
    asset: str
    sent: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentEvent:
    """A segment `[start, stop)` was finished; `reused` if an earlier run had made it."""

    number: int
    start: int
    stop: int
    bytes: int
    reused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressEvent:
    """Frames so far. `stage` is `load`, `convert`, `prepare`, `generate`, `encode` or `join`."""

    stage: str
    done: int
    total: int
    fps: float | None = None
    eta_secs: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsEvent:
    """Bytes of weights so far, of all files together, and the file that is at work.

    Attributes:
        stage: `verify` (files that are there are read) or `pull`.
        bytes_per_sec, eta_secs: of a pull; None in its first moments.
    """

    stage: str
    file: str
    done: int
    total: int
    bytes_per_sec: float | None = None
    eta_secs: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningEvent:
    """Something the user should know; the render goes on."""

    message: str
    token: str = "MTF-WARNING"


@dataclass(frozen=True, slots=True, kw_only=True)
class MouthFigures:
    """What the mouth of a video did.

    Attributes:
        moved: how far, while there was speech: the mean change of the mouth's brightness in 80 ms,
            in levels of 255; None without speech.
        follows: the speech: correlation of movement with loudness, -1 to 1; None where the
            loudness hardly changes, or for less than a few seconds.
        speech_secs: seconds of speech in which that was measured.
    """

    moved: float | None
    follows: float | None
    speech_secs: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StillRowsFigures:
    """How the rows of a still avatar that never change were spared.

    Attributes:
        band_rows: macroblock rows that were encoded with every frame.
        rows: all of them.
        unproven: pictures that had to be decoded, to see that they show what the encoder meant.
        in_full: segments that were encoded with all rows, as some did not or cannot.
    """

    band_rows: int
    rows: int
    unproven: int
    in_full: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DoneEvent:
    """The output is in its place.

    Attributes:
        still_rows: of the segments that this run has encoded; None where all rows were to be
            encoded with every frame.
        mouth: None where nobody knows the mouth's place: full frames of an avatar that was not
            looked at.
        faceless: frames that show a source frame without a face, or another one in its place.
    """

    output: str
    bytes: int
    duration_secs: float
    frames: int
    fps: float
    wall_secs: float
    engine: str
    mouth: MouthFigures | None = None
    still_rows: StillRowsFigures | None = None
    faceless: int = 0
    stages: dict[str, float] = field(default_factory=dict)


Event: TypeAlias = (
    PlanEvent
    | FacesEvent
    | FacelessEvent
    | ServerEvent
    | UploadEvent
    | SegmentEvent
    | ProgressEvent
    | WeightsEvent
    | WarningEvent
    | DoneEvent
)

OnEvent: TypeAlias = Callable[[Event], None]
"""Takes the events of a render."""
