"""A complete engine whose crops say what they were made for; its avatars are JSON documents.

A crop's red is its frame's index, green the index's next byte, blue its source frame; its first
pixel's blue is 255 where the sound still plays.

Members of an avatar, all optional: `width`, `height`, `sources`, `secs` (a source frame takes
that long), `faceless` (source frames without a face), `fail` (the name of an error's class).
A picture is an avatar with one face in its middle; one that begins with a pixel of `FAULT` breaks
the engine. A recording whose first sample is -13 cannot be inferred.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musetalk_fast import errors
from musetalk_fast.engines.base import CancelCheck, CropRequest, EngineInfo, OnFace
from musetalk_fast.media.image import load_still
from musetalk_fast.types import SPEECH_RATE, AvatarOptions, Box, Face, Pcm

FAULT = (13, 0, 13)

_NAP_SECS = 0.01
"""An engine that was not asked for so long was idle; less is the machine's own delay."""


@dataclass(frozen=True)
class PatternAvatar:
    width: int
    height: int
    faces: tuple[Face | None, ...]


class PatternEngine:
    """`journal` gets a line `verb time count detail` for each call, for tests that measure.

    Args:
        crop_secs: a crop takes that long.
        throughput: it makes exactly so many crops a second, as long as it is asked for more.
        loaded: the engine loads until this file is there.
        step: red is so many times the frame's index.
        model: which version it says it is.
        shift: faces are so many pixels further to the right.
    """

    def __init__(
        self,
        journal: Path | None = None,
        crop_secs: float = 0.0,
        throughput: float | None = None,
        loaded: Path | None = None,
        step: int = 1,
        model: str = "1",
        shift: int = 0,
    ) -> None:
        while loaded is not None and not loaded.exists():
            time.sleep(0.02)
        self._journal = journal
        self._crop_secs = crop_secs
        self._pace = throughput
        self._due = 0.0
        self._answered = -math.inf
        self._step = step
        self._model = model
        self._shift = shift
        self._inside = 0

    def describe(self) -> EngineInfo:
        return EngineInfo(
            name="pattern", model=self._model, is_preview=False, max_batch=4, takes_videos=True
        )

    def prepare_avatar(
        self, path: Path, options: AvatarOptions, on_face: OnFace, check: CancelCheck
    ) -> PatternAvatar:
        document, width, height = self._open(path)
        sources = int(document.get("sources", 1))
        if "fail" in document:
            raise getattr(errors, document["fail"])("as the avatar says", where=str(path))
        faces: list[Face | None] = []
        for source in range(sources):
            check()
            time.sleep(float(document.get("secs", 0)))
            missing = source in document.get("faceless", [])
            faces.append(None if missing else self._face(source, width, height, options))
            self._note("face", 1, source)
            on_face(source, sources, faces[-1])
        return PatternAvatar(width, height, tuple(faces))

    def prepare_audio(self, pcm: Pcm, check: CancelCheck) -> Pcm:
        check()
        self._note("audio", 1, len(pcm))
        return pcm

    def infer(self, batch: Sequence[CropRequest]) -> NDArray[np.uint8]:
        self._inside += 1
        assert self._inside == 1, "infer is called twice at once"
        out = np.zeros((len(batch), 256, 256, 3), np.uint8)
        for crop, request in zip(out, batch, strict=True):
            assert isinstance(request.audio, np.ndarray)
            crop[..., 0] = request.frame * self._step & 255
            crop[..., 1] = request.frame >> 8 & 255
            crop[..., 2] = request.source
            first_sample = request.frame * SPEECH_RATE * request.fps[1] // request.fps[0]
            crop[0, 0, 2] = 255 if first_sample < len(request.audio) else 0
        time.sleep(self._crop_secs * len(batch))
        if self._pace is not None:
            self._keep_pace(len(batch), self._pace)
        self._inside -= 1
        self._note("infer", len(batch), batch[-1].frame)
        if any(len(r.audio) and r.audio[0] == -13 for r in batch):  # type: ignore[arg-type, index]
            raise RuntimeError("a recording that cannot be inferred")
        return out

    def _keep_pace(self, count: int, throughput: float) -> None:
        """By a timetable, so that what a crop costs and late wake-ups do not add up."""
        now = time.monotonic()
        if now - self._answered > _NAP_SECS:
            self._due = now  # it was idle
        self._due += count / throughput
        time.sleep(max(0.0, self._due - now))
        self._answered = time.monotonic()

    def close(self) -> None:
        self._note("close", 0, 0)

    def _open(self, path: Path) -> tuple[dict[str, object], int, int]:
        data = path.read_bytes()
        if not data.startswith(b"{"):
            still = load_still(path, background="white", resolution=None)
            broken = {"fail": "InternalError"} if tuple(still.rgb[0, 0]) == FAULT else {}
            return broken, still.width, still.height
        document = json.loads(data)
        return document, int(document.get("width", 640)), int(document.get("height", 480))

    def _face(self, source: int, width: int, height: int, options: AvatarOptions) -> Face:
        place = Box(width // 4 + self._shift, height // 2, width // 2, height // 4)
        box = Box(
            width // 4 + self._shift, height // 4 + options.bbox_shift, width // 2, height // 2
        )
        mask = np.full((place.height, place.width), 255 - source, np.uint8)
        return Face(source=source, box=box, mask_box=place, mask=mask)

    def _note(self, verb: str, count: int, detail: int) -> None:
        if self._journal is not None:
            with self._journal.open("a") as file:
                file.write(f"{verb} {time.monotonic()} {count} {detail}\n")
