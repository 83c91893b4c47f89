"""How fast the networks make crops here, against a plain loop; see `ci/gpu.sh`.

The plain loop is what the published scripts do: half precision in the default memory format, the
time embedding computed anew, and the decoded picture brought to the CPU as float32 numbers. The
engine's loop runs kernel by kernel (`eager`), as a recorded CUDA graph (`graph`, what the engine
does on a GPU), and through torch.compile (`compile`). A row that cannot be measured here says why.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from measured_rows import (
    STAGE_BATCH,
    WAYS,
    Bench,
    Row,
    count_flops,
    difference,
    engine_row,
    plain_crops,
    plain_row,
    stage_rows,
)
from networks_under_test import REAL, TINY

from musetalk_fast.engines.musetalk.accelerator import DeviceChoice, Half, choose_accelerator

PEAKS = {"H200": 989, "H100": 989, "A100": 312, "L40": 181, "4090": 165, "3090": 71, "V100": 125}
"""Dense half-precision TFLOP/s by NVIDIA's data sheets."""


def main() -> None:
    """Print all rows."""
    asked = _arguments()
    accelerator = choose_accelerator(DeviceChoice(asked.device), Half(asked.half), STAGE_BATCH)
    bench = Bench(accelerator, TINY if asked.tiny else REAL, asked.repeats)
    with torch.inference_mode():
        rows, others = measure(bench, asked)
    peak = asked.peak_tflops or _peak(accelerator.gpu_name)
    rate(rows, others, peak)
    report = {
        "device": accelerator.gpu_name or "CPU",
        "numbers": accelerator.numbers,
        "torch": torch.__version__,
        "networks": "tiny" if asked.tiny else "real shapes, random weights",
        "peak_tflops": peak,
        **others,
        "rows": rows,
    }
    show(report)
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1))


def measure(bench: Bench, asked: argparse.Namespace) -> tuple[list[Row], dict[str, Any]]:
    """All rows, and what is counted beside them."""
    rows = [plain_row(bench, batch) for batch in asked.plain_batches]
    published = plain_crops(bench, STAGE_BATCH)()
    networks, drafts = bench.ours()
    away = [difference(bench, networks, published, way) for way in asked.ways]
    others = {
        "levels_away_from_plain": away,
        "gflop_a_crop": count_flops(bench, networks) / 1e9,
        "gflop_a_draft": count_flops(bench, drafts) / 1e9,
    }
    for way in asked.ways:
        # A compilation takes minutes: only where it is compared.
        batches = asked.plain_batches if way == "compile" else asked.batches
        rows += [engine_row(bench, networks, batch, way) for batch in batches]
    rows += [
        engine_row(bench, drafts, batch, way)
        for way in asked.ways
        if way != "compile"
        for batch in asked.plain_batches
    ]
    return rows + stage_rows(bench, networks, drafts.draft), others


def rate(rows: list[Row], counted: dict[str, Any], peak: float | None) -> None:
    """Crops a second, the ratio to the better plain loop, and the share of the peak."""
    done = [row for row in rows if "batch" in row]
    plain = [row["batch"] / row["secs"] for row in done if row["what"].startswith("plain")]
    for row in done:
        crops = row["crops_a_second"] = row["batch"] / row["secs"]
        if plain:
            row["ratio"] = crops / max(plain)
        if peak:
            own = "gflop_a_draft" if row["what"].startswith("draft") else "gflop_a_crop"
            row["share_of_peak"] = crops * counted[own] / (peak * 1e3)


def show(report: dict[str, Any]) -> None:
    """The table."""
    for name in ("device", "numbers", "torch", "networks", "peak_tflops"):
        print(f"{name}: {report[name]}")
    print(f"GFLOP a crop: {report['gflop_a_crop']:.1f}, a draft: {report['gflop_a_draft']:.1f}")
    for row in report["levels_away_from_plain"]:
        text = row.get("missing") or f"{row['mean']:.3f} levels on average, {row['most']:.0f}"
        print(f"crops against the plain loop's, {row['what']}: {text}")
    print(f"\n{'':30}{'ms':>10}{'crops/s':>10}{'ratio':>8}{'peak':>8}{'of both':>8}{'MiB':>8}")
    for row in report["rows"]:
        if "missing" in row:
            print(f"{row['what']:30}missing: {row['missing']}")
        else:
            print(f"{row['what']:30}{row['secs'] * 1000:10.2f}{_figures(row)}")


def _figures(row: Row) -> str:
    crops, ratio, share = (row.get(key) for key in ("crops_a_second", "ratio", "share_of_peak"))
    both = row.get("share_of_both")
    return (
        f"{f'{crops:.1f}' if crops else '':>10}{f'{ratio:.2f}' if ratio else '':>8}"
        f"{f'{share:.1%}' if share else '':>8}{f'{both:.0%}' if both else '':>8}"
        f"{row.get('reserved_mib', ''):>8}"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--half", choices=["auto", "fp16", "bf16", "off"], default="auto")
    parser.add_argument("--tiny", action="store_true", help="small networks, for a CPU")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 16, 20, 32, 64])
    parser.add_argument("--plain-batches", type=int, nargs="+", default=[8, 20])
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--peak-tflops", type=float, help="of this device, half precision, dense")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _peak(gpu_name: str | None) -> float | None:
    return next((peak for name, peak in PEAKS.items() if name in (gpu_name or "")), None)


if __name__ == "__main__":
    main()
