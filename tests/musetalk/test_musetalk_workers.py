"""Several processes that compute: the same crops as one, and what happens where one ends."""

from __future__ import annotations

import errno
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import Pipe
from pathlib import Path

import numpy as np
import pytest

from musetalk_fast.engines.musetalk import compute_worker, worker_pool, worker_process
from musetalk_fast.engines.musetalk.accelerator import DeviceChoice, Half
from musetalk_fast.engines.musetalk.compute import ComputeInfo, ComputeOptions, load_compute
from musetalk_fast.engines.musetalk.worker_messages import receive, send
from musetalk_fast.engines.musetalk.worker_pool import (
    LEAST_CALL_SECS,
    WorkerPool,
    start_workers,
)
from musetalk_fast.errors import (
    CropNumbersError,
    DeviceFaultError,
    WeightsMissingError,
    WorkerEndedError,
    WorkersBusyError,
    WorkerStuckError,
)

CPU = DeviceChoice.CPU


def options(models: Path) -> ComputeOptions:
    return ComputeOptions(models=models, device=CPU, half=Half.OFF, batch=2)


@pytest.fixture(scope="module")
def pool(models: Path):
    own = start_workers(options(models), "cpu,cpu")
    yield own
    own.close()


def inputs(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(8)
    latents = rng.normal(size=(count, 8, 32, 32)).astype(np.float32)
    return latents, rng.normal(size=(count, 50, 32)).astype(np.float32)


def pids(pool: WorkerPool) -> set[int]:
    return {worker._process.pid for worker in pool._workers.values()}


def wait_for(what) -> None:
    for _ in range(20_000):
        if what():
            return
        time.sleep(0.02)
    raise TimeoutError


def test_workers_make_what_one_process_makes(pool, models) -> None:
    alone = load_compute(options(models))
    assert pool.info.digest == alone.info.digest
    assert (pool.info.batch, pool.info.max_crops) == (2, 4)
    assert pool.info.gpu_name is None
    latents, tokens = inputs(3)
    assert np.array_equal(pool.crops(latents, tokens), alone.crops(latents, tokens))
    faces = list(np.random.default_rng(1).integers(0, 256, (2, 256, 256, 3), np.uint8))
    assert np.array_equal(pool.latents(faces), alone.latents(faces))
    sound = np.linspace(-0.3, 0.3, 1000, dtype=np.float32)
    assert np.array_equal(pool.features(sound), alone.features(sound))


def test_an_error_in_a_worker_is_the_same_error_here(pool) -> None:
    latents, tokens = inputs(1)
    tokens[0, 3, 3] = np.nan
    before = pids(pool)
    with pytest.raises(CropNumbersError, match="fp32 too") as caught:
        pool.crops(latents, tokens)
    assert caught.value.hint == CropNumbersError.default_hint
    with pytest.raises(RuntimeError, match="in a worker"):
        pool.crops(latents[:, :3], tokens)
    assert pids(pool) == before


def test_where_one_ends_another_does_its_work_and_it_is_started_again(
    pool, monkeypatch, caplog
) -> None:
    assert pool.call_secs >= LEAST_CALL_SECS
    latents, tokens = inputs(2)
    wanted = pool.crops(latents, tokens)
    before = pids(pool)
    one = min(before)
    os.kill(one, signal.SIGKILL)
    for _ in range(2):  # each worker is asked
        assert np.array_equal(pool.crops(latents, tokens), wanted)
    assert "ended: code -9; it is started again" in caplog.text
    wait_for(lambda: one not in pids(pool) and pool._idle.qsize() == 2)
    assert np.array_equal(
        pool.crops(*(np.concatenate([each] * 2) for each in inputs(2))),
        np.concatenate([wanted] * 2),
    )
    assert pool.workers() == (2, 2, 1)
    for pid in pids(pool):
        os.kill(pid, signal.SIGSTOP)  # as in a driver that hangs
    monkeypatch.setattr(pool, "call_secs", 0.2)
    with pytest.raises(WorkerStuckError, match=r"`crops` did not return in 0\.2 s") as caught:
        pool.crops(latents, tokens)
    assert caught.value.where.startswith("CPU worker")
    assert "--call-timeout" in caught.value.hint
    assert pool.workers() == (0, 2, 1)
    with pytest.raises(WorkersBusyError, match="0 of 2 are at work"):
        pool.crops(latents, tokens)


def test_an_answer_that_was_not_read_is_nobody_elses(pool, monkeypatch) -> None:
    latents, tokens = inputs(1)
    wait_for(lambda: pool._idle.qsize() == 2)
    wanted = pool.crops(latents, tokens)
    wait_for(lambda: pool._idle.qsize() == 2)
    before = pids(pool)

    def receive_nothing(_connection):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(compute_worker, "receive", receive_nothing)
        with pytest.raises(MemoryError):
            pool.crops(latents + 1, tokens)
    for _ in range(2):  # each worker is asked
        assert np.array_equal(pool.crops(latents, tokens), wanted)
    wait_for(lambda: len(pids(pool) - before) == 1 and pool._idle.qsize() == 2)


def test_a_worker_is_started_until_it_is_there_and_is_the_same(pool, monkeypatch, caplog) -> None:
    latents, tokens = inputs(1)
    wait_for(lambda: pool._idle.qsize() == 2)
    wanted = pool.crops(latents, tokens)
    start, info, failures = pool._start, pool.info, ["fork", "info"]

    def fail_at_first(device):
        if failures and failures.pop(0) == "fork":
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        worker = start(device)
        if not caplog.text.count("it has other weights"):
            wait = worker.wait
            monkeypatch.setattr(worker, "wait", lambda limit: replace(wait(limit), digest="0" * 8))
        return worker

    monkeypatch.setattr(worker_pool, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(pool, "_start", fail_at_first)
    stuck = min(pool._workers.values(), key=lambda worker: worker._process.pid)
    do = stuck.do
    monkeypatch.setattr(stuck, "do", lambda work, arrays, _limit: do(work, arrays, 0.2))
    os.kill(stuck._process.pid, signal.SIGSTOP)
    for _ in range(2):  # each worker is asked
        assert np.array_equal(pool.crops(latents, tokens), wanted)
    assert "`crops` did not return in 0.2 s: its process was ended" in caplog.text
    wait_for(lambda: pool._idle.qsize() == 2)
    assert "cannot be loaded: [Errno" in caplog.text
    assert caplog.text.count("it has other weights") == 1
    assert pool.info == info


def test_a_pool_that_ends_lets_nobody_wait(models) -> None:
    """Not for a worker, and not for what a worker is at."""
    pool = start_workers(options(models), "cpu")
    device, worker = pool._idle.get()
    with ThreadPoolExecutor(2) as threads:
        waiting = threads.submit(pool.features, np.zeros(1, np.float32))
        long_work = [np.repeat(each, 1000, axis=0) for each in inputs(1)]
        at_work = threads.submit(worker.do, "crops", long_work, 600)
        time.sleep(0.05)
        worker.shut()
        assert worker._process.wait(60) == 0
        with pytest.raises(WorkerEndedError, match="code 0"):
            at_work.result(60)
        pool.close()
        with pytest.raises(WorkerEndedError, match="ends"):
            waiting.result(60)
    with pytest.raises(WorkerEndedError, match="ends"):
        pool.features(np.zeros(1, np.float32))
    assert device.name == "CPU worker 0"


def test_a_gpu_that_failed_ends_its_process(models, monkeypatch) -> None:
    """Nothing that it was asked later would succeed."""

    class Failing:
        info = ComputeInfo("0", "0", "fp32", "a GPU", 1, 1, 5, 32)

        def warm_up(self) -> float:
            return 0.5

        def crops(self, *_given: np.ndarray) -> np.ndarray:
            raise DeviceFaultError("the GPU failed: an illegal memory access")

    monkeypatch.setattr(worker_process, "load_compute", lambda _options: Failing())
    ours, theirs = Pipe()
    with ours, theirs:
        send(ours, {**asdict(options(models)), "models": str(models)})
        send(ours, {"work": "crops"}, inputs(1))
        with pytest.raises(SystemExit) as caught:
            worker_process._serve(theirs)
        assert caught.value.code == 70
        head, _ = receive(ours)
        assert (head["info"]["gpu_name"], head["call_secs"]) == ("a GPU", 0.5)
        assert not ours.poll()


def test_weights_that_are_missing_are_said_and_nothing_of_the_working_folder_is_run(
    tmp_path, monkeypatch
) -> None:
    models, folder = tmp_path / "models", tmp_path / "work"
    models.mkdir()
    folder.mkdir()
    for name in ("random", "torch", "orjson", "musetalk_fast"):  # of whoever started the server
        (folder / f"{name}.py").write_text("import os\nos.mkdir(__name__ + '.imported')\n")
    monkeypatch.chdir(folder)
    with pytest.raises(WeightsMissingError, match="missing weights") as caught:
        start_workers(options(models), "cpu")
    assert caught.value.where == str(models)
    assert not list(folder.glob("*.imported"))
