"""One pass through U-Net and decoder, from latents and tokens to the bytes of crops."""

from __future__ import annotations

from typing import Any, TypeAlias

import torch

from musetalk_fast.engines.musetalk.architecture import SCALING_FACTOR
from musetalk_fast.engines.musetalk.networks import Networks

Outputs: TypeAlias = tuple[Any, Any]
"""Tensors on the device: (n, 256, 256, 3) uint8 RGB, and (n,) bool: whether it is of numbers."""


def forward(networks: Networks, latents: Any, tokens: Any) -> Outputs:
    """Tensors (n, 8, 32, 32) and (n, 50, 384), on the device and of the networks' numbers."""
    latents = latents.contiguous(memory_format=torch.channels_last)
    decoded = decode(networks, latents, tokens)
    return to_levels(decoded), torch.isfinite(decoded).flatten(1).all(dim=1)


def decode(networks: Networks, latents: Any, tokens: Any) -> Any:
    """Tensors (n, 8, 32, 32) and (n, 50, 384) -> (n, 3, 256, 256), about -1..1."""
    step = latents.new_zeros(1)  # a number would be copied to the device, and waited for
    painted = networks.unet(latents, step, encoder_hidden_states=tokens).sample
    if networks.draft is not None:
        return networks.draft(painted)
    return networks.vae.decode(painted / SCALING_FACTOR).sample


def to_levels(decoded: Any) -> Any:
    """(n, 3, h, w), about -1..1 -> (n, h, w, 3) uint8, on the device: a quarter of the bytes."""
    levels = (decoded.float() / 2 + 0.5).clamp(0, 1) * 255
    return levels.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
