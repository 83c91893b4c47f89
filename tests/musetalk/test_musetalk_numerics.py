"""Each step of the networks against float64 NumPy, with small networks of random weights.

Tolerances are of float32: a share of the largest value.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import reference_layers as reference
import torch
from tiny_models import tiny_networks

from musetalk_fast.engines.musetalk.accelerator import Accelerator
from musetalk_fast.engines.musetalk.forward import decode, to_levels
from musetalk_fast.engines.musetalk.latents import LatentEncoder
from musetalk_fast.engines.musetalk.networks import Networks, fold_time
from musetalk_fast.engines.musetalk.positions import positional_encoding
from musetalk_fast.engines.musetalk.speech_encoder import SpeechEncoder

EXACT = 1e-9
"""Share: of networks in float64."""
NETWORK = 1e-4
"""Share: of networks in float32."""
ENCODER = 1e-3
"""Share: of the VAE's encoder in float32, whose group norms are of 65,536 pixels each."""
MEL = 2e-3
"""Levels: of log-mel, some of which are logarithms of next to nothing."""
CPU = Accelerator(torch.device("cpu"), torch.float32, None, 1)


@pytest.fixture(scope="module")
def networks() -> Networks:
    return tiny_networks(with_draft=True)


def weights_of(network: torch.nn.Module) -> reference.Weights:
    return reference.Weights(
        {name: each.double().numpy() for name, each in network.state_dict().items()}
    )


def close(found: Any, wanted: np.ndarray, share: float = NETWORK) -> bool:
    assert found.shape == wanted.shape
    return float(np.abs(np.asarray(found) - wanted).max()) <= share * float(np.abs(wanted).max())


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def test_the_unet_is_the_definition_with_and_without_its_time_folded(networks) -> None:
    unet, folded, exact = (copy.deepcopy(networks.unet) for _ in range(3))
    fold_time(folded)
    torch.nn.Module.double(exact)
    latents, tokens = noise(8, 8, 16), noise(50, 32)
    wanted = reference.unet(latents, tokens, weights_of(unet), 16, 4)
    for network, share in ((unet, NETWORK), (folded, NETWORK), (exact, EXACT)):
        found = network(
            torch.from_numpy(latents)[None].to(network.dtype),
            torch.zeros(1),
            encoder_hidden_states=torch.from_numpy(tokens)[None].to(network.dtype),
        )
        assert close(found.sample[0].numpy(), wanted, share)
    assert "time_embedding.linear_1.weight" not in folded.state_dict()


def test_a_crop_is_what_the_reference_paints(networks) -> None:
    vae = networks.vae
    latent = noise(4, 4, 6)
    wanted = reference.vae_decoder(latent, weights_of(vae), 8)
    exact = torch.nn.Module.double(copy.deepcopy(vae))
    found = exact.decode(torch.from_numpy(latent)[None].double()).sample
    assert close(found[0].numpy(), wanted, EXACT)
    found = vae.decode(torch.from_numpy(latent)[None]).sample
    assert close(found[0].numpy(), wanted)
    levels = np.rint((wanted / 2 + 0.5).clip(0, 1) * 255).transpose(1, 2, 0)
    assert np.abs(to_levels(found)[0].numpy() - levels).max() <= 1


def test_a_draft_is_what_the_reference_paints(networks) -> None:
    latent = noise(4, 4, 6) * 3
    wanted = reference.tiny_decoder(latent, weights_of(networks.draft))
    exact = torch.nn.Module.double(copy.deepcopy(networks.draft))
    found = exact(torch.from_numpy(latent)[None].double())
    assert close(found[0].numpy(), wanted, EXACT)
    assert close(networks.draft(torch.from_numpy(latent)[None])[0].numpy(), wanted)
    unet = torch.nn.Module.double(copy.deepcopy(networks.unet))
    both, tokens = torch.randn(1, 8, 8, 8).double(), torch.randn(1, 50, 32).double()
    painted = unet(both, torch.zeros(1), encoder_hidden_states=tokens).sample
    found = decode(replace(networks, unet=unet, draft=exact), both, tokens)
    assert torch.equal(found, exact(painted))  # latents as the U-Net has them: not unscaled


def test_sampled_latents_are_the_posteriors_and_follow_from_the_face(networks) -> None:
    rng = np.random.default_rng(4)
    crops = list(rng.integers(0, 256, (2, 256, 256, 3), np.uint8))
    modes = LatentEncoder(networks, CPU).encode(crops)
    encoder = LatentEncoder(networks, replace(CPU, batch=2), is_sampled=True)
    both = encoder.encode(crops)
    assert np.array_equal(encoder.encode(crops[1:])[0], both[1])
    values = torch.from_numpy(crops[0].astype(np.float32) / 255).permute(2, 0, 1)[None] * 2 - 1
    spread = networks.vae.encode(values).latent_dist.std[0].numpy() * 0.18215
    drawn = (both[0, 4:] - modes[0, 4:]) / spread
    assert abs(drawn.mean()) < 0.05
    assert abs(drawn.std() - 1) < 0.05
    assert np.corrcoef(drawn.ravel(), (both[0, :4] - modes[0, :4]).ravel())[0, 1] < 0.05


def test_latents_are_modes_of_the_masked_and_of_the_entire_face(networks) -> None:
    crop = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    found = LatentEncoder(networks, CPU).encode([crop])[0]
    assert found.dtype == np.float32
    exact = torch.nn.Module.double(copy.deepcopy(networks.vae))
    masked = crop.copy()
    masked[128:] = 0
    for part, picture in ((found[:4], masked), (found[4:], crop)):
        values = (picture.astype(np.float64) / 255).transpose(2, 0, 1) * 2 - 1
        wanted = reference.vae_encoder(values, weights_of(networks.vae), 8) * 0.18215
        mode = exact.encode(torch.from_numpy(values)[None]).latent_dist.mode()[0].numpy()
        assert close(mode * 0.18215, wanted, EXACT)
        assert close(part, wanted, ENCODER)


def test_whisper_hears_what_the_reference_hears(networks) -> None:
    whisper = networks.whisper
    rng = np.random.default_rng(5)
    samples = (rng.normal(size=12_345) * np.linspace(0, 0.3, 12_345)).astype(np.float32)
    speech = SpeechEncoder(whisper, torch.device("cpu"))
    mel = speech.log_mel(samples)
    own = reference.log_mel(samples)
    assert mel.shape == (80, 3000)
    assert np.abs(mel - own).max() < MEL
    positions = whisper.embed_positions.weight.double().numpy()
    layers = reference.whisper_layers(mel.astype(np.float64), weights_of(whisper), positions, 2)
    found = speech.encode(samples)
    assert found.shape == (1500, 5, 32)
    for number, wanted in enumerate(layers):
        assert close(found[:, number], wanted), number


def test_positions_are_sines_and_cosines() -> None:
    table = positional_encoding(50, 384)
    places, pairs = np.arange(50)[:, None], np.arange(192)
    angles = places / 10_000 ** (2 * pairs / 384)
    assert np.abs(table[:, 0::2] - np.sin(angles)).max() < 1e-6
    assert np.abs(table[:, 1::2] - np.cos(angles)).max() < 1e-6
