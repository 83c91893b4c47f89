"""MuseTalk's three networks, loaded and made ready to run."""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass
from typing import Any

import torch

from musetalk_fast.engines.musetalk.accelerator import Accelerator, memory_errors
from musetalk_fast.engines.musetalk.architecture import Architecture, read_architecture
from musetalk_fast.engines.musetalk.model_folder import ModelFiles, NetworkFiles
from musetalk_fast.engines.musetalk.weights import (
    Tensors,
    encoder_only,
    fill,
    fingerprint,
    read_weights,
    with_new_names,
)
from musetalk_fast.errors import WeightsFormatError


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """The networks on their device.

    Attributes:
        unet: diffusers' `UNet2DConditionModel`, its time embedding folded.
        vae: diffusers' `AutoencoderKL`.
        whisper: transformers' `WhisperEncoder`, in float32.
        token_width: numbers of a token of speech.
        digest: of the weights, eight hex digits.
        vae_digest: of the VAE's alone, on which latents depend.
    """

    unet: Any
    vae: Any
    whisper: Any
    token_width: int
    digest: str
    vae_digest: str


def load_networks(files: ModelFiles, accelerator: Accelerator) -> Networks:
    """Load all weights.

    Raises:
        errors.WeightsFormatError, errors.WeightsMissingError: a file that cannot be used.
        errors.DeviceMemoryError, errors.MemoryLimitError: they do not fit.
    """
    architecture = read_architecture(files.unet.config, files.vae.config, files.whisper.config)
    unet, vae, whisper = build_networks(architecture, files)
    _fill(unet, files.unet, read_weights(files.unet.weights))
    _fill(vae, files.vae, with_new_names(read_weights(files.vae.weights)))
    _fill(whisper, files.whisper, encoder_only(read_weights(files.whisper.weights)))
    digest, vae_digest = fingerprint(unet, vae, whisper), fingerprint(vae)
    fold_time(unet)
    with memory_errors():
        for network in (unet, vae):
            # Not diffusers' own `to`, which warns. Convolutions are faster on channels_last.
            torch.nn.Module.to(
                network, accelerator.device, accelerator.dtype, memory_format=torch.channels_last
            )
        whisper.to(accelerator.device, torch.float32)
    return Networks(unet, vae, whisper, architecture.token_width, digest, vae_digest)


def build_networks(
    architecture: Architecture, files: ModelFiles | None = None
) -> tuple[Any, Any, Any]:
    """U-Net, VAE and Whisper's encoder on the `meta` device: names and shapes, no numbers.

    Raises:
        errors.WeightsFormatError: sizes that make no network.
    """
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers.models.whisper.configuration_whisper import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    try:
        with torch.device("meta"):
            unet = UNet2DConditionModel(**architecture.unet)
            vae = AutoencoderKL(**architecture.vae)
            whisper = WhisperEncoder(WhisperConfig(**architecture.whisper))
    except (ValueError, TypeError, RuntimeError, ZeroDivisionError) as error:
        where = str(files.unet.weights.parent.parent) if files else None
        raise WeightsFormatError(f"configs that make no network: {error}", where=where) from error
    return unet, vae, whisper


def fold_time(unet: Any) -> None:
    """Make the time embedding, always that of step 0, part of the biases that it is added to.

    Each resnet adds a projection of the embedding to its first convolution's output: a constant.
    """
    with torch.no_grad():
        step = unet.time_proj(torch.zeros(1, dtype=torch.long))
        embedding = unet.time_embedding(step)
        for block in unet.modules():
            projection = getattr(block, "time_emb_proj", None)
            if projection is not None:
                added = projection(block.nonlinearity(embedding))[0]
                block.conv1.bias = torch.nn.Parameter(block.conv1.bias + added, False)  # noqa: FBT003
                block.time_emb_proj = None
    del unet.time_embedding  # a network may only be replaced by another one
    unet.time_embedding = _NoEmbedding()


class FullPrecision:
    """The U-Net and the VAE in float32, made when they are first needed."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    @functools.cached_property
    def networks(self) -> Networks:
        """Copies of the networks, in float32.

        Raises:
            errors.DeviceMemoryError, errors.MemoryLimitError: they do not fit.
        """
        own = self._networks
        with memory_errors():
            unet, vae = (torch.nn.Module.float(copy.deepcopy(each)) for each in (own.unet, own.vae))
        return Networks(unet, vae, own.whisper, own.token_width, own.digest, own.vae_digest)


class _NoEmbedding:
    """In place of the time embedding: resnets without a projection add nothing."""

    def __call__(self, *_: Any) -> None:
        return None


def _fill(network: Any, files: NetworkFiles, tensors: Tensors) -> None:
    fill(network, tensors, files.weights)
    network.requires_grad_(False).eval()  # noqa: FBT003
