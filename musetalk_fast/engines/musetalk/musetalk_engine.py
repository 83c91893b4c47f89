"""The MuseTalk engine's four verbs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from musetalk_fast._version import __version__
from musetalk_fast.engines.base import (
    CancelCheck,
    CropRequest,
    EngineInfo,
    OnFace,
)
from musetalk_fast.engines.fingerprint import FACES, fingerprint
from musetalk_fast.engines.musetalk.accelerator import (
    Accelerator,
    DeviceChoice,
    Half,
    choose_accelerator,
)
from musetalk_fast.engines.musetalk.crop_maker import CropMaker
from musetalk_fast.engines.musetalk.latent_cache import LatentCache, default_latents_dir
from musetalk_fast.engines.musetalk.latents import LatentEncoder
from musetalk_fast.engines.musetalk.model_folder import (
    ModelVersion,
    default_models_dir,
    find_models,
)
from musetalk_fast.engines.musetalk.musetalk_avatar import AvatarPreparer, MuseTalkAvatar
from musetalk_fast.engines.musetalk.networks import Networks, load_networks
from musetalk_fast.engines.musetalk.recording import Recording
from musetalk_fast.engines.musetalk.speech_features import SpeechFeatures
from musetalk_fast.types import CROP_SIZE, AvatarOptions, Pcm

NAME = "musetalk"
_LATENTS_BYTES = 4 << 30
_LOG = logging.getLogger(__name__)


def load_engine(
    *,
    models_dir: Path | None = None,
    latents_dir: Path | None = None,
    device: str = "auto",
    half: str = "auto",
    batch_size: int | None = None,
) -> MuseTalkEngine:
    """Load the weights and make the engine.

    Args:
        models_dir: folder of the weights, in MuseTalk's layout; None: the user's.
        latents_dir: where prepared avatars are kept; None: in the user's cache.
        device: `auto`, `cuda` or `cpu`.
        half: `auto`, `fp16`, `bf16` or `off`: the numbers of 16 bits in which it computes.
        batch_size: crops of one run of the networks; None: 16 on a GPU, 1 on a CPU.

    Raises:
        errors.WeightsMissingError, errors.WeightsFormatError: weights that cannot be used.
        errors.DeviceError: no such device.
        errors.DeviceMemoryError, errors.MemoryLimitError: the weights do not fit.
        errors.OutputPlaceError: prepared avatars cannot be kept.
    """
    files = find_models(models_dir or default_models_dir())
    accelerator = choose_accelerator(DeviceChoice(device), Half(half), batch_size)
    cache = LatentCache(latents_dir or default_latents_dir(), _LATENTS_BYTES)
    if accelerator.gpu_name is None:
        _LOG.warning("no GPU: MuseTalk on a CPU takes seconds for each frame")
    networks = load_networks(files, accelerator)
    return MuseTalkEngine(networks, accelerator, cache, files.version)


class MuseTalkEngine:
    """MuseTalk. Each verb serves one thread at a time; different verbs may be at work at once."""

    def __init__(
        self,
        networks: Networks,
        accelerator: Accelerator,
        cache: LatentCache,
        version: ModelVersion,
    ) -> None:
        self._info = EngineInfo(
            name=NAME,
            model=f"{NAME}-{version}-{networks.digest}-{accelerator.numbers}-{_fingerprint()}",
            is_preview=False,
            max_batch=accelerator.batch,
            gpu_name=accelerator.gpu_name,
            takes_videos=True,
        )
        identity = f"{version} {networks.vae_digest} {accelerator.numbers} {_fingerprint()}"
        encoder = LatentEncoder(networks.vae, accelerator)
        self._preparer = AvatarPreparer(encoder, cache, version, identity)
        self._speech = SpeechFeatures(networks.whisper, accelerator.device)
        self._maker = CropMaker(networks, accelerator)

    def describe(self) -> EngineInfo:
        """Name and version: MuseTalk's, of the weights, of the numbers, and of this code."""
        return self._info

    def prepare_avatar(
        self, path: Path, options: AvatarOptions, on_face: OnFace, check: CancelCheck
    ) -> MuseTalkAvatar:
        """Find the face in every source frame, and encode it.

        Raises:
            errors.InputError: see `base.Engine.prepare_avatar`.
            errors.DeviceMemoryError, errors.MemoryLimitError: there is no memory for it.
            OSError: prepared avatars cannot be kept.
        """
        return self._preparer.prepare(path, options, on_face, check)

    def prepare_audio(self, pcm: Pcm, check: CancelCheck) -> Recording:
        """Keep the samples: features are made when they are needed, half a minute at a time."""
        return Recording(pcm, check)

    def infer(self, batch: Sequence[CropRequest]) -> NDArray[np.uint8]:
        """Make crops: (len(batch), 256, 256, 3) uint8 RGB. Beyond the sound is silence.

        Raises:
            errors.CropNumbersError: the networks give no numbers.
            errors.DeviceMemoryError, errors.MemoryLimitError: there is no memory for it.
        """
        if not batch:
            return np.empty((0, CROP_SIZE, CROP_SIZE, 3), np.uint8)
        latents = [cast("MuseTalkAvatar", each.avatar).latents(each.source) for each in batch]
        tokens = [
            self._speech.tokens(cast("Recording", each.audio), each.frame, each.fps)
            for each in batch
        ]
        return self._maker.make(np.stack(latents), np.stack(tokens))

    def close(self) -> None:
        """Nothing outlives the process."""


def _fingerprint() -> str:
    return fingerprint(__package__, FACES, salt=__version__.encode())
