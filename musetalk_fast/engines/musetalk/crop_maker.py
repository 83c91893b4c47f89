"""The U-Net and the VAE's decoder: latents and tokens become crops."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musetalk_fast.engines.musetalk.accelerator import Accelerator, memory_errors
from musetalk_fast.engines.musetalk.architecture import SCALING_FACTOR
from musetalk_fast.engines.musetalk.batch_size import BatchSize
from musetalk_fast.engines.musetalk.latents import Latents
from musetalk_fast.engines.musetalk.networks import FullPrecision, Networks
from musetalk_fast.engines.musetalk.speech_encoder import Floats
from musetalk_fast.errors import CropNumbersError, DeviceMemoryError, MemoryLimitError
from musetalk_fast.types import CROP_SIZE

_LOG = logging.getLogger(__name__)


class CropMaker:
    """Makes crops, for one thread.

    Every run has the same shape, the places left over being filled with copies: a crop is the same
    whatever is made beside it. Only where memory does not last are later runs smaller. A GPU gets a
    run before the crops of the one before are fetched, so that it need not wait.
    """

    def __init__(
        self, networks: Networks, accelerator: Accelerator, full: FullPrecision | None = None
    ) -> None:
        self._networks = networks
        self._full = full or FullPrecision(networks)
        self._accelerator = accelerator
        self._batch = BatchSize(accelerator.batch, "crops")

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
        return self._run(self._networks, self._accelerator.dtype, latents[places], tokens[places])

    def _run(self, networks: Networks, dtype: Any, latents: Latents, tokens: Floats) -> _Run:
        with torch.inference_mode(), memory_errors():
            decoded = decode(networks, self._upload(latents, dtype), self._upload(tokens, dtype))
            valid = torch.isfinite(decoded).flatten(1).all(dim=1)
            return _Run(to_levels(decoded), valid)

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
                full = self._full.networks
                self._run(full, torch.float32, latents[part], tokens[part]).fetch(
                    out[part], wrong[part]
                )
                wrong[part] = ~wrong[part]
            if wrong[place]:
                raise CropNumbersError("the networks gave no numbers for a crop, in fp32 too")

    def _upload(self, values: NDArray[Any], dtype: Any) -> Any:
        tensor = torch.from_numpy(values).to(dtype)  # here: on the way it would lose the pin
        if self._accelerator.gpu_name is not None:
            tensor = tensor.pin_memory()
        tensor = tensor.to(self._accelerator.device, non_blocking=True)
        is_picture = tensor.dim() == 4
        return tensor.contiguous(memory_format=torch.channels_last) if is_picture else tensor


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
            self._done.synchronize()
        count = len(crops)
        crops[:] = self._levels[:count].numpy()
        valid[:] = self._valid[:count].numpy()


def _to_pinned(values: Any) -> Any:
    own = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    return own.copy_(values, non_blocking=True)


def decode(networks: Networks, latents: Any, tokens: Any) -> Any:
    """One pass: tensors (n, 8, 32, 32) and (n, 50, 384) -> (n, 3, 256, 256), about -1..1."""
    step = latents.new_zeros(1)  # a number would be copied to the device, and waited for
    painted = networks.unet(latents, step, encoder_hidden_states=tokens).sample
    if networks.draft is not None:
        return networks.draft(painted)
    return networks.vae.decode(painted / SCALING_FACTOR).sample


def to_levels(decoded: Any) -> Any:
    """(n, 3, h, w), about -1..1 -> (n, h, w, 3) uint8, on the device: a quarter of the bytes."""
    levels = (decoded.float() / 2 + 0.5).clamp(0, 1) * 255
    return levels.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
