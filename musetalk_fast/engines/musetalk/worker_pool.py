"""Several worker processes as one `Compute`: a batch's crops are shared between them."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musetalk_fast.engines.musetalk.accelerator import DeviceChoice
from musetalk_fast.engines.musetalk.compute import ComputeInfo, ComputeOptions
from musetalk_fast.engines.musetalk.compute_worker import Worker
from musetalk_fast.engines.musetalk.latents import Latents
from musetalk_fast.engines.musetalk.speech_encoder import Floats
from musetalk_fast.errors import DeviceError, MuseTalkError, UsageError, WorkerError
from musetalk_fast.types import Crop

_LOG = logging.getLogger(__name__)
_TRIES = 2
"""Workers that a piece of work is given to where they end at it: one that ends them all would take
every GPU away from all others."""
_IDLE_SECS = 60.0
"""Longest wait for a worker, where others are at work, or are being started again."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
"""Seconds before one that ended is started again."""
_MAX_WORKERS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where a worker runs.

    Attributes:
        name: for messages.
        device: `cuda` or `cpu`.
        environment: variables by which it sees nothing else.
    """

    name: str
    device: DeviceChoice
    environment: dict[str, str] = field(default_factory=dict)


class WorkerPool:
    """Workers, one a place. One that ends is started again.

    Raises:
        errors.MuseTalkError: what the first one that cannot be loaded raised.
    """

    def __init__(self, places: Sequence[Place], options: ComputeOptions) -> None:
        self._options = options
        self._idle: queue.SimpleQueue[tuple[Place, Worker] | None] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(len(places), "worker")
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._workers: dict[Place, Worker] = {}
        try:
            # All load at once.
            started = [(place, self._start(place)) for place in places]
            infos = [worker.wait() for _, worker in started]
        except BaseException:
            self.close()
            raise
        for each in started:
            self._idle.put(each)
        self._each = min(each.max_crops for each in infos)
        self.info = _together(infos)

    def features(self, samples: Floats) -> Floats:
        """See `Compute`."""
        return self._do("features", [samples])

    def latents(self, crops: Sequence[Crop]) -> Latents:
        """See `Compute`."""
        return self._do("latents", [np.stack(crops)])

    def labels(self, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """See `Compute`."""
        return self._do("labels", [pictures])

    def crops(self, latents: Latents, tokens: Floats) -> NDArray[np.uint8]:
        """See `Compute`."""
        parts = [slice(at, at + self._each) for at in range(0, len(latents), self._each)]
        works = [[latents[part], tokens[part]] for part in parts]
        return np.concatenate(list(self._threads.map(self._do, ["crops"] * len(works), works)))

    def memory(self) -> Mapping[str, tuple[int, int]]:
        """See `Compute`; as it was after each worker's last work."""
        with self._lock:
            workers = list(self._workers.values())
        return {each.name: each.memory for each in workers if each.memory is not None}

    def close(self) -> None:
        """End all workers."""
        self._closing.set()
        self._idle.put(None)  # who waits for a worker need not wait
        with self._lock:
            workers = list(self._workers.values())
        for worker in workers:
            worker.shut()
        for worker in workers:
            worker.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _do(self, work: str, arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Have the next idle worker do it, or another one where it ends."""
        error: WorkerError | None = None
        for _ in range(_TRIES):
            try:
                taken = self._idle.get(timeout=_IDLE_SECS)
            except queue.Empty:
                break
            if taken is None or self._closing.is_set():
                self._idle.put(None)
                raise WorkerError("the engine ends")
            place, worker = taken
            try:
                found = worker.do(work, arrays)
            except WorkerError as gone:
                error = gone
                _LOG.error("%s: it is started again", gone)
                threading.Thread(target=self._restart, args=[place], daemon=True).start()
                continue
            except BaseException:
                self._idle.put((place, worker))
                raise
            self._idle.put((place, worker))
            return found
        raise error or WorkerError("no GPU is ready: all are being started again")

    def _start(self, place: Place) -> Worker:
        worker = Worker(place.name, replace(self._options, device=place.device), place.environment)
        with self._lock:
            self._workers[place] = worker
        if self._closing.is_set():
            worker.close()
        return worker

    def _restart(self, place: Place) -> None:
        """Start a worker again, until it is loaded."""
        pause = _FIRST_PAUSE
        while not self._closing.wait(pause):
            try:
                self._workers[place].close()
                worker = self._start(place)
                _check_same(worker.wait(), self.info)
            except (MuseTalkError, OSError, MemoryError, RuntimeError) as error:
                _LOG.error("%s cannot be loaded: %s", place.name, error)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._idle.put((place, worker))
                return


def _check_same(now: ComputeInfo, before: ComputeInfo) -> None:
    """Refuse a worker whose crops would be others than those that the engine's name stands for.

    Raises:
        errors.DeviceError: it has.
    """
    if _makes(now) != _makes(before):
        raise DeviceError(
            "it has other weights or numbers than it had before", hint="start the server again"
        )


def start_workers(options: ComputeOptions, gpus: str) -> WorkerPool:
    """Start the workers that `--gpus` names.

    Args:
        gpus: see `places_of`.

    Raises:
        errors.MuseTalkError: see `places_of` and `WorkerPool`.
    """
    return WorkerPool(places_of(gpus, options.device, visible_gpus()), options)


def visible_gpus() -> list[str]:
    """The GPUs of this machine that we may use, by the names that CUDA_VISIBLE_DEVICES has."""
    count = torch.cuda.device_count()
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [each.strip() for each in listed.split(",")] if listed else []
    return names[:count] if len(names) >= count else [str(number) for number in range(count)]


def places_of(gpus: str, device: DeviceChoice, visible: Sequence[str]) -> list[Place]:
    """Where workers run.

    Args:
        gpus: `all`, or numbers with commas between, from 0; `cpu` is a share of the processors.
        device: what was asked for beside it.
        visible: see `visible_gpus`.

    Raises:
        errors.UsageError: it is none of these, or contradicts the device.
        errors.DeviceError: there is no such GPU.
    """
    names = [str(each) for each in range(len(visible))] if gpus == "all" else gpus.split(",")
    names = [each.strip() for each in names]
    if gpus == "all" and not visible:
        raise DeviceError(
            "no CUDA device can be used here",
            hint="look at `nvidia-smi`; leave out --gpus, and MuseTalk runs on the CPU",
        )
    if not 0 < len(names) <= _MAX_WORKERS or not all(
        each == "cpu" or _is_number(each) for each in names
    ):
        raise UsageError(f"--gpus {gpus}: not `all`, nor numbers with commas between")
    wanted = [each for each in names if each != "cpu"]
    if len(set(wanted)) < len(wanted):
        raise UsageError(f"--gpus {gpus}: a GPU stands there twice")
    if wanted and device is DeviceChoice.CPU:
        raise UsageError(f"--gpus {gpus} and --device cpu contradict each other")
    for each in wanted:
        if int(each) >= len(visible):
            raise DeviceError(
                f"there is no GPU {each}: {len(visible)} can be used here, counted from 0",
                hint="look at `nvidia-smi -L` and at the variable CUDA_VISIBLE_DEVICES",
            )
    return [_place(each, number, names.count("cpu"), visible) for number, each in enumerate(names)]


def _place(name: str, number: int, shares: int, visible: Sequence[str]) -> Place:
    if name != "cpu":
        return Place(f"GPU {name}", DeviceChoice.CUDA, {"CUDA_VISIBLE_DEVICES": visible[int(name)]})
    threads = max(1, (os.cpu_count() or 1) // shares)
    return Place(
        f"CPU worker {number}",
        DeviceChoice.CPU,
        {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": str(threads)},
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 3


def _makes(info: ComputeInfo) -> tuple[str, str, str | None]:
    """What decides the crops and masks that a worker makes."""
    return info.digest, info.numbers, info.parser_digest


def _together(infos: Sequence[ComputeInfo]) -> ComputeInfo:
    """What several workers are: as many crops at a time as all of them make.

    Raises:
        errors.DeviceError: they compute in different numbers, which would make different crops.
    """
    if len(set(map(_makes, infos))) > 1:
        kinds = ", ".join(sorted({each.numbers for each in infos}))
        raise DeviceError(
            f"the GPUs compute in different numbers ({kinds}), or with different weights",
            hint="name one kind with --half",
        )
    names = [each.gpu_name for each in infos if each.gpu_name is not None]
    devices = [f"{names.count(each)} x {each}" for each in dict.fromkeys(names)]
    return replace(
        infos[0],
        gpu_name=" + ".join(devices) or None,
        batch=min(each.batch for each in infos),
        max_crops=min(each.max_crops for each in infos) * len(infos),
    )
