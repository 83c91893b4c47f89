"""Crops that cannot be made: no numbers, no memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import random_weights, tiny_architecture

from musetalk_fast.engines.musetalk import crop_maker
from musetalk_fast.engines.musetalk.accelerator import Accelerator
from musetalk_fast.engines.musetalk.crop_maker import CropMaker, decode
from musetalk_fast.engines.musetalk.networks import Networks, build_networks, fold_time
from musetalk_fast.errors import CropNumbersError, DeviceMemoryError, MemoryLimitError


def networks_in(dtype: torch.dtype) -> Networks:
    """Such that inputs a hundred times as large as usual are beyond fp16, and within fp32."""
    unet, vae, whisper = build_networks(tiny_architecture())
    for seed, network in enumerate((unet, vae)):
        network.load_state_dict(random_weights(network, seed), assign=True)
        network.requires_grad_(False).eval()
    fold_time(unet)
    unet.conv_in.weight *= 1000
    for network in (unet, vae):
        torch.nn.Module.to(network, dtype)
    return Networks(unet, vae, whisper, 32, "", "")


@pytest.fixture(scope="module")
def full() -> Networks:
    return networks_in(torch.float32)


def accelerator(dtype: torch.dtype, batch: int) -> Accelerator:
    return Accelerator(torch.device("cpu"), dtype, None, batch)


def inputs(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(8)
    latents = rng.normal(size=(count, 8, 32, 32)).astype(np.float16)
    return latents, rng.normal(size=(count, 50, 32)).astype(np.float32)


def test_what_is_beyond_fp16_is_made_in_fp32_and_nothing_else(full, caplog) -> None:
    latents, tokens = inputs(2)
    latents[1] *= 100
    maker = CropMaker(networks_in(torch.float16), accelerator(torch.float16, 2))
    found = maker.make(latents, tokens)
    assert "1 crops were no numbers in fp16" in caplog.text
    wanted = CropMaker(full, accelerator(torch.float32, 2)).make(latents, tokens)
    away = np.abs(found.astype(int) - wanted).mean(axis=(1, 2, 3))
    assert 0 < away[0] < 3  # fp16's own rounding, in random networks
    assert away[1] < away[0] / 2  # only that of the weights
    assert found[1].std() > 5


def test_no_numbers_in_fp32_are_an_error(full) -> None:
    latents, tokens = inputs(1)
    tokens[0, 3, 3] = np.nan
    maker = CropMaker(full, accelerator(torch.float32, 1))
    with pytest.raises(CropNumbersError, match="fp32"):
        maker.make(latents, tokens)
    assert maker.make(*inputs(1)).shape == (1, 256, 256, 3)


def test_out_of_memory_goes_on_with_smaller_batches(full, monkeypatch, caplog) -> None:
    sizes = []

    def scarce(networks: Networks, latents: Any, tokens: Any) -> Any:
        sizes.append(len(latents))
        if len(latents) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB. GPU 0 has")
        return decode(networks, latents, tokens)

    latents, tokens = inputs(2)
    wanted = CropMaker(full, accelerator(torch.float32, 1)).make(latents, tokens)
    monkeypatch.setattr(crop_maker, "decode", scarce)
    maker = CropMaker(full, accelerator(torch.float32, 4))
    assert np.array_equal(maker.make(latents, tokens), wanted)
    assert sizes == [4, 2, 1, 1]
    assert maker.batch == 1
    assert "crops are made 1 at a time" in caplog.text


def test_no_memory_for_one_crop_is_an_error(full, monkeypatch) -> None:
    def fail(error: Exception) -> Any:
        def decode(*_: Any) -> Any:
            raise error

        return decode

    maker = CropMaker(full, accelerator(torch.float32, 2))
    monkeypatch.setattr(crop_maker, "decode", fail(torch.OutOfMemoryError("CUDA out of memory")))
    with pytest.raises(DeviceMemoryError, match="one crop"):
        maker.make(*inputs(2))
    own = (
        "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: 9 bytes"
    )
    monkeypatch.setattr(crop_maker, "decode", fail(RuntimeError(own)))
    with pytest.raises(MemoryLimitError):
        maker.make(*inputs(1))
