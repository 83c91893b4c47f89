"""The U-Net and the VAE's decoder: latents and tokens become crops."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from musetalk_fast.engines.musetalk.accelerator import Accelerator, device_errors
from musetalk_fast.engines.musetalk.batch_size import BatchSize
from musetalk_fast.engines.musetalk.latents import Latents
from musetalk_fast.engines.musetalk.networks import FullPrecision, Networks
from musetalk_fast.engines.musetalk.runners import EagerRunner, Runner, make_runner
from musetalk_fast.engines.musetalk.speech_encoder import Floats
from musetalk_fast.errors import CropNumbersError, DeviceMemoryError, MemoryLimitError
from musetalk_fast.types import CROP_SIZE

_LOG = logging.getLogger(__name__)

MakeRunner: TypeAlias = Callable[[Networks, Accelerator, int], Runner]
"""What runs batches of a size, made before the first of them; see `make_runner`."""


def make_eager(networks: Networks, accelerator: Accelerator, _size: int) -> Runner:
    """What runs kernel by kernel, wherever it is."""
    return EagerRunner(networks, accelerator.device)


class CropMaker:
    """Makes crops, for one thread.

    Every run has the same shape, the places left over being filled with copies: a crop is the same
    whatever is made beside it. Only where memory does not last are later runs smaller. A GPU gets a
    run before the crops of the one before are fetched, so that it need not wait.

    Args:
        full: for crops that are no numbers in 16 bits.
        make: of the runner of a batch size; called with the first batch, and again whenever later
            ones are smaller.
    """

    def __init__(
        self,
        networks: Networks,
        accelerator: Accelerator,
        full: FullPrecision | None = None,
        make: MakeRunner = make_runner,
    ) -> None:
        self._networks = networks
        self._full = full or FullPrecision(networks)
        self._accelerator = accelerator
        self._batch = BatchSize(accelerator.batch, "crops")
        self._make = make
        self._runner: Runner | None = None

    @property
    def batch(self) -> int:
        """Crops of one run at present."""
        return self._batch.size

    def make(self, latents: Latents, tokens: Floats) -> NDArray[np.uint8]:
        """Make crops.

        Args:
            latents: (n, 8, 32, 32).
            tokens: (n, 50, 384) float32, their places encoded.

        Returns:
            (n, 256, 256, 3) uint8 RGB.

        Raises:
            errors.CropNumbersError: the networks give no numbers, even in float32.
            errors.DeviceMemoryError, errors.MemoryLimitError: no memory, even for one crop.
        """
        out = np.empty((len(latents), CROP_SIZE, CROP_SIZE, 3), np.uint8)
        valid = np.empty(len(latents), bool)
        before: Callable[[], None] | None = None
        start = 0
        while start < len(out):
            part = slice(start, min(start + self._batch.size, len(out)))
            try:
                run = self._start(latents[part], tokens[part])
            except (DeviceMemoryError, MemoryLimitError) as error:
                self._runner = None  # and with it the memory of its recording
                self._batch.halve(error)
                continue
            if before is not None:
                before()
            before = partial(run.fetch, out[part], valid[part])
            start = part.stop
        if before is not None:
            before()
        self._mend(out, ~valid, latents, tokens)
        return out

    def _start(self, latents: Latents, tokens: Floats) -> _Run:
        """Have at most a batch made."""
        places = np.minimum(np.arange(self._batch.size), len(latents) - 1)
        with torch.inference_mode(), device_errors():
            if self._runner is None:
                self._runner = self._make(self._networks, self._accelerator, self._batch.size)
            dtype = self._accelerator.dtype
            return self._run(self._runner, dtype, latents[places], tokens[places])

    def _run(self, runner: Runner, dtype: Any, latents: Latents, tokens: Floats) -> _Run:
        return _Run(*runner.run(self._for_upload(latents, dtype), self._for_upload(tokens, dtype)))

    def _mend(
        self, out: NDArray[np.uint8], wrong: NDArray[np.bool_], latents: Latents, tokens: Floats
    ) -> None:
        """Make crops that are no numbers again, in float32, each by itself."""
        places = np.flatnonzero(wrong)
        is_half = self._accelerator.dtype != torch.float32
        if len(places) and is_half:
            _LOG.warning(
                "%d crops were no numbers in %s: made again in fp32",
                *(len(places), self._accelerator.numbers),
            )
        for place in places:
            part = slice(place, place + 1)
            if is_half:
                runner = EagerRunner(self._full.networks, self._accelerator.device)
                with torch.inference_mode(), device_errors():
                    run = self._run(runner, torch.float32, latents[part], tokens[part])
                run.fetch(out[part], wrong[part])
                wrong[part] = ~wrong[part]
            if wrong[place]:
                raise CropNumbersError("the networks gave no numbers for a crop, in fp32 too")

    def _for_upload(self, values: NDArray[Any], dtype: Any) -> Any:
        tensor = torch.from_numpy(values).to(dtype)  # here: on the way it would lose the pin
        return tensor if self._accelerator.gpu_name is None else tensor.pin_memory()


class _Run:
    """Crops that a device is at, and which of them are made of numbers."""

    def __init__(self, levels: Any, valid: Any) -> None:
        self._done = None
        self._levels, self._valid = levels, valid
        if levels.is_cuda:
            # The copies follow the run in the device's queue; pinned memory lets it do them alone.
            self._levels, self._valid = (_to_pinned(each) for each in (levels, valid))
            self._done = torch.cuda.Event()
            self._done.record()

    def fetch(self, crops: NDArray[np.uint8], valid: NDArray[np.bool_]) -> None:
        """Wait for the crops; fill arrays with them, and with which are valid."""
        if self._done is not None:
            with device_errors():  # of the run itself, which was only begun before
                self._done.synchronize()
        count = len(crops)
        crops[:] = self._levels[:count].numpy()
        valid[:] = self._valid[:count].numpy()


def _to_pinned(values: Any) -> Any:
    own = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    return own.copy_(values, non_blocking=True)
