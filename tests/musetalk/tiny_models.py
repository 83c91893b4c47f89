"""A models folder in MuseTalk's layout: its architecture, a thousandth of its size, random."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from musetalk_fast.engines.musetalk.architecture import Architecture, read_architecture
from musetalk_fast.engines.musetalk.face_parser import FaceParser
from musetalk_fast.engines.musetalk.networks import Networks, build_draft, build_networks

UNET = {
    "block_out_channels": [32, 32, 64, 64],
    "layers_per_block": 1,
    "norm_num_groups": 16,
    "cross_attention_dim": 32,
    "attention_head_dim": 4,
    "_class_name": "UNet2DConditionModel",
    "sample_size": 64,
}
VAE = {
    "block_out_channels": [16, 16, 32, 32],
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "sample_size": 256,
}
WHISPER = {"d_model": 32, "encoder_attention_heads": 2, "encoder_ffn_dim": 64, "vocab_size": 51865}
DRAFT = {"decoder_block_out_channels": [8, 8, 8, 8], "num_decoder_blocks": [1, 1, 1, 1]}
PARSER = {"width": 4}


def write_models(folder: Path, *, seed: int = 0) -> Path:
    """Make it; the same seed gives the same weights."""
    configs = {
        "musetalkV15/musetalk.json": UNET,
        "sd-vae/config.json": VAE,
        "whisper/config.json": WHISPER,
        "taesd/config.json": DRAFT,
    }
    for name, config in configs.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(config))
    architecture = read_architecture(*(folder / name for name in configs))
    unet, vae, whisper = build_networks(architecture)
    torch.save(random_weights(unet, seed), folder / "musetalkV15" / "unet.pth")
    weights = with_old_names(random_weights(vae, seed + 1))
    torch.save(weights, folder / "sd-vae" / "diffusion_pytorch_model.bin")
    encoder = random_weights(whisper, seed + 2)
    whole = {f"model.encoder.{name}": tensor for name, tensor in encoder.items()}
    whole["model.decoder.layer_norm.weight"] = torch.ones(32)
    torch.save(whole, folder / "whisper" / "pytorch_model.bin")
    draft = random_weights(build_draft(architecture), seed + 3)
    save_file(
        {f"decoder.{name}": tensor for name, tensor in draft.items()},
        folder / "taesd" / "diffusion_pytorch_model.safetensors",
    )
    return folder


def write_parser(folder: Path, *, seed: int = 4) -> Path:
    """A tiny random face parser in a models folder, as published: with what only training needs."""
    own = folder / "face-parse-bisent"
    own.mkdir()
    (own / "config.json").write_text(json.dumps(PARSER))
    weights = random_weights(FaceParser(**PARSER), seed)
    for name in [name for name in weights if name.endswith("running_var")]:
        weights[name] = 1 + weights[name].abs()
        weights[name.replace("running_var", "num_batches_tracked")] = torch.tensor(7)
    weights["conv_out16.conv_out.weight"] = torch.zeros(19, 4, 1, 1)
    torch.save(weights, own / "79999_iter.pth")
    return own / "79999_iter.pth"


def random_weights(network: torch.nn.Module | FaceParser, seed: int) -> dict[str, torch.Tensor]:
    """Weights of a network on the `meta` device, of a size that keeps the signal's."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, tensor in network.state_dict().items():
        values = torch.randn(tensor.shape, generator=generator)
        fan_in = max(1, tensor[0].numel()) if tensor.dim() > 1 else 1
        is_scale = "norm" in name and name.endswith("weight")
        weights[name] = (
            1 + values / 10 if is_scale else values * (0.1 if fan_in == 1 else fan_in**-0.5)
        )
    return weights


def with_old_names(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """As the VAE's published file has them."""
    old = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}

    def rename(name: str) -> str:
        for new, former in old.items():
            name = name.replace(new, former)
        return name

    return {rename(name): tensor for name, tensor in weights.items()}


def tiny_architecture() -> Architecture:
    """Of the same networks."""

    def merged(published: Any, own: dict[str, Any]) -> dict[str, Any]:
        return {name: own.get(name, value) for name, value in published.items()}

    full = read_architecture(None, None, None)
    return Architecture(
        *(merged(full.unet, UNET), merged(full.vae, VAE), merged(full.whisper, WHISPER)),
        merged(full.draft, DRAFT),
        merged(full.parser, PARSER),
    )


def tiny_networks(seed: int = 0, *, with_draft: bool = False) -> Networks:
    """The same networks, loaded, in float32 on the CPU; their time is not folded."""
    own = [*build_networks(tiny_architecture()), build_draft(tiny_architecture())]
    for number, network in enumerate(own):
        network.load_state_dict(random_weights(network, seed + number), assign=True)
        network.requires_grad_(False).eval()
    unet, vae, whisper, draft = own
    return Networks(unet, vae, whisper, 32, "", "", draft if with_draft else None)
