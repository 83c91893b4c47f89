"""The U-Net and the VAE's decoder: latents and tokens become crops."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musetalk_fast.engines.musetalk.accelerator import Accelerator, memory_errors
from musetalk_fast.engines.musetalk.architecture import SCALING_FACTOR
from musetalk_fast.engines.musetalk.latents import Latents
from musetalk_fast.engines.musetalk.networks import FullPrecision, Networks
from musetalk_fast.errors import CropNumbersError, DeviceMemoryError
from musetalk_fast.types import CROP_SIZE

_LOG = logging.getLogger(__name__)


class CropMaker:
    """Makes crops, for one thread.

    Every run has the same shape, the places left over being filled with copies: a crop is the same
    whatever is made beside it. Only where the GPU's memory does not last are later runs smaller.
    """

    def __init__(self, networks: Networks, accelerator: Accelerator) -> None:
        self._networks = networks
        self._full = FullPrecision(networks)
        self._accelerator = accelerator
        self._batch = accelerator.batch

    @property
    def batch(self) -> int:
        """Crops of one run at present."""
        return self._batch

    def make(self, latents: Latents, tokens: NDArray[np.float32]) -> NDArray[np.uint8]:
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
        start = 0
        while start < len(out):
            stop = start + self._batch
            try:
                out[start:stop] = self._make(latents[start:stop], tokens[start:stop])
            except DeviceMemoryError:
                self._shrink()
            else:
                start = stop
        return out

    def _make(self, latents: Latents, tokens: NDArray[np.float32]) -> NDArray[np.uint8]:
        """At most a batch."""
        crops, valid = self._run(self._networks, self._accelerator.dtype, latents, tokens)
        wrong = np.flatnonzero(~valid)
        if len(wrong) and self._accelerator.dtype != torch.float32:
            _LOG.warning(
                "%d crops were no numbers in %s: made again in fp32",
                *(len(wrong), self._accelerator.numbers),
            )
            full = self._full.networks
            again, valid = self._run(full, torch.float32, latents[wrong], tokens[wrong])
            crops[wrong], wrong = again, wrong[~valid]
        if len(wrong):
            raise CropNumbersError("the networks gave no numbers for a crop, in fp32 too")
        return crops

    def _run(
        self, networks: Networks, dtype: Any, latents: Latents, tokens: NDArray[np.float32]
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Crops, and which of them are made of numbers."""
        places = np.minimum(np.arange(self._batch), len(latents) - 1)
        with torch.inference_mode(), memory_errors():
            decoded = decode(
                networks, self._upload(latents[places], dtype), self._upload(tokens[places], dtype)
            )
            valid = torch.isfinite(decoded).flatten(1).all(dim=1)
            levels = to_levels(decoded)
            count = len(latents)
            # A copy, which can be written to: crops of it are replaced.
            return levels[:count].cpu().numpy().copy(), valid[:count].cpu().numpy()

    def _upload(self, values: NDArray[Any], dtype: Any) -> Any:
        tensor = torch.from_numpy(values)
        if self._accelerator.gpu_name is not None:
            tensor = tensor.pin_memory()
        tensor = tensor.to(self._accelerator.device, dtype, non_blocking=True)
        is_picture = tensor.dim() == 4
        return tensor.contiguous(memory_format=torch.channels_last) if is_picture else tensor

    def _shrink(self) -> None:
        """Go on with half a batch.

        Raises:
            errors.DeviceMemoryError: it is one crop already.
        """
        if self._batch == 1:
            raise DeviceMemoryError("the GPU has not the memory for one crop")
        self._batch //= 2
        torch.cuda.empty_cache()
        _LOG.warning("the GPU's memory does not last: crops are made %d at a time", self._batch)


def decode(networks: Networks, latents: Any, tokens: Any) -> Any:
    """One pass: tensors (n, 8, 32, 32) and (n, 50, 384) -> (n, 3, 256, 256), about -1..1."""
    step = latents.new_zeros(1)  # a number would be copied to the device, and waited for
    painted = networks.unet(latents, step, encoder_hidden_states=tokens).sample
    return networks.vae.decode(painted / SCALING_FACTOR).sample


def to_levels(decoded: Any) -> Any:
    """(n, 3, h, w), about -1..1 -> (n, h, w, 3) uint8, on the device: a quarter of the bytes."""
    levels = (decoded.float() / 2 + 0.5).clamp(0, 1) * 255
    return levels.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
