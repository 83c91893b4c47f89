"""What is measured: the published scripts' loop, the engine's in several ways, and its stages."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from networks_under_test import random_networks
from torch.utils.flop_counter import FlopCounterMode

from musetalk_fast.engines.musetalk.accelerator import Accelerator
from musetalk_fast.engines.musetalk.architecture import SCALING_FACTOR, Architecture
from musetalk_fast.engines.musetalk.crop_maker import CropMaker, MakeRunner, make_eager
from musetalk_fast.engines.musetalk.forward import Outputs, decode, forward
from musetalk_fast.engines.musetalk.latents import LatentEncoder
from musetalk_fast.engines.musetalk.networks import Networks, fold_time
from musetalk_fast.engines.musetalk.recording import WINDOW_SAMPLES
from musetalk_fast.engines.musetalk.runners import GraphRunner, Runner, make_runner
from musetalk_fast.engines.musetalk.speech_encoder import SpeechEncoder
from musetalk_fast.errors import MuseTalkError

STAGE_BATCH = 8

Row = dict[str, Any]


class Bench:
    """The networks, and what they work on."""

    def __init__(self, accelerator: Accelerator, architecture: Architecture, repeats: int) -> None:
        self.accelerator = accelerator
        self.is_gpu = accelerator.gpu_name is not None
        self.repeats = repeats
        self.plain = random_networks(architecture, accelerator.device, accelerator.dtype)

    def ours(self) -> tuple[Networks, Networks]:
        """The networks as the engine has them, without and with the decoder of drafts.

        From then on the plain ones are no longer.
        """
        own = self.plain
        fold_time(torch.nn.Module.to(own.unet, "cpu", torch.float32))
        for network in (own.unet, own.vae, own.draft):
            torch.nn.Module.to(
                network,
                self.accelerator.device,
                self.accelerator.dtype,
                memory_format=torch.channels_last,
            )
        return replace(own, draft=None), own

    def inputs(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Latents and tokens, as the engine has them."""
        rng = np.random.default_rng(0)
        latents = rng.normal(size=(count, 8, 32, 32)).astype(np.float16)
        return latents, rng.normal(size=(count, 50, self.plain.token_width)).astype(np.float32)

    def on_device(self, count: int) -> tuple[Any, Any]:
        """The same, where the networks are and in their numbers."""
        latents, tokens = (
            torch.from_numpy(each).to(self.accelerator.device, self.accelerator.dtype)
            for each in self.inputs(count)
        )
        return latents.contiguous(memory_format=torch.channels_last), tokens

    def secs(self, work: Callable[[], Any]) -> float:
        """The median time of one call, warmed up."""
        for _ in range(2 if self.repeats > 1 else 1):
            work()
        found = []
        for _ in range(self.repeats):
            self.wait()
            start = time.perf_counter()
            work()
            self.wait()
            found.append(time.perf_counter() - start)
        return statistics.median(found)

    def wait(self) -> None:
        """Until the device has nothing left to do."""
        if self.is_gpu:
            torch.cuda.synchronize()


def row_of(name: str, measure: Callable[[], Row]) -> Row:
    """A row; where it cannot be measured, why."""
    try:
        return {"what": name, **measure()}
    except Exception as error:  # noqa: BLE001 - whatever it is, the other rows are measured
        text = error.message if isinstance(error, MuseTalkError) else str(error)
        reason = text.strip().splitlines()[0] if text.strip() else type(error).__name__
        return {"what": name, "missing": reason[:200]}
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def plain_row(bench: Bench, batch: int) -> Row:
    """The loop of the published scripts."""

    def measure() -> Row:
        run = plain_crops(bench, batch)
        return _with_memory(bench, lambda: {"batch": batch, "secs": bench.secs(run)})

    return row_of(f"plain loop, batch {batch}", measure)


def plain_crops(bench: Bench, batch: int) -> Callable[[], list[np.ndarray]]:
    """What makes crops with diffusers' networks as they are, as the published scripts do."""
    device, dtype = bench.accelerator.device, bench.accelerator.dtype
    latents, tokens = (torch.from_numpy(each) for each in bench.inputs(batch))
    networks = bench.plain

    def run() -> list[np.ndarray]:
        step = torch.tensor([0], device=device)
        own = latents.to(device, dtype)
        painted = networks.unet(own, step, encoder_hidden_states=tokens.to(device, dtype)).sample
        image = networks.vae.decode(painted / SCALING_FACTOR).sample
        image = (image / 2 + 0.5).clamp(0, 1).cpu().permute(0, 2, 3, 1).float().numpy()
        return list((image * 255).round().astype("uint8")[..., ::-1])

    return run


def make_recorded(networks: Networks, accelerator: Accelerator, size: int) -> Runner:
    """The CUDA graph, or an error."""
    if accelerator.gpu_name is None:
        raise RuntimeError("CUDA graphs need a GPU")
    runner = make_runner(networks, accelerator, size)
    if not isinstance(runner, GraphRunner):
        raise RuntimeError("it could not be recorded: see the warning above")
    return runner


class CompiledRunner:
    """The same pass through torch.compile, for one shape."""

    def __init__(self, networks: Networks, accelerator: Accelerator, _size: int) -> None:
        self._device = accelerator.device
        self._forward = torch.compile(partial(forward, networks), dynamic=False)

    def run(self, latents: Any, tokens: Any) -> Outputs:
        """See `Runner`."""
        given = (each.to(self._device, non_blocking=True) for each in (latents, tokens))
        levels, valid = self._forward(*given)
        return levels, valid


WAYS: dict[str, MakeRunner] = {
    "eager": make_eager,
    "graph": make_recorded,
    "compile": CompiledRunner,
}


def engine_row(bench: Bench, networks: Networks, batch: int, way: str) -> Row:
    """The engine's own loop, from latents in memory to crops in memory: two runs a call."""
    name = "draft" if networks.draft is not None else "engine"

    def measure() -> Row:
        given = replace(bench.accelerator, batch=batch)
        maker = CropMaker(networks, given, make=WAYS[way])
        count = 2 * batch if bench.is_gpu else batch
        inputs = bench.inputs(count)
        secs = bench.secs(lambda: maker.make(*inputs)) * batch / count
        if maker.batch != batch:
            raise MemoryError(f"memory holds only {maker.batch} at a time")
        return {"batch": batch, "secs": secs}

    return row_of(f"{name}, {way}, batch {batch}", lambda: _with_memory(bench, measure))


def _with_memory(bench: Bench, measure: Callable[[], Row]) -> Row:
    """With the most memory that was reserved, in MiB, weights and recordings included."""
    if not bench.is_gpu:
        return measure()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return {**measure(), "reserved_mib": round(torch.cuda.max_memory_reserved() / 2**20)}


def difference(bench: Bench, networks: Networks, published: list[np.ndarray], way: str) -> Row:
    """How far the engine's crops are from the plain loop's, in levels of 255."""

    def measure() -> Row:
        given = replace(bench.accelerator, batch=len(published))
        crops = CropMaker(networks, given, make=WAYS[way]).make(*bench.inputs(len(published)))
        away = np.abs(crops.astype(int) - np.stack(published)[..., ::-1])
        return {"mean": float(away.mean()), "most": float(away.max())}

    return row_of(way, measure)


def stage_rows(bench: Bench, networks: Networks, draft: Any) -> list[Row]:
    """U-Net, decoder, encoder and Whisper by themselves, eager, on the device."""
    latents, tokens = bench.on_device(STAGE_BATCH)
    step = torch.zeros(1, device=bench.accelerator.device)
    painted = latents[:, :4].contiguous(memory_format=torch.channels_last)
    faces = list(np.random.default_rng(1).integers(0, 256, (STAGE_BATCH, 256, 256, 3), np.uint8))
    sound = np.random.default_rng(1).normal(size=WINDOW_SAMPLES).astype(np.float32) / 9
    encoder = LatentEncoder(networks, replace(bench.accelerator, batch=STAGE_BATCH))
    speech = SpeechEncoder(networks.whisper, bench.accelerator.device)
    works: dict[str, Callable[[], Any]] = {
        f"U-Net, batch {STAGE_BATCH}": lambda: networks.unet(
            latents, step, encoder_hidden_states=tokens
        ),
        f"VAE decoder, batch {STAGE_BATCH}": lambda: networks.vae.decode(painted),
        f"draft decoder, batch {STAGE_BATCH}": lambda: draft(painted),
        f"VAE encoder, {STAGE_BATCH} faces": lambda: encoder.encode(faces),
        "log-mel and Whisper, 30 s": lambda: speech.encode(sound),
    }
    rows = [
        row_of(name, lambda work=work: {"secs": bench.secs(work)}) for name, work in works.items()
    ]
    both = [row.get("secs") for row in rows[:2]]
    if all(both):
        for row in rows[:2]:
            row["share_of_both"] = row["secs"] / sum(both)
    return rows


def count_flops(bench: Bench, networks: Networks) -> float:
    """Of one crop, U-Net and decoder."""
    with FlopCounterMode(display=False) as counter:
        decode(networks, *bench.on_device(1))
    return float(counter.get_total_flops())
