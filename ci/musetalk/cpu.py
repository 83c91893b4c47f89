"""How much less of a CPU's time the engine takes for a crop than eager fp32, at the real shapes.

    python ci/musetalk/cpu.py [--rounds 3] [--tiny]

Each way makes one crop in turn, round by round, so that what else the machine does meets all of
them. What counts is the process's CPU time on one thread; the ratio is that of the medians. The
weights are random: the arithmetic is the same.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from networks_under_test import REAL, TINY, random_networks

from musetalk_fast.engines.musetalk.forward import decode

WAYS = {
    "fp32, as diffusers has it": (torch.float32, torch.contiguous_format),
    "fp32, channels_last": (torch.float32, torch.channels_last),
    "bf16": (torch.bfloat16, torch.contiguous_format),
    "bf16, channels_last: the engine's": (torch.bfloat16, torch.channels_last),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="small networks: tries the script")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, one thread")
    print(f"bf16 in hardware: {'; '.join(_bf16_units()) or 'no'}")
    with torch.inference_mode():
        works = _works(TINY if asked.tiny else REAL)
        secs = measure(works, asked.rounds)
    base = statistics.median(secs[next(iter(secs))])
    for name, found in secs.items():
        middle = statistics.median(found)
        each = " ".join(f"{one:.2f}" for one in found)
        print(f"{name:36}{middle:8.2f} CPU s a crop{base / middle:7.2f} x   ({each})", flush=True)


def measure(works: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each work in each round, the first of which is thrown away."""
    secs: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            start = time.process_time()
            work()
            took = time.process_time() - start
            print(f"  round {number}: {name}: {took:.2f}", flush=True)
            if number:
                secs[name].append(took)
    return secs


def _works(architecture: Any) -> dict[str, Callable[[], Any]]:
    networks = random_networks(architecture, torch.device("cpu"), torch.float32)
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 8, 32, 32, generator=generator)
    tokens = torch.randn(1, 50, architecture.token_width, generator=generator)
    return {name: _work(networks, latents, tokens, *way) for name, way in WAYS.items()}


def _work(networks: Any, latents: Any, tokens: Any, dtype: Any, layout: Any) -> Callable[[], Any]:
    unet, vae = (
        torch.nn.Module.to(copy.deepcopy(each), dtype, memory_format=layout)
        for each in (networks.unet, networks.vae)
    )
    own = replace(networks, unet=unet, vae=vae, draft=None)
    given = latents.to(dtype).contiguous(memory_format=layout)
    return lambda: decode(own, given, tokens.to(dtype))


def _bf16_units() -> list[str]:
    units = {
        "AVX512-BF16": torch.cpu._is_avx512_bf16_supported,  # noqa: SLF001 - there is no public name
        "AMX": torch.cpu._is_amx_tile_supported,  # noqa: SLF001 - there is no public name
    }
    return [name for name, has in units.items() if has()]


if __name__ == "__main__":
    main()
