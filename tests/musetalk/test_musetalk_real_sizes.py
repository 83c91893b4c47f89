"""Files of the published names and shapes are loaded, and compute: with tensors of one number."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_models import with_old_names

from musetalk_fast.engines.musetalk.accelerator import Accelerator
from musetalk_fast.engines.musetalk.architecture import MUSETALK
from musetalk_fast.engines.musetalk.face_parser import FaceParser
from musetalk_fast.engines.musetalk.forward import forward
from musetalk_fast.engines.musetalk.latents import LATENT_SHAPE
from musetalk_fast.engines.musetalk.model_folder import find_models
from musetalk_fast.engines.musetalk.networks import (
    FullPrecision,
    Networks,
    build_draft,
    build_networks,
    load_networks,
)
from musetalk_fast.engines.musetalk.speech_encoder import _layers
from musetalk_fast.engines.musetalk.speech_windows import WINDOW
from musetalk_fast.engines.musetalk.weights import fingerprint

META = Accelerator(torch.device("meta"), torch.float16, None, 2)


def published(network: Any, prefix: str = "") -> dict[str, torch.Tensor]:
    """As many numbers as a network has; in memory and in a file each tensor is but one."""
    return {
        f"{prefix}{name}": torch.zeros(()).expand(each.shape)
        for name, each in network.state_dict().items()
    }


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Networks:
    """Loaded of files; on a device without memory."""
    folder = tmp_path_factory.mktemp("published")
    unet, vae, whisper = build_networks(MUSETALK)
    tensors = {
        "musetalkV15/unet.pth": published(unet),
        "sd-vae/diffusion_pytorch_model.bin": with_old_names(published(vae)),
        "whisper/pytorch_model.bin": published(whisper, "model.encoder."),
        "taesd/diffusion_pytorch_model.bin": published(build_draft(MUSETALK), "decoder."),
        "face-parse-bisent/79999_iter.pth": published(FaceParser(**MUSETALK.parser)),
    }
    for name, each in tensors.items():
        (folder / name).parent.mkdir()
        torch.save(each, folder / name)
    return load_networks(find_models(folder, with_draft=True, with_parser=True), META)


def empty(*shape: int, dtype: torch.dtype = torch.float16) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def test_a_fingerprint_is_taken_of_tensors_of_any_size() -> None:
    """Of more than 2^24 numbers, too: float32 has no number for some of their places."""
    tensors = {"a": torch.zeros(()).expand(29_491_200), "b": torch.zeros(()).expand(1 << 33)}
    assert len(fingerprint(SimpleNamespace(state_dict=lambda: tensors))) == 8


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 1000])
def test_a_fingerprint_sees_both_ends(count: int) -> None:
    def digest(*changed: int) -> str:
        values = torch.zeros(count)
        values[list(changed)] = 1
        return fingerprint(SimpleNamespace(state_dict=lambda: {"a": values}))

    ends = {0, count - 1} if count else set()
    assert len({digest(), *map(digest, ends)}) == 1 + len(ends)


@pytest.mark.parametrize("is_full", [False, True], ids=["fp16", "fp32"])
def test_the_published_networks_make_crops(networks: Networks, is_full: bool) -> None:
    tokens = WINDOW * networks.speech_layers, networks.token_width
    assert tokens == (50, 384)
    own = FullPrecision(networks).networks if is_full else networks
    dtype = torch.float32 if is_full else torch.float16
    assert own.unet.conv_in.weight.dtype == own.vae.post_quant_conv.weight.dtype == dtype
    with torch.inference_mode():
        for each in (own, replace(own, draft=None)):
            given = empty(2, *LATENT_SHAPE, dtype=dtype), empty(2, *tokens, dtype=dtype)
            levels, valid = forward(each, *given)
            assert (levels.shape, levels.dtype) == ((2, 256, 256, 3), torch.uint8)
            assert valid.shape == (2,)


def test_the_published_networks_see_and_hear(networks: Networks) -> None:
    with torch.inference_mode():
        face = networks.vae.encode(empty(2, 3, 256, 256)).latent_dist.mode()
        assert face.shape == (2, 4, 32, 32)
        layers = _layers(networks.whisper, empty(1, 80, 3000, dtype=torch.float32))
        assert [each.shape for each in layers] == [(1, 1500, 384)] * 5
        assert networks.parser is not None
        scores = networks.parser.scores(empty(1, 512, 512, 3, dtype=torch.uint8))
        assert scores.shape == (1, 19, 512, 512)
