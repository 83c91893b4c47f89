"""What MuseTalk's networks are: their definition, and how a folder's configs may differ.

Sources: `musetalk.json` of TMElyralab/MuseTalk (the same for versions 1.0 and 1.5), `config.json`
of stabilityai/sd-vae-ft-mse, of openai/whisper-tiny, and of madebyollin/taesd. The face parser is
published without a config.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musetalk_fast.engines.musetalk.file_status import cannot_be_read
from musetalk_fast.errors import WeightsFormatError
from musetalk_fast.types import CROP_SIZE

LATENT_CHANNELS = 4
LATENT_SIDE = CROP_SIZE // 8
"""A latent is (4, 32, 32)."""

SCALING_FACTOR = 0.18215
"""Of latents: the default of diffusers' `AutoencoderKL`; the VAE's own config does not name it."""

MEL_BANDS = 80
FEATURES = 1500
"""Of one window of half a minute, fifty a second."""

_STAGES = 4
_UNET: dict[str, Any] = {
    "in_channels": 2 * LATENT_CHANNELS,
    "out_channels": LATENT_CHANNELS,
    "center_input_sample": False,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    "downsample_padding": 1,
    "mid_block_scale_factor": 1,
    "act_fn": "silu",
    "norm_eps": 1e-5,
    "norm_num_groups": 32,
    "block_out_channels": [320, 640, 1280, 1280],
    "layers_per_block": 2,
    "cross_attention_dim": 384,
    "attention_head_dim": 8,  # in this generation of configs: the number of heads
}
_VAE: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": LATENT_CHANNELS,
    "down_block_types": ["DownEncoderBlock2D"] * _STAGES,
    "up_block_types": ["UpDecoderBlock2D"] * _STAGES,
    "act_fn": "silu",
    "norm_num_groups": 32,
    "block_out_channels": [128, 256, 512, 512],
    "layers_per_block": 2,
}
_WHISPER: dict[str, Any] = {
    "num_mel_bins": MEL_BANDS,
    "max_source_positions": FEATURES,
    "activation_function": "gelu",
    "scale_embedding": False,
    "d_model": 384,
    "encoder_layers": 4,
    "encoder_attention_heads": 6,
    "encoder_ffn_dim": 1536,
}
_DRAFT: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": LATENT_CHANNELS,
    "act_fn": "relu",
    "upsample_fn": "nearest",
    "upsampling_scaling_factor": 2,
    "decoder_block_out_channels": [64] * _STAGES,
    "num_decoder_blocks": [3, 3, 3, 1],
}
_PARSER: dict[str, Any] = {"width": 64, "classes": 19}
_SIZES = {
    *("block_out_channels", "layers_per_block", "norm_num_groups", "cross_attention_dim"),
    *("decoder_block_out_channels", "num_decoder_blocks"),
    *("width", "attention_head_dim", "d_model", "encoder_attention_heads", "encoder_ffn_dim"),
}
"""What a config may set otherwise: networks of other sizes compute the same way."""
_COUNTS = ("layers_per_block", "num_decoder_blocks")
_MAX_SIZE = 4096
_MAX_LAYERS = 8
_MAX_CONFIG_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Architecture:
    """The configs of the networks, complete and checked.

    Attributes:
        unet: arguments of diffusers' `UNet2DConditionModel`.
        vae: arguments of diffusers' `AutoencoderKL`.
        whisper: arguments of transformers' `WhisperConfig`.
        draft: arguments of diffusers' `DecoderTiny`, as `AutoencoderTiny` names them.
        parser: arguments of `FaceParser`.
    """

    unet: Mapping[str, Any]
    vae: Mapping[str, Any]
    whisper: Mapping[str, Any]
    draft: Mapping[str, Any]
    parser: Mapping[str, Any]

    @property
    def token_width(self) -> int:
        """Numbers of one token of speech: Whisper's width, which the U-Net attends to."""
        return int(self.whisper["d_model"])


MUSETALK = Architecture(_UNET, _VAE, _WHISPER, _DRAFT, _PARSER)
"""As published; `*_types` and all widths are what 849,947,844 parameters stand for."""


def read_architecture(
    unet_config: Path | None,
    vae_config: Path | None,
    whisper_config: Path | None,
    draft_config: Path | None = None,
    parser_config: Path | None = None,
) -> Architecture:
    """The architecture that a folder's config files describe; a missing file: as published.

    Raises:
        errors.WeightsFormatError: no config, or another architecture than MuseTalk's.
        errors.WeightsMissingError: one cannot be read.
    """
    found = Architecture(
        _read(unet_config, _UNET),
        _read(vae_config, _VAE),
        _read(whisper_config, _WHISPER),
        _read(draft_config, _DRAFT),
        _read(parser_config, _PARSER),
    )
    width, wanted = found.token_width, found.unet["cross_attention_dim"]
    if width != wanted:
        raise WeightsFormatError(
            f"the U-Net attends to {wanted} numbers a token, Whisper gives {width}",
            where=str(unet_config or whisper_config),
        )
    return found


def _read(path: Path | None, published: dict[str, Any]) -> dict[str, Any]:
    if path is None:
        return published
    given = _json_object(path)
    config = {}
    for key, wanted in published.items():
        value = given.get(key, wanted)
        if key in _SIZES and _is_size(value, wanted, key):
            config[key] = value
        elif value == wanted:
            config[key] = wanted
        else:
            raise WeightsFormatError(
                f"another architecture than MuseTalk's: {key} is {_short(value)}, "
                f"not {_short(wanted)}",
                where=str(path),
            )
    return config


def _json_object(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_CONFIG_BYTES + 1)
        if len(data) > _MAX_CONFIG_BYTES:
            raise ValueError(f"more than {_MAX_CONFIG_BYTES} bytes")
        document = json.loads(data)
        if not isinstance(document, dict):
            raise TypeError("no JSON object")
    except OSError as error:
        raise cannot_be_read(path, error) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise WeightsFormatError(f"no config of a network: {error}", where=str(path)) from error
    return document


def _is_size(value: object, wanted: object, key: str) -> bool:
    """Whether it is a number, or a list of as many, that a network may have here."""
    most = _MAX_LAYERS if key in _COUNTS else _MAX_SIZE
    if isinstance(wanted, list):
        return (
            isinstance(value, list)
            and len(value) == len(wanted)
            and all(_is_size(each, 0, key) for each in value)
        )
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
