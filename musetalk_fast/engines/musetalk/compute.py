"""The interface of the networks: arrays in, arrays out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from musetalk_fast.engines.base import WorkerCount
from musetalk_fast.engines.musetalk.accelerator import (
    Accelerator,
    DeviceChoice,
    Half,
    choose_accelerator,
)
from musetalk_fast.engines.musetalk.batch_size import measured_batch
from musetalk_fast.engines.musetalk.crop_maker import CropMaker, make_eager
from musetalk_fast.engines.musetalk.latents import LATENT_SHAPE, LatentEncoder, Latents
from musetalk_fast.engines.musetalk.model_folder import find_models
from musetalk_fast.engines.musetalk.networks import FullPrecision, Networks, load_networks
from musetalk_fast.engines.musetalk.speech_encoder import Floats, SpeechEncoder
from musetalk_fast.engines.musetalk.speech_windows import WINDOW
from musetalk_fast.types import Crop

_LOG = logging.getLogger(__name__)
_RUNS = 2
"""Of a GPU for one call: while it is at one, the crops of the other are fetched."""


@dataclass(frozen=True, slots=True)
class ComputeOptions:
    """How networks are loaded.

    Attributes:
        models: folder of the weights.
        device: see `DeviceChoice`.
        half: see `Half`.
        batch: None: see `choose_accelerator`.
        draft: crops are decoded by TAESD.
        sampled: latents are drawn from the posterior.
        parser: the face parser is loaded; None: if its weights are there.
    """

    models: Path
    device: DeviceChoice = DeviceChoice.AUTO
    half: Half = Half.AUTO
    batch: int | None = None
    draft: bool = False
    sampled: bool = False
    parser: bool | None = None


@dataclass(frozen=True, slots=True)
class ComputeInfo:
    """What computes.

    Attributes:
        digest: of all weights.
        vae_digest: of the VAE's.
        numbers: `fp16`, `bf16` or `fp32`.
        gpu_name: None: it is a CPU.
        batch: crops of one run.
        max_crops: crops of one call, at best.
        layers: of a feature of speech.
        width: of one of them.
        parser_digest: of the face parser's weights; None: there is none.
    """

    digest: str
    vae_digest: str
    numbers: str
    gpu_name: str | None
    batch: int
    max_crops: int
    layers: int
    width: int
    parser_digest: str | None = None


class Compute(Protocol):
    """The networks, wherever they run. Its four works may be at work at once, each in one thread.

    All raise `errors.DeviceMemoryError` or `errors.MemoryLimitError` where there is no memory.
    """

    @property
    def info(self) -> ComputeInfo:
        """What computes."""
        ...

    def features(self, samples: Floats) -> Floats:
        """See `SpeechEncoder.encode`."""
        ...

    def latents(self, crops: Sequence[Crop]) -> Latents:
        """See `LatentEncoder.encode`."""
        ...

    def labels(self, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """See `FaceParser.labels`; only where there is one."""
        ...

    def crops(self, latents: Latents, tokens: Floats) -> NDArray[np.uint8]:
        """See `CropMaker.make`."""
        ...

    def memory(self) -> Mapping[str, tuple[int, int]]:
        """Bytes of each GPU's memory, in use (by whomever) and in all; in any thread."""
        ...

    def workers(self) -> WorkerCount | None:
        """Its processes; None: it computes in this one. In any thread."""
        ...

    def close(self) -> None:
        """Release what it holds."""
        ...


class LocalCompute:
    """The networks in this process."""

    def __init__(
        self, networks: Networks, accelerator: Accelerator, *, sampled: bool = False
    ) -> None:
        if not accelerator.batch:
            accelerator = replace(accelerator, batch=_measured(networks, accelerator))
            _LOG.info("crops are made %d at a time: what the memory holds", accelerator.batch)
        self._device = accelerator.device
        full = FullPrecision(networks)
        self._maker = CropMaker(networks, accelerator, full)
        self._encoder = LatentEncoder(networks, accelerator, full, is_sampled=sampled)
        self._speech = SpeechEncoder(networks.whisper, accelerator.device)
        self._parser = networks.parser
        is_gpu = accelerator.gpu_name is not None
        self.info = ComputeInfo(
            digest=networks.digest,
            vae_digest=networks.vae_digest,
            numbers=accelerator.numbers,
            gpu_name=accelerator.gpu_name,
            batch=accelerator.batch,
            max_crops=accelerator.batch * (_RUNS if is_gpu else 1),
            layers=networks.speech_layers,
            width=networks.token_width,
            parser_digest=networks.parser_digest,
        )
        if is_gpu:
            self.warm_up()

    def features(self, samples: Floats) -> Floats:
        """See `SpeechEncoder.encode`."""
        return self._speech.encode(samples)

    def latents(self, crops: Sequence[Crop]) -> Latents:
        """See `LatentEncoder.encode`."""
        return self._encoder.encode(crops)

    def labels(self, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """See `Compute`."""
        if self._parser is None:
            raise RuntimeError("there is no face parser")
        return self._parser.labels(pictures)

    def crops(self, latents: Latents, tokens: Floats) -> NDArray[np.uint8]:
        """See `CropMaker.make`."""
        return self._maker.make(latents, tokens)

    def memory(self) -> Mapping[str, tuple[int, int]]:
        """See `Compute`."""
        if self.info.gpu_name is None:
            return {}
        free, total = torch.cuda.mem_get_info(self._device)
        return {self.info.gpu_name: (total - free, total)}

    def workers(self) -> WorkerCount | None:
        """See `Compute`."""
        return None

    def close(self) -> None:
        """Nothing outlives the process."""

    def warm_up(self) -> float:
        """Have libraries choose and load their kernels before the first request needs them.

        Returns:
            seconds that the slowest work took.
        """
        count = self.info.max_crops
        tokens = np.zeros((count, WINDOW * self.info.layers, self.info.width), np.float32)
        latents = np.zeros((count, *LATENT_SHAPE), np.float16)
        works: tuple[Callable[[], object], ...] = (
            lambda: self.crops(latents, tokens),
            lambda: self.latents([np.zeros((256, 256, 3), np.uint8)]),
            lambda: self.features(np.zeros(1, np.float32)),
        )
        return max(map(_secs, works))


def _secs(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def load_compute(options: ComputeOptions) -> LocalCompute:
    """Load the weights.

    Raises:
        errors.WeightsMissingError, errors.WeightsFormatError: weights that cannot be used.
        errors.DeviceError: no such device.
        errors.DeviceMemoryError, errors.MemoryLimitError: the weights do not fit.
    """
    files = find_models(options.models, with_draft=options.draft, with_parser=options.parser)
    accelerator = choose_accelerator(options.device, options.half, options.batch)
    if accelerator.gpu_name is None:
        _LOG.warning("no GPU: MuseTalk on a CPU takes seconds for each frame")
    networks = load_networks(files, accelerator)
    return LocalCompute(networks, accelerator, sampled=options.sampled)


def _measured(networks: Networks, accelerator: Accelerator) -> int:

    def run(count: int) -> int:
        maker = CropMaker(networks, replace(accelerator, batch=count), make=make_eager)
        tokens = np.zeros(
            (count, WINDOW * networks.speech_layers, networks.token_width), np.float32
        )
        maker.make(np.zeros((count, *LATENT_SHAPE), np.float16), tokens)
        return maker.batch

    return measured_batch(run, accelerator.device)
