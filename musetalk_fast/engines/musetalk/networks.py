"""Loads MuseTalk's networks."""

from __future__ import annotations

import copy
import threading
from dataclasses import dataclass, replace
from typing import Any

import torch

from musetalk_fast.engines.musetalk.accelerator import Accelerator, device_errors
from musetalk_fast.engines.musetalk.architecture import Architecture, read_architecture
from musetalk_fast.engines.musetalk.face_parser import FaceParser, parser_only
from musetalk_fast.engines.musetalk.model_folder import ModelFiles, NetworkFiles
from musetalk_fast.engines.musetalk.weights import (
    Tensors,
    draft_decoder_only,
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
        draft: diffusers' `DecoderTiny`, which decodes in place of the VAE; None: no drafts.
        parser: parses faces, in float32; None: masks are made of the mesh.
        parser_digest: of its weights.
    """

    unet: Any
    vae: Any
    whisper: Any
    token_width: int
    digest: str
    vae_digest: str
    draft: Any = None
    parser: FaceParser | None = None
    parser_digest: str | None = None

    @property
    def speech_layers(self) -> int:
        """Layers of a feature of speech: Whisper's, and the input of its first one."""
        return int(self.whisper.config.encoder_layers) + 1


def load_networks(files: ModelFiles, accelerator: Accelerator) -> Networks:
    """Load all weights.

    Raises:
        errors.WeightsFormatError, errors.WeightsMissingError: a file that cannot be used.
        errors.DeviceMemoryError, errors.MemoryLimitError: they do not fit.
    """
    architecture = read_architecture(
        *(files.unet.config, files.vae.config, files.whisper.config),
        files.draft.config if files.draft else None,
        files.parser.config if files.parser else None,
    )
    unet, vae, whisper = build_networks(architecture, files)
    _fill(unet, files.unet, read_weights(files.unet.weights))
    _fill(vae, files.vae, with_new_names(read_weights(files.vae.weights)))
    _fill(whisper, files.whisper, encoder_only(read_weights(files.whisper.weights)))
    draft = None
    if files.draft is not None:
        draft = build_draft(architecture)
        _fill(draft, files.draft, draft_decoder_only(read_weights(files.draft.weights)))
    parser, parser_digest = _load_parser(files.parser, architecture, accelerator)
    own = [each for each in (unet, vae, whisper, draft) if each is not None]
    digest, vae_digest = fingerprint(*own), fingerprint(vae)
    fold_time(unet)
    with device_errors():
        for network in (unet, vae, *([] if draft is None else [draft])):
            # Not diffusers' own `to`, which warns. Convolutions are faster on channels_last.
            torch.nn.Module.to(
                network, accelerator.device, accelerator.dtype, memory_format=torch.channels_last
            )
        whisper.to(accelerator.device, torch.float32)
    return Networks(
        *(unet, vae, whisper, architecture.token_width, digest, vae_digest),
        draft=draft,
        parser=parser,
        parser_digest=parser_digest,
    )


def _load_parser(
    files: NetworkFiles | None, architecture: Architecture, accelerator: Accelerator
) -> tuple[FaceParser | None, str | None]:
    if files is None:
        return None, None
    parser = FaceParser(**architecture.parser)
    fill(parser, parser_only(read_weights(files.weights)), files.weights)
    digest = fingerprint(parser)
    parser.to(accelerator.device)
    return parser, digest


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


def build_draft(architecture: Architecture) -> Any:
    """TAESD's decoder on the `meta` device: latents as the U-Net gives them -> -1..1."""
    from diffusers.models.autoencoders.vae import DecoderTiny

    config = architecture.draft
    with torch.device("meta"):
        return DecoderTiny(
            in_channels=config["latent_channels"],
            out_channels=config["out_channels"],
            num_blocks=tuple(config["num_decoder_blocks"]),
            block_out_channels=tuple(config["decoder_block_out_channels"]),
            upsampling_scaling_factor=config["upsampling_scaling_factor"],
            act_fn=config["act_fn"],
            upsample_fn=config["upsample_fn"],
        )


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
    """Networks in float32, each copied when it is first needed, by whichever thread.

    Reading an attribute raises `errors.DeviceMemoryError` or `errors.MemoryLimitError` where a copy
    does not fit.
    """

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._lock = threading.RLock()  # of several threads that need a copy, one makes it
        self._vae: Any = None
        self._all: Networks | None = None

    @property
    def vae(self) -> Any:
        """The VAE alone."""
        with self._lock:
            if self._vae is None:
                self._vae = _in_full(self._networks.vae)
            return self._vae

    @property
    def networks(self) -> Networks:
        """All that crops are made of."""
        with self._lock:
            if self._all is None:
                own = self._networks
                draft = None if own.draft is None else _in_full(own.draft)
                self._all = replace(own, unet=_in_full(own.unet), vae=self.vae, draft=draft)
            return self._all


def _in_full(network: Any) -> Any:
    with device_errors():
        return torch.nn.Module.float(copy.deepcopy(network))


class _NoEmbedding:
    """In place of the time embedding: resnets without a projection add nothing."""

    def __call__(self, *_: Any) -> None:
        return None


def _fill(network: Any, files: NetworkFiles, tensors: Tensors) -> None:
    fill(network, tensors, files.weights)
    network.requires_grad_(False).eval()  # noqa: FBT003
