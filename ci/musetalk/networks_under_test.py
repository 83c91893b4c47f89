"""MuseTalk's networks with random weights, of the real shapes or of small ones."""

from __future__ import annotations

from typing import Any

import torch

from musetalk_fast.engines.musetalk.architecture import MUSETALK, Architecture
from musetalk_fast.engines.musetalk.networks import Networks, build_draft, build_networks

_TINY_UNET = {
    "block_out_channels": [32, 32, 64, 64],
    "norm_num_groups": 16,
    "layers_per_block": 1,
    "cross_attention_dim": 32,
    "attention_head_dim": 4,
}
_TINY_VAE = {"block_out_channels": [16, 16, 32, 32], "norm_num_groups": 8, "layers_per_block": 1}
_TINY_WHISPER = {"d_model": 32, "encoder_attention_heads": 2, "encoder_ffn_dim": 64}
REAL = MUSETALK
TINY = Architecture(
    {**MUSETALK.unet, **_TINY_UNET},
    {**MUSETALK.vae, **_TINY_VAE},
    {**MUSETALK.whisper, **_TINY_WHISPER},
    {**MUSETALK.draft, "decoder_block_out_channels": [8] * 4},
    MUSETALK.parser,
)


def random_networks(architecture: Architecture, device: Any, dtype: Any) -> Networks:
    """The networks as diffusers makes them, with a draft decoder; their time is not folded."""
    built = (*build_networks(architecture), build_draft(architecture))
    unet, vae, whisper, draft = (_random(each, device, dtype) for each in built)
    return Networks(unet, vae, whisper.float(), architecture.token_width, "", "", draft)


def _random(network: Any, device: Any, dtype: Any) -> Any:
    """Small random numbers in place of weights; scales of norms are 1."""
    network.to_empty(device=device)
    generator = torch.Generator(device).manual_seed(0)
    for name, tensor in network.state_dict().items():
        if "norm" in name and name.endswith("weight"):
            tensor.fill_(1)
        else:
            spread = tensor[0].numel() ** -0.5 if tensor.dim() > 1 else 0.02
            tensor.normal_(0, spread, generator=generator)
    network.requires_grad_(requires_grad=False).eval()
    return torch.nn.Module.to(network, dtype)
