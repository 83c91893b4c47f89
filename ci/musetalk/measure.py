"""How fast the networks make crops here, against a plain loop; see `ci/gpu.sh`.

The plain loop is what the published scripts do: half precision in the default memory format, the
time embedding computed anew, and the decoded picture brought to the CPU as float32 numbers.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from musetalk_fast.engines.musetalk.accelerator import (
    Accelerator,
    DeviceChoice,
    Half,
    choose_accelerator,
)
from musetalk_fast.engines.musetalk.architecture import MUSETALK, SCALING_FACTOR, Architecture
from musetalk_fast.engines.musetalk.crop_maker import CropMaker, decode
from musetalk_fast.engines.musetalk.latents import LatentEncoder
from musetalk_fast.engines.musetalk.networks import (
    Networks,
    build_draft,
    build_networks,
    fold_time,
)
from musetalk_fast.engines.musetalk.recording import WINDOW_SAMPLES
from musetalk_fast.engines.musetalk.speech_encoder import SpeechEncoder
from musetalk_fast.errors import DeviceMemoryError, MemoryLimitError

PEAKS = {"H200": 989, "H100": 989, "A100": 312, "L40": 181, "4090": 165, "3090": 71, "V100": 125}
"""Dense half-precision TFLOP/s by NVIDIA's data sheets."""

_STAGE_BATCH = 8
_TINY_UNET = {
    "block_out_channels": [32, 32, 64, 64],
    "norm_num_groups": 16,
    "layers_per_block": 1,
    "cross_attention_dim": 32,
    "attention_head_dim": 4,
}
_TINY_VAE = {"block_out_channels": [16, 16, 32, 32], "norm_num_groups": 8, "layers_per_block": 1}
_TINY_WHISPER = {"d_model": 32, "encoder_attention_heads": 2, "encoder_ffn_dim": 64}
TINY = Architecture(
    {**MUSETALK.unet, **_TINY_UNET},
    {**MUSETALK.vae, **_TINY_VAE},
    {**MUSETALK.whisper, **_TINY_WHISPER},
    {**MUSETALK.draft, "decoder_block_out_channels": [8] * 4},
)


class Bench:
    """The networks, and what they work on."""

    def __init__(self, accelerator: Accelerator, architecture: Architecture, repeats: int) -> None:
        self.accelerator = accelerator
        self.repeats = repeats
        self.width = architecture.token_width
        built = (*build_networks(architecture), build_draft(architecture))
        unet, vae, whisper, self.draft = (_random(each, accelerator) for each in built)
        self.plain = Networks(unet, vae, whisper.float(), self.width, "", "")

    def ours(self, memory_format: Any = torch.channels_last) -> Networks:
        """The networks as the engine has them."""
        own = self.plain
        fold_time(torch.nn.Module.to(own.unet, "cpu", torch.float32))
        for network in (own.unet, own.vae, self.draft):
            torch.nn.Module.to(
                network,
                self.accelerator.device,
                self.accelerator.dtype,
                memory_format=memory_format,
            )
        return own

    def inputs(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Latents and tokens."""
        rng = np.random.default_rng(0)
        latents = rng.normal(size=(count, 8, 32, 32)).astype(np.float16)
        return latents, rng.normal(size=(count, 50, self.width)).astype(np.float32)

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
        if self.accelerator.gpu_name is not None:
            torch.cuda.synchronize()


def main() -> None:
    """Print all rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--half", choices=["auto", "fp16", "bf16", "off"], default="auto")
    parser.add_argument("--tiny", action="store_true", help="small networks, for a CPU")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 16, 20, 32, 64])
    parser.add_argument("--plain-batches", type=int, nargs="+", default=[8, 20])
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--peak-tflops", type=float, help="of this device, half precision, dense")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    accelerator = choose_accelerator(DeviceChoice(asked.device), Half(asked.half), _STAGE_BATCH)
    bench = Bench(accelerator, TINY if asked.tiny else MUSETALK, asked.repeats)
    with torch.inference_mode():
        rows = [plain_row(bench, batch) for batch in asked.plain_batches]
        published = plain_crops(bench, _STAGE_BATCH)()
        networks = bench.ours()
        away = difference(bench, networks, published)
        flops = count_flops(bench, networks)
        rows += [row for batch in asked.batches if (row := own_row(bench, networks, batch))]
        drafts = replace(networks, draft=bench.draft)
        rows += [own_row(bench, drafts, batch, "draft") for batch in asked.plain_batches]
        rows += variants(bench, networks) + stages(bench, networks)
        rows = [row for row in rows if row]
        draft_flops = count_flops(bench, drafts)
    peak = asked.peak_tflops or _peak(accelerator.gpu_name)
    report = finish(rows, flops, draft_flops, peak) | {
        "levels_away_from_plain": away,
        "device": accelerator.gpu_name or "CPU",
        "numbers": accelerator.numbers,
        "torch": torch.__version__,
        "networks": "tiny" if asked.tiny else "real shapes, random weights",
    }
    show(report)
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1))


def plain_row(bench: Bench, batch: int) -> dict[str, Any]:
    """The loop of the published scripts."""
    secs = bench.secs(plain_crops(bench, batch))
    return {"what": f"plain loop, batch {batch}", "batch": batch, "secs": secs}


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


def difference(bench: Bench, networks: Networks, published: list[np.ndarray]) -> dict[str, float]:
    """How far the engine's crops are from the plain loop's, in levels of 255."""
    given = bench.accelerator
    maker = CropMaker(networks, replace(given, batch=len(published)))
    crops = maker.make(*bench.inputs(len(published)))
    away = np.abs(crops.astype(int) - np.stack(published)[..., ::-1])
    return {"mean": float(away.mean()), "most": float(away.max())}


def own_row(
    bench: Bench, networks: Networks, batch: int, name: str = "engine"
) -> dict[str, Any] | None:
    """The engine's own loop, from latents in memory to crops in memory: two runs a call."""
    given = bench.accelerator
    maker = CropMaker(networks, replace(given, batch=batch))
    count = batch if given.gpu_name is None else 2 * batch
    latents, tokens = bench.inputs(count)
    if given.gpu_name is not None:
        torch.cuda.reset_peak_memory_stats()
    try:
        secs = bench.secs(lambda: maker.make(latents, tokens)) * batch / count
    except (DeviceMemoryError, MemoryLimitError):
        return None
    if maker.batch != batch:
        return None
    row = {"what": f"{name}, batch {batch}", "batch": batch, "secs": secs}
    if given.gpu_name is not None:
        row["peak_mib"] = round(torch.cuda.max_memory_allocated() / 2**20)
    return row


def stages(bench: Bench, networks: Networks) -> list[dict[str, Any]]:
    """U-Net, decoder, encoder and Whisper by themselves."""
    device, dtype = bench.accelerator.device, bench.accelerator.dtype
    latents, tokens = (
        torch.from_numpy(each).to(device, dtype) for each in bench.inputs(_STAGE_BATCH)
    )
    latents = latents.contiguous(memory_format=torch.channels_last)
    step = torch.zeros(1, device=device)
    painted = latents[:, :4].contiguous(memory_format=torch.channels_last)
    faces = list(np.random.default_rng(1).integers(0, 256, (_STAGE_BATCH, 256, 256, 3), np.uint8))
    sound = np.random.default_rng(1).normal(size=WINDOW_SAMPLES).astype(np.float32) / 9
    encoder = LatentEncoder(networks, bench.accelerator)
    speech = SpeechEncoder(networks.whisper, device)
    works: dict[str, Callable[[], Any]] = {
        f"U-Net, batch {_STAGE_BATCH}": lambda: networks.unet(
            latents, step, encoder_hidden_states=tokens
        ),
        f"VAE decoder, batch {_STAGE_BATCH}": lambda: networks.vae.decode(painted),
        f"draft decoder, batch {_STAGE_BATCH}": lambda: bench.draft(painted),
        f"VAE encoder, {_STAGE_BATCH} faces": lambda: encoder.encode(faces),
        "log-mel and Whisper, 30 s": lambda: speech.encode(sound),
    }
    rows = [{"what": name, "secs": bench.secs(work)} for name, work in works.items()]
    unet, decoder = rows[0]["secs"], rows[1]["secs"]
    rows[0]["share_of_both"] = unet / (unet + decoder)
    rows[1]["share_of_both"] = decoder / (unet + decoder)
    return rows


def variants(bench: Bench, networks: Networks) -> list[dict[str, Any]]:
    """What might be faster: each is tried alone, on the device only, at batch 16."""
    if bench.accelerator.gpu_name is None:
        return []
    device, dtype = bench.accelerator.device, bench.accelerator.dtype
    latents, tokens = (torch.from_numpy(each).to(device, dtype) for each in bench.inputs(16))
    latents = latents.contiguous(memory_format=torch.channels_last)

    def run() -> Any:
        return decode(networks, latents, tokens)

    rows = [{"what": "device only, batch 16", "batch": 16, "secs": bench.secs(run)}]
    torch.backends.cudnn.benchmark = True
    rows.append({"what": "  cudnn.benchmark", "batch": 16, "secs": bench.secs(run)})
    torch.backends.cudnn.benchmark = False
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    rows.append({"what": "  CUDA graph", "batch": 16, "secs": bench.secs(graph.replay)})
    compiled = torch.compile(run)
    rows.append({"what": "  torch.compile", "batch": 16, "secs": bench.secs(compiled)})
    return rows


def count_flops(bench: Bench, networks: Networks) -> float:
    """Of one crop, U-Net and decoder."""
    device, dtype = bench.accelerator.device, bench.accelerator.dtype
    latents, tokens = (torch.from_numpy(each).to(device, dtype) for each in bench.inputs(1))
    with FlopCounterMode(display=False) as counter:
        decode(networks, latents, tokens)
    return float(counter.get_total_flops())


def finish(
    rows: list[dict[str, Any]], flops: float, draft_flops: float, peak: float | None
) -> dict[str, Any]:
    """Crops a second, the ratio to the better plain loop, and the share of the peak."""
    plain = max(row["batch"] / row["secs"] for row in rows if row["what"].startswith("plain"))
    for row in rows:
        if "batch" in row:
            rate = row["crops_a_second"] = row["batch"] / row["secs"]
            row["ratio"] = rate / plain
            if peak:
                own = draft_flops if row["what"].startswith("draft") else flops
                row["share_of_peak"] = rate * own / (peak * 1e12)
    return {
        "gflop_a_crop": flops / 1e9,
        "gflop_a_draft": draft_flops / 1e9,
        "peak_tflops": peak,
        "rows": rows,
    }


def show(report: dict[str, Any]) -> None:
    """The table."""
    print(
        *(f"{name}: {report[name]}" for name in ("device", "numbers", "torch", "networks")),
        sep="\n",
    )
    away = report["levels_away_from_plain"]
    print(
        f"crops against the plain loop's: {away['mean']:.3f} levels on average, {away['most']:.0f}"
    )
    print(f"GFLOP a crop: {report['gflop_a_crop']:.1f}, a draft: {report['gflop_a_draft']:.1f}")
    print(f"peak TFLOP/s: {report['peak_tflops']}\n")
    print(f"{'':28}{'ms':>10}{'crops/s':>10}{'ratio':>8}{'peak':>8}{'of both':>8}{'MiB':>8}")
    for row in report["rows"]:
        rate, ratio, share = (row.get(key) for key in ("crops_a_second", "ratio", "share_of_peak"))
        both = row.get("share_of_both")
        print(
            f"{row['what']:28}{row['secs'] * 1000:10.2f}"
            f"{f'{rate:.1f}' if rate else '':>10}{f'{ratio:.2f}' if ratio else '':>8}"
            f"{f'{share:.1%}' if share else '':>8}{f'{both:.0%}' if both else '':>8}"
            f"{row.get('peak_mib', ''):>8}"
        )


def _random(network: Any, accelerator: Accelerator) -> Any:
    """Small random numbers in place of weights; scales of norms are 1."""
    network.to_empty(device=accelerator.device)
    generator = torch.Generator(accelerator.device).manual_seed(0)
    for name, tensor in network.state_dict().items():
        if "norm" in name and name.endswith("weight"):
            tensor.fill_(1)
        else:
            spread = tensor[0].numel() ** -0.5 if tensor.dim() > 1 else 0.02
            tensor.normal_(0, spread, generator=generator)
    network.requires_grad_(requires_grad=False).eval()
    return torch.nn.Module.to(network, accelerator.dtype)


def _peak(gpu_name: str | None) -> float | None:
    return next((peak for name, peak in PEAKS.items() if name in (gpu_name or "")), None)


if __name__ == "__main__":
    main()
