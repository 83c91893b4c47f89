"""The batch size: what fits into memory, halved where it does not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch

from musetalk_fast.errors import DeviceMemoryError, MemoryLimitError

_LOG = logging.getLogger(__name__)

GPU_BATCH = 16
"""Most crops of a batch that was not asked for: more gain little, and a stream waits for them."""
_SHARE = 0.8
"""Of the free memory: what is left is for faces that are encoded meanwhile, and for gaps."""


class BatchSize:
    """Pictures of one run of a network; halved where memory does not last, and never raised.

    Args:
        what: is made, for the log.
    """

    def __init__(self, size: int, what: str) -> None:
        self.size = size
        self._what = what

    def halve(self, error: DeviceMemoryError | MemoryLimitError) -> None:
        """Go on with half of it.

        Raises:
            errors.DeviceMemoryError, errors.MemoryLimitError: it is one already.
        """
        if self.size == 1:
            message = f"{self._what}: not even one at a time ({error.message})"
            raise type(error)(message, hint=error.hint) from error
        self.size //= 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        _LOG.warning("memory does not last: %s are made %d at a time", self._what, self.size)


def batch_that_fits(free: int, one: int, two: int, most: int = GPU_BATCH) -> int:
    """The largest power of two, up to `most`, whose run fits into the free memory.

    Args:
        free: bytes.
        one, two: bytes that runs of one picture and of two take at most; larger runs take as much
            more for each picture as the second one.

    Raises:
        errors.DeviceMemoryError: not even one fits.
    """
    space, each = free * _SHARE, max(1, two - one)
    if one > space:
        raise DeviceMemoryError(
            f"a crop needs {one >> 20} MiB of the GPU's memory; {int(space) >> 20} MiB are free"
        )
    size = 1
    while 2 * size <= most and one + (2 * size - 1) * each <= space:
        size *= 2
    return size


def measured_batch(run: Callable[[int], int], device: Any) -> int:
    """The batch that fits on a GPU, measured by runs of one and of two pictures.

    Args:
        run: makes so many; returns in batches of how many.

    Raises:
        errors.DeviceMemoryError: there is not enough memory for one.
    """
    one = _peak(run, 1, device)
    if run(2) < 2:
        return 1
    two = _peak(run, 2, device)
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(device)
    return batch_that_fits(free, one, two)


def _peak(run: Callable[[int], int], count: int, device: Any) -> int:
    run(count)  # what libraries allocate once is not the run's
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    run(count)
    torch.cuda.synchronize(device)
    return int(torch.cuda.max_memory_allocated(device) - before)
