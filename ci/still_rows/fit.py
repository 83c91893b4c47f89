"""What `calibrate.py` measured becomes a table: CRF and ipratio of a band for a CRF of the whole.

For each preset and CRF: of the ratios at which the picture around the mouth is not visibly worse,
the one with the fewest bytes at the mouth PSNR of the whole picture, on average over all scenes.
With `--check`, what the table of `musetalk_fast/video/band_quality.py` gives on other scenes.

    python ci/still_rows/fit.py FILE... [--scenes TEXT] [--check] [--ipratio R]
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.types import PRESETS
from musetalk_fast.video.band_quality import band_quality

GOP = 250
"""Frames of a segment: bytes are those of so many, and the first frame's count once."""
_RATIOS = [1 + each / 10 for each in range(4, 15)]
_REST = -0.3
"""dB that the picture around the mouth may lose on average."""


class Point(NamedTuple):
    """An encode: dB, and natural logarithm of bytes."""

    mouth: float
    rest: float
    bytes: float
    alarms: float


@dataclass
class Curves:
    """What was measured of a scene with a preset."""

    whole: dict[float, Point] = field(default_factory=dict)
    band: dict[float, dict[float, Point]] = field(default_factory=lambda: defaultdict(dict))

    def at(self, crf: float, ipratio: float) -> Point | None:
        """Between what was measured; None beyond it."""
        below = [ratio for ratio in self.band if ratio <= ipratio]
        above = [ratio for ratio in self.band if ratio >= ipratio]
        if not below or not above:
            return None
        ratios = (max(below), min(above))
        low, high = (_between(self.band[ratio], crf) for ratio in ratios)
        if low is None or high is None:
            return None
        where = np.log2(ratios)
        columns = zip(low, high, strict=True)
        return Point(*(float(np.interp(math.log2(ipratio), where, c)) for c in columns))


def _between(curve: dict[float, Point], crf: float) -> Point | None:
    knots = sorted(curve)
    if not knots[0] <= crf <= knots[-1]:
        return None
    return Point(
        *(float(np.interp(crf, knots, c)) for c in zip(*(curve[k] for k in knots), strict=True))
    )


class Result(NamedTuple):
    """The band against the whole picture: dB, and ratio of bytes."""

    mouth: float
    rest: float
    bytes: float
    alarms: float


def read(paths: Iterable[Path], scenes: str) -> dict[str, dict[str, Curves]]:
    """By preset and scene."""
    made: dict[str, dict[str, Curves]] = defaultdict(lambda: defaultdict(Curves))
    for line in itertools.chain.from_iterable(path.read_text().splitlines() for path in paths):
        row = json.loads(line)
        if scenes in row["scene"]:
            frames = row["frames"]
            rest = (row["bytes"] - row["first"]) * (GOP - 1) / (frames - 1)
            size = math.log(row["first"] + rest)
            point = Point(row["mouth"], row["rest"], size, row["alarms"])
            curves = made[row["preset"]][row["scene"]]
            target = curves.band[row["ipratio"]] if row["ipratio"] else curves.whole
            target[row["crf"]] = point
    return made


def compare(
    scenes: dict[str, Curves], whole: float, crf: float, ipratio: float
) -> NDArray[np.float64] | None:
    """A row per scene, columns as of `Result`; None where a scene was not measured there."""
    rows = []
    for curves in scenes.values():
        if whole in curves.whole:
            wanted, made = curves.whole[whole], curves.at(crf, ipratio)
            if made is None:
                return None
            ratio = math.exp(made.bytes - wanted.bytes)
            rows.append(
                Result(made.mouth - wanted.mouth, made.rest - wanted.rest, ratio, made.alarms)
            )
    return np.array(rows) if rows else None


def best(
    scenes: dict[str, Curves], whole: float, ipratios: Sequence[float]
) -> tuple[float, float] | None:
    """CRF and ipratio of the band."""
    found = []
    for ipratio in ipratios:
        equal = []
        for crf in np.arange(5, 32, 0.1).round(1):
            rows = compare(scenes, whole, float(crf), ipratio)
            if rows is not None:
                equal.append((abs(rows[:, 0].mean() - 0.03), float(crf), rows))
        if equal:
            off, crf, rows = min(equal, key=lambda each: each[0])
            if off < 0.1 and rows[:, 1].mean() >= _REST:
                found.append((float(rows[:, 2].mean()), crf, ipratio))
    if not found:
        return None
    _, crf, ipratio = min(found)
    return crf, ipratio


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--scenes", default="")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--ipratio", type=float, help="that one only")
    asked = parser.parse_args()
    measured = read(asked.files, asked.scenes)
    print(
        "| preset | CRF | band | ipratio | mouth dB (least, most) | rest (least) | bytes (most) |"
    )
    print("|---|---|---|---|---|---|---|")
    for preset in sorted(measured, key=PRESETS.index):
        scenes = measured[preset]
        for whole in sorted({crf for curves in scenes.values() for crf in curves.whole}):
            if asked.check:
                quality = band_quality(preset, int(whole))
                chosen = (quality.crf, quality.ipratio) if quality else None
            else:
                chosen = best(scenes, whole, [asked.ipratio] if asked.ipratio else _RATIOS)
            _print(preset, whole, scenes, chosen)


def _print(
    preset: str, whole: float, scenes: dict[str, Curves], chosen: tuple[float, float] | None
) -> None:
    rows = compare(scenes, whole, *chosen) if chosen else None
    if chosen is None or rows is None:
        print(f"| {preset} | {whole:g} | {chosen} |")
        return
    mouth, rest, size, alarms = rows.T
    print(
        f"| {preset} | {whole:g} | {chosen[0]:g} | {chosen[1]:g} "
        f"| {mouth.mean():+.2f} ({mouth.min():+.2f}, {mouth.max():+.2f}) "
        f"| {rest.mean():+.2f} ({rest.min():+.2f}) "
        f"| {100 * size.mean() - 100:+.0f} % ({100 * size.max() - 100:+.0f} %) |"
        f"{f' {alarms.max():.0f} pictures not proven' if alarms.max() else ''}"
    )


if __name__ == "__main__":
    main()
