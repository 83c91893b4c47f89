"""A `Compute` that measures the time of each call."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.engines.base import WorkerCount
from musetalk_fast.engines.musetalk.compute import Compute
from musetalk_fast.engines.musetalk.latents import Latents
from musetalk_fast.engines.musetalk.speech_encoder import Floats
from musetalk_fast.types import Crop

T = TypeVar("T")


class TimedCompute:
    """Measures another one.

    Attributes:
        stage_secs: seconds spent since it was made: in `features`, `latents`, `crops` and, with a
            face parser, `labels`. Each is written by the one thread that does this work.
    """

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self.info = compute.info
        self.stage_secs = {"features": 0.0, "latents": 0.0, "crops": 0.0}
        if compute.info.parser_digest is not None:
            self.stage_secs["labels"] = 0.0

    def features(self, samples: Floats) -> Floats:
        """See `Compute`."""
        return self._timed("features", self._compute.features, samples)

    def latents(self, crops: Sequence[Crop]) -> Latents:
        """See `Compute`."""
        return self._timed("latents", self._compute.latents, crops)

    def labels(self, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """See `Compute`."""
        return self._timed("labels", self._compute.labels, pictures)

    def crops(self, latents: Latents, tokens: Floats) -> NDArray[np.uint8]:
        """See `Compute`."""
        return self._timed("crops", self._compute.crops, latents, tokens)

    def memory(self) -> Mapping[str, tuple[int, int]]:
        """See `Compute`."""
        return self._compute.memory()

    def workers(self) -> WorkerCount | None:
        """See `Compute`."""
        return self._compute.workers()

    def close(self) -> None:
        """See `Compute`."""
        self._compute.close()

    def _timed(self, stage: str, work: Callable[..., T], *given: Any) -> T:
        start = time.perf_counter()
        try:
            return work(*given)
        finally:
            self.stage_secs[stage] += time.perf_counter() - start
