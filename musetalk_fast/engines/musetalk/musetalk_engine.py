"""The MuseTalk engine's four verbs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.engines.base import (
    CancelCheck,
    CropRequest,
    EngineFigures,
    EngineInfo,
    OnFace,
    WorkerCount,
)
from musetalk_fast.engines.musetalk.accelerator import DeviceChoice, Half
from musetalk_fast.engines.musetalk.compute import Compute, ComputeOptions, load_compute
from musetalk_fast.engines.musetalk.latent_cache import LatentCache, default_latents_dir
from musetalk_fast.engines.musetalk.model_folder import (
    ModelFiles,
    ModelVersion,
    default_models_dir,
    find_models,
)
from musetalk_fast.engines.musetalk.musetalk_avatar import AvatarPreparer, MuseTalkAvatar
from musetalk_fast.engines.musetalk.recording import Recording
from musetalk_fast.engines.musetalk.speech_features import SpeechFeatures
from musetalk_fast.engines.musetalk.timed_compute import TimedCompute
from musetalk_fast.engines.musetalk.variant import Variant
from musetalk_fast.engines.musetalk.worker_pool import start_workers
from musetalk_fast.errors import UsageError
from musetalk_fast.media.face.mask_region import MaskMode, MaskOptions
from musetalk_fast.types import CROP_SIZE, AvatarOptions, Pcm

_LOG = logging.getLogger(__name__)

_LATENTS_BYTES = 4 << 30
_MASKS = MaskOptions()
_MODES = {ModelVersion.V15: MaskMode.JAW, ModelVersion.V10: MaskMode.RAW}
"""Of each version's own scripts."""


def load_engine(
    *,
    models_dir: Path | None = None,
    latents_dir: Path | None = None,
    device: str = "auto",
    half: str = "auto",
    batch_size: int | None = None,
    gpus: str | None = None,
    call_timeout: float | None = None,
    draft: bool = False,
    overlap_speech: bool = False,
    sample_latents: bool = False,
    mask: str | None = None,
    parsing_mode: str | None = None,
    left_cheek_width: int = _MASKS.left_cheek_width,
    right_cheek_width: int = _MASKS.right_cheek_width,
    upper_boundary: float = _MASKS.upper_boundary,
    mask_blur: float = _MASKS.blur,
) -> MuseTalkEngine:
    """Load the weights and make the engine.

    Args:
        models_dir: folder of the weights, in MuseTalk's layout; None: the user's.
        latents_dir: where prepared avatars are kept; None: in the user's cache.
        device: `auto`, `cuda` or `cpu`.
        half: `auto`, `fp16`, `bf16` or `off`: the numbers of 16 bits in which it computes.
        batch_size: crops of one run of the networks; None: what a GPU's memory holds, 1 on a CPU.
        gpus: a process for each of these: `all`, or numbers with commas between; `cpu` stands for a
            share of the processors. None: this process computes.
        call_timeout: seconds after which a process of `gpus` that does not return from a call is
            ended and started again; None: see `WorkerPool`.
        draft: decode with TAESD: much faster, and not MuseTalk's picture.
        overlap_speech: have Whisper hear pieces that overlap: no seam every 30 s.
        sample_latents: draw latents from the posterior, as MuseTalk's scripts do.
        mask: `parser` or `mesh`: what masks are made of; None: the face parser where its weights
            are there, else the mesh.
        parsing_mode: see `MaskMode`; None: that of the version's own scripts.
        left_cheek_width, right_cheek_width, upper_boundary, mask_blur: see `MaskOptions`.

    Raises:
        errors.WeightsMissingError, errors.WeightsFormatError: weights that cannot be used.
        errors.DeviceError: no such device.
        errors.DeviceMemoryError, errors.MemoryLimitError: the weights do not fit.
        errors.OutputPlaceError: prepared avatars cannot be kept.
        errors.UsageError: options that contradict each other.
    """
    if call_timeout is not None and gpus is None:
        raise UsageError(
            "--call-timeout needs --gpus: only a process of its own can be ended",
            hint="add --gpus all, or leave out --call-timeout",
        )
    options = ComputeOptions(
        models=models_dir or default_models_dir(),
        device=DeviceChoice(device),
        half=Half(half),
        batch=batch_size,
        draft=draft,
        sampled=sample_latents,
        parser=None if mask is None else mask == "parser",
    )
    files = find_models(options.models, with_draft=draft, with_parser=options.parser)
    masks = MaskOptions(
        mode=_MODES[files.version] if parsing_mode is None else MaskMode(parsing_mode),
        left_cheek_width=left_cheek_width,
        right_cheek_width=right_cheek_width,
        upper_boundary=upper_boundary,
        blur=mask_blur,
    )
    _check_masks(masks, files)
    cache = LatentCache(latents_dir or default_latents_dir(), _LATENTS_BYTES)
    variant = Variant(files.version, draft, overlap_speech, sample_latents)
    return MuseTalkEngine(_start(options, gpus, call_timeout), cache, variant, masks)


def _start(options: ComputeOptions, gpus: str | None, call_timeout: float | None) -> Compute:
    """The networks: in this process, or in others."""
    return load_compute(options) if gpus is None else start_workers(options, gpus, call_timeout)


def _check_masks(masks: MaskOptions, files: ModelFiles) -> None:
    """Say what masks are made of.

    Raises:
        errors.UsageError: it does not know what belongs to them.
    """
    if files.parser is not None:
        _LOG.warning("masks are made by the face parser, which is unproven with published weights")
        return
    if masks.mode is MaskMode.NECK:
        raise UsageError(
            "--parsing-mode neck needs the face parser: the mesh has no neck",
            hint="get it with `musetalk-fast models pull --face-parser`, or choose jaw or raw",
        )
    _LOG.warning("masks are made of the mesh: no face parser is loaded")


class MuseTalkEngine:
    """MuseTalk. Each verb serves one thread at a time; different verbs may be at work at once."""

    def __init__(
        self,
        compute: Compute,
        cache: LatentCache,
        variant: Variant,
        masks: MaskOptions = _MASKS,
    ) -> None:
        info = compute.info
        self._compute = TimedCompute(compute)
        self._info = EngineInfo(
            name=variant.name,
            model=variant.model(info),
            is_preview=False,
            max_batch=info.max_crops,
            gpu_name=info.gpu_name,
            takes_videos=True,
        )
        self._preparer = AvatarPreparer(
            self._compute, cache, variant.version, masks, variant.latents(info)
        )
        self._speech = SpeechFeatures(
            self._compute.features, info.layers, info.width, overlap=variant.overlap_speech
        )

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
        return self._compute.crops(np.stack(latents), np.stack(tokens))

    def figures(self) -> EngineFigures:
        """What it has of the GPUs' memory, and the seconds in each of the networks' works."""
        return EngineFigures(self._compute.memory(), dict(self._compute.stage_secs))

    def workers(self) -> WorkerCount | None:
        """Its processes that compute; None: this one does."""
        return self._compute.workers()

    def close(self) -> None:
        """End what computes."""
        self._compute.close()
