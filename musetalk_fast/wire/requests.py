"""Requests of a client and the self-description of a server, as JSON and back."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from musetalk_fast.errors import ProtocolError
from musetalk_fast.types import CROP_SIZE, AvatarOptions, CropEncoding, SourceRun
from musetalk_fast.wire.avatar_options import options_from_json, options_to_json
from musetalk_fast.wire.json_object import MAX_COORDINATE, JsonObject
from musetalk_fast.wire.media_types import INFER
from musetalk_fast.wire.message_json import crop_encoding
from musetalk_fast.wire.messages import PROTOCOL

INFER_ENGINE = INFER.name
"""The engine's name where a server does not report one."""
_INFER_STATUS = {"ok": "healthy"}
HEALTHY = "healthy"
STATUSES = (HEALTHY, "loading", "draining", "out_of_memory", "engine_failed")
"""What `/health` says of a server; all but the first come with 503."""
MAX_REQUEST_BYTES = 1 << 20
"""Most bytes of a request's body."""
MAX_RUNS = 10_000
_MAX_RATE = (1 << 31) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AvatarRequest:
    """`POST /v1/avatars`: prepare an avatar and send the faces of `[start, stop)`.

    Attributes:
        avatar: SHA-256 of the asset.
        stop: None: up to the last source frame.
    """

    avatar: str
    options: AvatarOptions
    start: int = 0
    stop: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The body of the request."""
        return {
            "avatar": self.avatar,
            "options": options_to_json(self.options),
            "start": self.start,
            "stop": self.stop,
        }

    @classmethod
    def from_json(cls, document: object) -> AvatarRequest:
        """Read a body.

        Raises:
            ProtocolError: a member is missing or out of bounds; unknown ones are ignored.
        """
        members = JsonObject(document, "the request")
        start = members.integer("start", default=0)
        return cls(
            avatar=members.hexadecimal("avatar", 64),
            options=options_from_json(members.members("options")),
            start=start,
            stop=members.integer("stop", start) if members.has("stop") else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FramesRequest:
    """`POST /v1/frames`: make the crops of frames `[start, stop)`.

    Attributes:
        avatar, audio: SHA-256 of the assets.
        faces: digest of the faces the client holds, or None to take the server's.
        fps: frames a second, exact.
        sources: which source frame each frame shows; the runs cover the range exactly.
        window: send only the rows of each crop that its face's mask needs.
    """

    avatar: str
    options: AvatarOptions
    faces: str | None
    audio: str
    fps: Fraction
    start: int
    stop: int
    sources: tuple[SourceRun, ...]
    encoding: CropEncoding = CropEncoding.RAW
    window: bool = False

    def to_json(self) -> dict[str, Any]:
        """The body of the request."""
        return {
            "avatar": self.avatar,
            "options": options_to_json(self.options),
            "faces": self.faces,
            "audio": self.audio,
            "fps": [self.fps.numerator, self.fps.denominator],
            "start": self.start,
            "stop": self.stop,
            "sources": [[run.first, run.step, run.count] for run in self.sources],
            "encoding": self.encoding.value,
            "window": self.window,
        }

    @classmethod
    def from_json(cls, document: object) -> FramesRequest:
        """Read a body.

        Raises:
            ProtocolError: a member is missing or out of bounds; unknown ones are ignored.
        """
        members = JsonObject(document, "the request")
        start = members.integer("start")
        stop = members.integer("stop", start)
        return cls(
            avatar=members.hexadecimal("avatar", 64),
            options=options_from_json(members.members("options")),
            faces=members.hexadecimal("faces", 64) if members.has("faces") else None,
            audio=members.hexadecimal("audio", 64),
            fps=Fraction(*members.integers("fps", 2, 1, _MAX_RATE)),
            start=start,
            stop=stop,
            sources=_sources(members, stop - start),
            encoding=crop_encoding(members.text("encoding", default=CropEncoding.RAW)),
            window=members.flag("window", default=False),
        )


def _sources(members: JsonObject, frames: int) -> tuple[SourceRun, ...]:
    if not frames:
        return ()
    runs = tuple(SourceRun(*run) for run in members.lists("sources", 3, MAX_RUNS))
    if sum(run.count for run in runs) != frames:
        raise members.wrong("sources", f"runs [first, step, count] that cover {frames} frames")
    for run in runs:
        last = run.first + run.step * (run.count - 1)
        if run.step not in (-1, 0, 1) or run.count < 1 or min(run.first, last) < 0:
            raise members.wrong("sources", "runs with a step of -1, 0 or 1 from 0 upwards")
    return runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`GET /health`.

    Attributes:
        status: one of `STATUSES`.
        workers_ready, workers: processes that the engine computes in; 0: it has none of its own.
    """

    status: str
    version: str
    model_loaded: bool
    gpu_available: bool
    gpu_name: str | None
    engine: str
    protocol: int = PROTOCOL
    workers_ready: int = 0
    workers: int = 0

    def to_json(self) -> dict[str, Any]:
        """The document."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, document: object) -> Health:
        """Read the document.

        Raises:
            ProtocolError: it is not one of this protocol.
        """
        members = JsonObject(document, "the response to /health")
        return cls(
            protocol=_protocol(members),
            status=members.text("status"),
            version=members.text("version"),
            model_loaded=members.flag("model_loaded", default=True),
            gpu_available=members.flag("gpu_available", default=False),
            gpu_name=members.optional_text("gpu_name"),
            engine=members.text("engine"),
            workers_ready=members.integer("workers_ready", default=0),
            workers=members.integer("workers", default=0),
        )

    @classmethod
    def from_infer(cls, document: object) -> Health | None:
        """Read the document of a server that knows only `POST /infer`; None if it is not such.

        Its `protocol` is 0 and its engine `infer`. Its status counts: some load their model with
        the first request.
        """
        if not isinstance(document, dict) or "protocol" in document:
            return None
        if not isinstance(document.get("model_loaded"), bool):
            return None
        members = JsonObject(document, "the response to /health")
        status = members.text("status")
        return cls(
            protocol=0,
            status=_INFER_STATUS.get(status, status),
            version=members.text("version", default="unknown"),
            model_loaded=members.flag("model_loaded"),
            gpu_available=members.flag("gpu_available", default=False),
            gpu_name=members.optional_text("gpu_name"),
            engine=INFER_ENGINE,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """`GET /v1/info`.

    Attributes:
        engine, model: what makes the crops, and which version of it.
        is_preview: its mouths are a preview, not MuseTalk.
        crop_size: side of a crop in pixels.
        encodings: how crops can travel.
        wires: media types of the streams, the best one first.
        max_fps: most frames a second.
        max_size: longest side of an avatar in pixels.
        max_streams: streams of crops at a time.
        max_asset_bytes: longest asset.
        max_source_frames: most source frames of an avatar; 1: it takes pictures, but no videos.
    """

    engine: str
    model: str
    is_preview: bool
    protocol: int = PROTOCOL
    crop_size: int
    encodings: tuple[CropEncoding, ...]
    wires: tuple[str, ...]
    max_fps: float
    max_size: int
    max_streams: int
    max_asset_bytes: int
    max_source_frames: int = 1

    def to_json(self) -> dict[str, Any]:
        """The document."""
        document = {name: getattr(self, name) for name in self.__slots__}
        return document | {"encodings": [encoding.value for encoding in self.encodings]}

    @classmethod
    def from_json(cls, document: object) -> Info:
        """Read the document; unknown encodings are ignored.

        Raises:
            ProtocolError: it is not one of this protocol.
        """
        members = JsonObject(document, "the response to /v1/info")
        named = members.texts("encodings")
        return cls(
            protocol=_protocol(members),
            engine=members.text("engine"),
            model=members.text("model"),
            is_preview=members.flag("is_preview", default=False),
            crop_size=members.integer("crop_size", 1),
            encodings=tuple(known for known in CropEncoding if known.value in named),
            wires=members.texts("wires"),
            max_fps=members.number("max_fps", 0, 1e6),
            max_size=members.integer("max_size", 1),
            max_streams=members.integer("max_streams", 1),
            max_asset_bytes=members.integer("max_asset_bytes", 1, 1 << 62),
            max_source_frames=members.integer("max_source_frames", 1, default=1),
        )


def infer_info(health: Health) -> Info:
    """What there is to say of a server that knows only `POST /infer`: no limits are known."""
    return Info(
        protocol=health.protocol,
        engine=health.engine,
        model=health.version,
        is_preview=False,
        crop_size=CROP_SIZE,
        encodings=tuple(CropEncoding),
        wires=(INFER.media_type,),
        max_fps=1e6,
        max_size=MAX_COORDINATE,
        max_streams=1,
        max_asset_bytes=1 << 62,
    )


def _protocol(members: JsonObject) -> int:
    version = members.integer("protocol")
    if version != PROTOCOL:
        raise ProtocolError(f"the server speaks protocol {version}; this client speaks {PROTOCOL}")
    return version
