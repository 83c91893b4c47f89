"""A face as the U-Net sees it: two latents of the VAE, one with the lower half masked."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from musetalk_fast.engines.musetalk.accelerator import Accelerator, device_errors
from musetalk_fast.engines.musetalk.architecture import LATENT_CHANNELS, LATENT_SIDE, SCALING_FACTOR
from musetalk_fast.engines.musetalk.batch_size import BatchSize
from musetalk_fast.engines.musetalk.networks import FullPrecision, Networks
from musetalk_fast.errors import CropNumbersError, DeviceMemoryError, MemoryLimitError
from musetalk_fast.types import CROP_SIZE, Crop

_LOG = logging.getLogger(__name__)

LATENT_SHAPE = (2 * LATENT_CHANNELS, LATENT_SIDE, LATENT_SIDE)

Latents: TypeAlias = NDArray[np.floating[Any]]
"""(n, 8, 32, 32) float16 or float32: the masked face's four channels, then the entire face's."""

_MASKED_ROWS = slice(CROP_SIZE // 2, None)


class LatentEncoder:
    """Encodes faces in batches of one shape, so that none depends on its neighbours; one thread.

    Args:
        full: for faces that are no numbers in 16 bits.
        is_sampled: a latent is drawn from the posterior, as MuseTalk's own scripts do, and not its
            mode. The noise follows from the face's pixels: the same face, the same latent.
    """

    def __init__(
        self,
        networks: Networks,
        accelerator: Accelerator,
        full: FullPrecision | None = None,
        *,
        is_sampled: bool = False,
    ) -> None:
        self._vae = networks.vae
        self._accelerator = accelerator
        self._full = full or FullPrecision(networks)
        self._is_sampled = is_sampled
        self._batch = BatchSize(accelerator.batch, "latents")

    def encode(self, crops: Sequence[Crop]) -> Latents:
        """Latents of faces.

        Args:
            crops: (256, 256, 3) uint8 RGB each.

        Returns:
            (len(crops), 8, 32, 32), no finer than they were computed: see `latents_dtype`.

        Raises:
            errors.CropNumbersError: the network gives no numbers, even in float32.
            errors.DeviceMemoryError, errors.MemoryLimitError: no memory, even for one face.
        """
        out = np.empty((len(crops), *LATENT_SHAPE), latents_dtype(self._accelerator.numbers))
        start = 0
        while start < len(crops):
            own = np.stack(crops[start : start + self._batch.size])
            try:
                latents = self._run(self._vae, self._accelerator.dtype, own)
            except (DeviceMemoryError, MemoryLimitError) as error:
                self._batch.halve(error)
                continue
            out[start : start + len(own)] = self._mended(latents, own)
            start += len(own)
        return out

    def _mended(
        self, latents: NDArray[np.float32], crops: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        """Latents of at most a batch; those that are no numbers are made again, in float32.

        That the VAE does not fit a second time, in float32, is no reason for smaller batches.
        """
        wrong = np.flatnonzero(~_finite(latents))
        if len(wrong) and self._accelerator.dtype != torch.float32:
            _LOG.warning(
                "latents of %d faces were no numbers in %s: made again in fp32",
                *(len(wrong), self._accelerator.numbers),
            )
            latents[wrong] = self._run(self._full.vae, torch.float32, crops[wrong])
            wrong = np.flatnonzero(~_finite(latents))
        if len(wrong):
            raise CropNumbersError("the VAE gave no numbers for a face, in fp32 too")
        return latents

    def _run(self, vae: Any, dtype: Any, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        places = np.minimum(np.arange(self._batch.size), len(crops) - 1)
        noise = self._noise(crops)[:, places] if self._is_sampled else (None, None)
        with torch.inference_mode(), device_errors():
            whole = torch.from_numpy(crops[places]).to(self._accelerator.device)
            whole = whole.permute(0, 3, 1, 2).float() / 255
            masked = whole.clone()
            masked[:, :, _MASKED_ROWS] = 0
            found = [
                self._latent(vae, (levels * 2 - 1).to(dtype), each)
                for levels, each in zip((masked, whole), noise, strict=True)
            ]
            both = torch.cat(found, dim=1)[: len(crops)]
            return np.asarray(both.float().cpu().numpy())

    def _latent(self, vae: Any, values: Any, noise: NDArray[np.float32] | None) -> Any:
        """Scaled; of (n, 3, 256, 256) values -1..1."""
        posterior = vae.encode(values.contiguous(memory_format=torch.channels_last)).latent_dist
        latent = posterior.mode()
        if noise is not None:
            latent = latent + posterior.std * torch.from_numpy(noise).to(latent)
        return latent * SCALING_FACTOR

    def _noise(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(2, n, 4, 32, 32): of each face's own, for its masked latent and for its entire one."""
        shape = (2, LATENT_CHANNELS, LATENT_SIDE, LATENT_SIDE)
        found = []
        for crop in crops:
            seed = np.frombuffer(hashlib.sha256(crop.tobytes()).digest(), "<u4")
            # NumPy keeps the numbers of this generator the same in every version.
            found.append(np.random.RandomState(seed).standard_normal(shape))
        return np.stack(found, axis=1).astype(np.float32)


def latents_dtype(numbers: str) -> type[np.float16] | type[np.float32]:
    """In which latents are kept: no finer than they were computed.

    Args:
        numbers: of the networks, as `Accelerator.numbers`.
    """
    return np.float32 if numbers == "fp32" else np.float16


def _finite(latents: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(n,): whether they are numbers that float16 has, in which they may be kept."""
    most = np.finfo(np.float16).max
    return np.asarray((np.abs(latents) <= most).all(axis=(1, 2, 3)))
