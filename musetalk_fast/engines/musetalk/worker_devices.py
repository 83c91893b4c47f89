"""Which GPUs `--gpus` names, and what a worker needs to see only its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from musetalk_fast.engines.musetalk.accelerator import DeviceChoice
from musetalk_fast.errors import DeviceError, UsageError

_MAX_WORKERS = 64


@dataclass(frozen=True, slots=True, eq=False)
class WorkerDevice:
    """Where a worker runs.

    Attributes:
        name: for messages.
        kind: `cuda` or `cpu`.
        environment: variables by which it sees nothing else.
    """

    name: str
    kind: DeviceChoice
    environment: dict[str, str] = field(default_factory=dict)


def visible_gpus() -> list[str]:
    """The GPUs of this machine that we may use, by the names that CUDA_VISIBLE_DEVICES has."""
    count = torch.cuda.device_count()
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [each.strip() for each in listed.split(",")] if listed else []
    return names[:count] if len(names) >= count else [str(number) for number in range(count)]


def devices_of(gpus: str, device: DeviceChoice, visible: Sequence[str]) -> list[WorkerDevice]:
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
    if len(set(map(int, wanted))) < len(wanted):
        raise UsageError(f"--gpus {gpus}: a GPU stands there twice")
    if wanted and device is DeviceChoice.CPU:
        raise UsageError(f"--gpus {gpus} and --device cpu contradict each other")
    for each in wanted:
        if int(each) >= len(visible):
            raise DeviceError(
                f"there is no GPU {each}: {len(visible)} can be used here, counted from 0",
                hint="look at `nvidia-smi -L` and at the variable CUDA_VISIBLE_DEVICES",
            )
    return [_device(each, number, names.count("cpu"), visible) for number, each in enumerate(names)]


def _device(name: str, number: int, shares: int, visible: Sequence[str]) -> WorkerDevice:
    if name != "cpu":
        return WorkerDevice(
            f"GPU {name}", DeviceChoice.CUDA, {"CUDA_VISIBLE_DEVICES": visible[int(name)]}
        )
    threads = max(1, torch.get_num_threads() // shares)  # of the processors that we may use
    return WorkerDevice(
        f"CPU worker {number}",
        DeviceChoice.CPU,
        {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": str(threads)},
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 3
