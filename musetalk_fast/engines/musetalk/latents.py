"""A face as the U-Net sees it: two latents of the VAE, one with the lower half masked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from musetalk_fast.engines.musetalk.accelerator import Accelerator, memory_errors
from musetalk_fast.engines.musetalk.architecture import LATENT_CHANNELS, LATENT_SIDE, SCALING_FACTOR
from musetalk_fast.types import CROP_SIZE, Crop

LATENT_SHAPE = (2 * LATENT_CHANNELS, LATENT_SIDE, LATENT_SIDE)

Latents: TypeAlias = NDArray[np.floating[Any]]
"""(n, 8, 32, 32) float16 or float32: the masked face's four channels, then the entire face's."""

_MASKED_ROWS = slice(CROP_SIZE // 2, None)


class LatentEncoder:
    """Encodes faces in batches of one shape, so that none depends on its neighbours; one thread."""

    def __init__(self, vae: Any, accelerator: Accelerator) -> None:
        self._vae = vae
        self._accelerator = accelerator

    @property
    def dtype(self) -> type[np.float16] | type[np.float32]:
        """In which latents are kept: no finer than they were computed."""
        return np.float32 if self._accelerator.dtype == torch.float32 else np.float16

    def encode(self, crops: Sequence[Crop]) -> Latents:
        """Latents of at most a batch of faces.

        Args:
            crops: (256, 256, 3) uint8 RGB each; at most `batch`.

        Returns:
            (len(crops), 8, 32, 32).

        Raises:
            errors.DeviceMemoryError, errors.MemoryLimitError: there is no memory for it.
        """
        batch = np.zeros((self.batch, CROP_SIZE, CROP_SIZE, 3), np.uint8)
        batch[: len(crops)] = crops
        with torch.inference_mode(), memory_errors():
            whole = torch.from_numpy(batch).to(self._accelerator.device).permute(0, 3, 1, 2)
            whole = whole.float() / 255
            masked = whole.clone()
            masked[:, :, _MASKED_ROWS] = 0
            found = [self._mode(each) for each in (masked, whole)]
            both = torch.cat(found, dim=1)[: len(crops)].float().cpu().numpy()
        return np.asarray(both.astype(self.dtype))

    @property
    def batch(self) -> int:
        """Faces of one run."""
        return self._accelerator.batch

    def _mode(self, levels: Any) -> Any:
        """Of the posterior, scaled; of (n, 3, 256, 256) levels 0..1."""
        values = (levels * 2 - 1).to(self._accelerator.dtype)
        posterior = self._vae.encode(values.contiguous(memory_format=torch.channels_last))
        return posterior.latent_dist.mode() * SCALING_FACTOR
