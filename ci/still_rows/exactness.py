"""Composed streams of random sizes, settings and worst-case motion: every sample as it should be.

Each case is decoded with frame, slice and no threading: the band's rows have to be those of the
band alone, the others those of the first frame, in every stream of which all pictures are proven.
Pictures that are not proven are counted, and those that differ in such streams: there the program
compares and encodes again. A seed gives the same cases again. Fails if a sample of a proven stream
differs.

    python ci/still_rows/exactness.py [--cases N] [--seed N]
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests/video"))

from band_streams import (
    BACKGROUNDS,
    NO_B,
    THREADING,
    Paint,
    compare,
    decode,
    encode,
    layout_of,
    noise,
    running,
    settings,
    still_rows,
)

from musetalk_fast.kernels.h264 import Layout

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow")
REORDERING = (NO_B, "", ":bframes=3:b-adapt=0", ":bframes=8:b-pyramid=strict", ":weightp=2:ref=4")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    count: Counter[str] = Counter()
    for number in range(asked.cases):
        _case(random.Random(f"{asked.seed} {number}"), number, count)
    print(", ".join(f"{count[name]} {name}" for name in sorted(count)))
    return 1 if count["wrong pictures"] else 0


def _case(rng: random.Random, number: int, count: Counter[str]) -> None:
    width, height = 2 * rng.randint(42, 120), 2 * rng.randint(100, 240)
    background = rng.choice(list(BACKGROUNDS))
    avatar = BACKGROUNDS[background](width, height)
    changes = rng.randint(8, 64)
    top = rng.choice((0, height - changes, rng.randint(0, height - changes)))
    layout = layout_of(avatar, top, changes)
    if layout.rows == layout.total_rows or layout.rows < 2 * layout.guard_rows:
        count["cases without a band"] += 1
        return
    params = f"{rng.choice(REORDERING)}:cabac={rng.randint(0, 1)}"
    preset, crf = rng.choice(PRESETS), rng.choice(("10", "18", "23", "30", "40"))
    encoder = replace(settings(preset, params, crf=crf), threads=rng.choice((1, 1, 2, 3)))
    still = still_rows(encoder, avatar, layout)
    paint, motion = _paint(rng, layout, top, changes)
    segment = encode(encoder, still, avatar, paint, rng.randint(1, 24))
    count["cases"] += 1
    count["pictures"] += len(segment.packets)
    count["pictures not proven"] += len(segment.unproven)
    stream = still.headers + segment.data
    found = [compare(decode(stream, *threads), [segment], layout) for threads in THREADING]
    wrong = max(len({*each.band, *each.still}) for each in found)
    count["wrong pictures caught" if segment.unproven else "wrong pictures"] += wrong
    if wrong or segment.unproven:
        case = f"{width}x{height}, {background}, {preset}, crf {crf}, {params}, {motion}"
        print(f"case {number}: {case}, {layout}: not proven {segment.unproven}; {found[0]}")


def _paint(rng: random.Random, layout: Layout, top: int, height: int) -> tuple[Paint, str]:
    step = rng.choice((None, 8, 30, -30, 40, rng.randint(-60, 60)))
    if step is None:
        return noise(layout, top, height, rng.getrandbits(16)), "noise"
    return running(layout, top, height, step), f"{step} pixels a frame"


if __name__ == "__main__":
    sys.exit(main())
