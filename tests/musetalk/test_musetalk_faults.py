"""Crops that cannot be made: no numbers, no memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import tiny_networks

from musetalk_fast.engines.musetalk import forward
from musetalk_fast.engines.musetalk.accelerator import Accelerator
from musetalk_fast.engines.musetalk.batch_size import batch_that_fits
from musetalk_fast.engines.musetalk.crop_maker import CropMaker
from musetalk_fast.engines.musetalk.forward import decode
from musetalk_fast.engines.musetalk.latents import LatentEncoder
from musetalk_fast.engines.musetalk.networks import FullPrecision, Networks, fold_time
from musetalk_fast.errors import CropNumbersError, DeviceMemoryError, MemoryLimitError


def networks_in(dtype: torch.dtype) -> Networks:
    """Such that inputs a hundred times as large as usual are beyond fp16, and within fp32."""
    found = tiny_networks()
    unet, vae = found.unet, found.vae
    fold_time(unet)
    unet.conv_in.weight *= 1000
    for network in (unet, vae):
        torch.nn.Module.to(network, dtype)
    return found


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
    monkeypatch.setattr(forward, "decode", scarce)
    maker = CropMaker(full, accelerator(torch.float32, 4))
    assert np.array_equal(maker.make(latents, tokens), wanted)
    assert sizes == [4, 2, 1, 1]
    assert maker.batch == 1
    assert "crops are made 1 at a time" in caplog.text


def test_faces_too_are_encoded_in_what_memory_there_is(full, monkeypatch, caplog) -> None:
    faces = list(np.random.default_rng(2).integers(0, 256, (3, 256, 256, 3), np.uint8))
    own = accelerator(torch.float32, 1)
    wanted = LatentEncoder(full, own).encode(faces)
    sizes = []
    encode = full.vae.encode

    def scarce(values: Any) -> Any:
        sizes.append(len(values))
        if len(values) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB. GPU 0 has")
        return encode(values)

    monkeypatch.setattr(full.vae, "encode", scarce)
    encoder = LatentEncoder(full, accelerator(torch.float32, 2))
    assert np.array_equal(encoder.encode(faces), wanted)
    assert sizes == [2, *[1] * 6]
    assert "latents are made 1 at a time" in caplog.text


def test_a_face_that_is_no_numbers_in_16_bits_is_encoded_in_fp32(full, monkeypatch, caplog) -> None:
    half = networks_in(torch.bfloat16)
    half.vae.encoder.conv_in.bias[0] = 1e30
    own = FullPrecision(half)
    own._vae = full.vae
    face = [np.zeros((256, 256, 3), np.uint8)]
    encoder = LatentEncoder(half, accelerator(torch.bfloat16, 1), own)
    wanted = LatentEncoder(full, accelerator(torch.float32, 1)).encode(face)
    assert np.abs(encoder.encode(face) - wanted).max() < 0.01  # kept in float16
    assert "latents of 1 faces were no numbers in bf16" in caplog.text
    own._vae = half.vae
    monkeypatch.setattr(half.vae, "encode", lambda values: _NoNumbers())
    with pytest.raises(CropNumbersError, match="VAE"):
        encoder.encode(face)


def test_no_memory_for_fp32_leaves_the_batch_as_it_is(full, monkeypatch) -> None:
    class NoMemory:
        @property
        def vae(self) -> Any:
            raise DeviceMemoryError("the GPU has no more memory")

    half = networks_in(torch.bfloat16)
    half.vae.encoder.conv_in.bias[0] = 1e30
    encoder = LatentEncoder(half, accelerator(torch.bfloat16, 2), NoMemory())  # type: ignore[arg-type]
    with pytest.raises(DeviceMemoryError, match="no more memory"):
        encoder.encode([np.zeros((256, 256, 3), np.uint8)])
    assert encoder._batch.size == 2


class _NoNumbers:
    @property
    def latent_dist(self) -> _NoNumbers:
        return self

    def mode(self) -> torch.Tensor:
        return torch.full((1, 4, 32, 32), torch.nan)


def test_a_batch_is_what_memory_holds() -> None:
    gib = 1 << 30
    assert batch_that_fits(80 * gib, gib, 2 * gib) == 16
    assert batch_that_fits(10 * gib, gib, 2 * gib) == 8
    assert batch_that_fits(6 * gib, 2 * gib, 2 * gib + (gib >> 1)) == 4
    assert batch_that_fits(3 * gib, 2 * gib, 3 * gib) == 1
    assert batch_that_fits(80 * gib, gib, 2 * gib, most=64) == 64
    with pytest.raises(DeviceMemoryError, match="2048 MiB of the GPU's memory; 1638 MiB are free"):
        batch_that_fits(2 * gib, 2 * gib, 3 * gib)


def test_no_memory_for_one_crop_is_an_error(full, monkeypatch) -> None:
    def fail(error: Exception) -> Any:
        def decode(*_: Any) -> Any:
            raise error

        return decode

    maker = CropMaker(full, accelerator(torch.float32, 2))
    monkeypatch.setattr(forward, "decode", fail(torch.OutOfMemoryError("CUDA out of memory")))
    with pytest.raises(DeviceMemoryError, match="crops: not even one at a time"):
        maker.make(*inputs(2))
    own = (
        "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: 9 bytes"
    )
    monkeypatch.setattr(forward, "decode", fail(RuntimeError(own)))
    with pytest.raises(MemoryLimitError):
        maker.make(*inputs(1))
