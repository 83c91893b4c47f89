"""Several worker processes as one `Compute`: a batch's crops are shared between them."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.engines.base import WorkerCount
from musetalk_fast.engines.musetalk.compute import ComputeInfo, ComputeOptions
from musetalk_fast.engines.musetalk.compute_worker import Worker
from musetalk_fast.engines.musetalk.latents import Latents
from musetalk_fast.engines.musetalk.speech_encoder import Floats
from musetalk_fast.engines.musetalk.worker_devices import WorkerDevice, devices_of, visible_gpus
from musetalk_fast.errors import (
    DeviceError,
    WorkerEndedError,
    WorkerError,
    WorkersBusyError,
)
from musetalk_fast.types import Crop

_LOG = logging.getLogger(__name__)
_TRIES = 2
"""Workers that a piece of work is given to where they end at it: one that ends them all would take
every GPU away from all others."""
LEAST_CALL_SECS = 60.0
"""Shortest limit of a call that nobody set."""
_TIMES_WARM = 20
"""Of what a worker's slowest work takes when it is warm: a limit that nobody set."""
_LEAST_LOAD_SECS = 600.0
_TIMES_LOADED = 10
"""Of what the first loading took: a limit of those after it."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
"""Seconds before one that ended is started again."""


class WorkerPool:
    """Workers, one a device. One that ends, or does not return from a call, is started again.

    Args:
        call_secs: longest time for one call; None: twenty times that of the slowest when the
            workers were warm, and at least `LEAST_CALL_SECS`.

    Raises:
        errors.MuseTalkError: what the first one that cannot be loaded raised.
    """

    def __init__(
        self,
        devices: Sequence[WorkerDevice],
        options: ComputeOptions,
        call_secs: float | None = None,
    ) -> None:
        self._options = options
        self._idle: queue.SimpleQueue[tuple[WorkerDevice, Worker] | None] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(len(devices), "worker")
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._workers: dict[WorkerDevice, Worker] = {}
        self._away = 0
        self._restarts = 0
        began = time.monotonic()
        try:
            # All load at once.
            started = [(device, self._start(device)) for device in devices]
            infos = [worker.wait() for _, worker in started]
        except BaseException:
            self.close()
            raise
        for each in started:
            self._idle.put(each)
        warm = max(worker.call_secs for _, worker in started)
        self.call_secs = call_secs or max(LEAST_CALL_SECS, _TIMES_WARM * warm)
        self._load_secs = max(_LEAST_LOAD_SECS, _TIMES_LOADED * (time.monotonic() - began))
        _LOG.info("a worker that does not return from a call in %g s is ended", self.call_secs)
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

    def workers(self) -> WorkerCount:
        """See `Compute`."""
        with self._lock:
            total = len(self._workers)
            return WorkerCount(total - self._away, total, self._restarts)

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
                # As long as a call may take: each of those at work returns, or is ended.
                taken = self._idle.get(timeout=self.call_secs)
            except queue.Empty:
                break
            if taken is None or self._closing.is_set():
                self._idle.put(None)
                raise WorkerEndedError("the engine ends")
            device, worker = taken
            try:
                found = worker.do(work, arrays, self.call_secs)
            except WorkerError as gone:
                error = gone
                _LOG.error("%s; it is started again", gone)
                self._start_again(device)
                continue
            except BaseException:
                self._idle.put((device, worker))
                raise
            self._idle.put((device, worker))
            return found
        ready, total, _ = self.workers()
        raise error or WorkersBusyError(
            f"no worker was free in {self.call_secs:g} s: {ready} of {total} are at work, the "
            "others are being started again"
        )

    def _start(self, device: WorkerDevice) -> Worker:
        worker = Worker(device.name, replace(self._options, device=device.kind), device.environment)
        with self._lock:
            self._workers[device] = worker
        if self._closing.is_set():
            worker.close()
        return worker

    def _start_again(self, device: WorkerDevice) -> None:
        with self._lock:
            self._away += 1
        threading.Thread(target=self._restart, args=[device], daemon=True).start()

    def _restart(self, device: WorkerDevice) -> None:
        """Start a worker again, until it is loaded."""
        pause = _FIRST_PAUSE
        while not self._closing.wait(pause):
            try:
                self._workers[device].close()
                worker = self._start(device)
                _check_same(worker.wait(self._load_secs), self.info)
            except Exception as error:  # noqa: BLE001 - whatever it is, the device is not given up
                _LOG.error("%s cannot be loaded: %s", device.name, error)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                with self._lock:
                    self._away -= 1
                    self._restarts += 1
                self._idle.put((device, worker))
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


def start_workers(options: ComputeOptions, gpus: str, call_secs: float | None = None) -> WorkerPool:
    """Start the workers that `--gpus` names.

    Args:
        gpus: see `devices_of`.
        call_secs: see `WorkerPool`.

    Raises:
        errors.MuseTalkError: see `devices_of` and `WorkerPool`.
    """
    return WorkerPool(devices_of(gpus, options.device, visible_gpus()), options, call_secs)


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
