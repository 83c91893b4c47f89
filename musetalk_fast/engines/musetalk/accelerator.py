"""The device and the number format that the networks run with."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import torch

from musetalk_fast.errors import (
    DeviceError,
    DeviceFaultError,
    DeviceMemoryError,
    MemoryLimitError,
)

_LOG = logging.getLogger(__name__)

_LEAST_CAPABILITY = (7, 0)
"""Of a GPU: what the present builds of torch still compile for, and what has fast fp16."""
_NO_MEMORY = ("can't allocate memory", "not enough memory")
_NO_DEVICE_MEMORY = (
    *("CUDA error: out of memory", "HIP error: out of memory"),  # of pinned memory, or of a library
    *("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED"),
)
_DEVICE_SPEAKS = re.compile(r"\b(CUDA|HIP) error\b")
_LOST_DEVICE = (
    *("illegal memory access", "misaligned address", "illegal instruction", "illegal address"),
    *("unspecified launch failure", "launch timed out", "device-side assert"),
    *("uncorrectable ECC", "hardware stack error", "unknown error"),
    *("devices are busy or unavailable", "no longer available", "GPU is lost"),
)
"""Of CUDA's own words: errors that stay, whatever is asked for later."""


class DeviceChoice(StrEnum):
    """Where the networks run."""

    AUTO = "auto"
    CUDA = "cuda"
    CPU = "cpu"


class Half(StrEnum):
    """Numbers of 16 bits: which, or none."""

    AUTO = "auto"
    FP16 = "fp16"
    BF16 = "bf16"
    OFF = "off"


_DTYPES = {Half.FP16: torch.float16, Half.BF16: torch.bfloat16, Half.OFF: torch.float32}
_NAMES = {torch.float16: "fp16", torch.bfloat16: "bf16", torch.float32: "fp32"}


@dataclass(frozen=True, slots=True)
class Accelerator:
    """A device and the numbers it computes in.

    Attributes:
        device: a `torch.device`.
        dtype: a `torch.dtype`, of U-Net and VAE; Whisper, whose share is small, has float32.
        gpu_name: None: it is a CPU.
        batch: crops of one run of the networks; 0: as many as the memory holds.
    """

    device: Any
    dtype: Any
    gpu_name: str | None
    batch: int

    @property
    def numbers(self) -> str:
        """`fp16`, `bf16` or `fp32`."""
        return _NAMES[self.dtype]


def choose_accelerator(choice: DeviceChoice, half: Half, batch: int | None) -> Accelerator:
    """The device that was asked for, or the best there is.

    Args:
        batch: None: what the GPU's memory holds; 1 on a CPU, which gains nothing by more.

    Raises:
        errors.DeviceError: there is no such device, or it cannot run this torch or these numbers.
    """
    if choice is DeviceChoice.CPU or not (choice is DeviceChoice.CUDA or torch.cuda.is_available()):
        numbers = _cpu_half() if half is Half.AUTO else half
        return Accelerator(torch.device("cpu"), _DTYPES[numbers], None, batch or 1)
    _check_cuda()
    numbers = Half.FP16 if half is Half.AUTO else half
    if numbers is Half.BF16 and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise DeviceError("this GPU does not compute in bf16", hint="use --half fp16, or off")
    name = torch.cuda.get_device_name()
    return Accelerator(torch.device("cuda"), _DTYPES[numbers], name, batch or 0)


@contextmanager
def device_errors() -> Iterator[None]:
    """Raise an error of ours where torch has no memory, or a GPU fails.

    Raises:
        errors.DeviceMemoryError: the GPU's memory.
        errors.MemoryLimitError: the machine's.
        errors.DeviceFaultError: no later call of this process would succeed.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceMemoryError(f"the GPU has no more memory: {first_sentence(error)}") from error
    except RuntimeError as error:
        text = str(error)
        if any(each in text for each in _NO_MEMORY):
            raise MemoryLimitError(first_sentence(error)) from error
        if any(each in text for each in _NO_DEVICE_MEMORY):
            raise DeviceMemoryError(
                f"the GPU has no more memory: {first_sentence(error)}"
            ) from error
        if _DEVICE_SPEAKS.search(text) and any(each in text for each in _LOST_DEVICE):
            raise DeviceFaultError(f"the GPU failed: {first_sentence(error)}") from error
        raise


def first_sentence(error: Exception) -> str:
    """Of what torch says to programmers."""
    return re.split(r"\.\s|\n", str(error), maxsplit=1)[0].strip()[:200]


def _cpu_half() -> Half:
    """16 bits where the CPU multiplies them as such; elsewhere they are slower than 32."""
    has_bf16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()  # noqa: SLF001 - there is no public name
    return Half.BF16 if has_bf16 else Half.OFF


def _check_cuda() -> None:
    if torch.version.cuda is None and getattr(torch.version, "hip", None) is None:
        raise DeviceError(
            f"torch {torch.__version__} was built without CUDA",
            hint="install the build for your GPU (pytorch.org/get-started), or use --device cpu",
        )
    if not torch.cuda.is_available():
        raise DeviceError(
            "no CUDA device can be used here: no GPU, no driver, or one too old for this torch",
            hint="look at `nvidia-smi`; update the driver, or use --device cpu",
        )
    capability = torch.cuda.get_device_capability()
    if capability < _LEAST_CAPABILITY:
        raise DeviceError(
            f"{torch.cuda.get_device_name()} has CUDA capability {capability[0]}.{capability[1]}, "
            f"less than {_LEAST_CAPABILITY[0]}.{_LEAST_CAPABILITY[1]}",
            hint="use a GPU of 2017 or later, or --device cpu",
        )
