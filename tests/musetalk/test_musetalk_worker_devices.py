"""Which GPUs `--gpus` names."""

from __future__ import annotations

import pytest
import torch

from musetalk_fast.engines.musetalk.accelerator import DeviceChoice
from musetalk_fast.engines.musetalk.worker_devices import devices_of
from musetalk_fast.errors import DeviceError, UsageError


@pytest.mark.parametrize(
    ("gpus", "visible", "wanted"),
    [
        ("all", ["0", "1"], [("cuda", "0"), ("cuda", "1")]),
        ("1", ["0", "1"], [("cuda", "1")]),
        ("1, 0", ["5", "GPU-ab"], [("cuda", "GPU-ab"), ("cuda", "5")]),
        ("cpu,cpu", [], [("cpu", ""), ("cpu", "")]),
        ("0,cpu", ["0"], [("cuda", "0"), ("cpu", "")]),
    ],
)
def test_gpus_are_named(gpus, visible, wanted) -> None:
    found = devices_of(gpus, DeviceChoice.AUTO, visible)
    assert [(each.kind, each.environment["CUDA_VISIBLE_DEVICES"]) for each in found] == wanted


@pytest.mark.parametrize(("gpus", "threads"), [("cpu", "6"), ("cpu,cpu", "3"), ("cpu,0,cpu", "3")])
def test_workers_on_processors_share_those_that_this_process_may_use(
    monkeypatch, gpus, threads
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 6)
    found = devices_of(gpus, DeviceChoice.AUTO, ["0"])
    given = [each.environment["OMP_NUM_THREADS"] for each in found if each.kind == "cpu"]
    assert given == [threads] * gpus.count("cpu")


@pytest.mark.parametrize(
    ("gpus", "device", "kind", "words"),
    [
        ("all", DeviceChoice.AUTO, DeviceError, "no CUDA device"),
        ("2", DeviceChoice.AUTO, DeviceError, "no GPU 2: 0 can be used"),
        ("", DeviceChoice.AUTO, UsageError, "numbers with commas"),
        ("0;1", DeviceChoice.AUTO, UsageError, "numbers with commas"),
        ("0,0", DeviceChoice.AUTO, UsageError, "twice"),
        ("0,00", DeviceChoice.AUTO, UsageError, "twice"),
        ("0", DeviceChoice.CPU, UsageError, "contradict"),
    ],
)
def test_gpus_that_are_not_there_are_refused(gpus, device, kind, words) -> None:
    with pytest.raises(kind, match=words):
        devices_of(gpus, device, [])
