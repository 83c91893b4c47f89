"""Curves of size and quality over CRF: of the whole picture as it is, and of the band.

Appends one JSON object per scene and encode to a file; what stands there is not measured again.
`fit.py` makes the table of `musetalk_fast/video/band_quality.py` of it.

    python ci/still_rows/calibrate.py OUT [--frames N] [--presets a,b] [--framings 512x512@1,...]
        [--whole q,...] [--band q,...] [--ipratio r,...] [--check] [--portraits FILE ...]
        [--only NAME,...]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

from encoding import BASE, Encoded, encode_band, encode_whole, measure, settings, truth_of
from scenes import PORTRAITS, Framing, Scene, make_scenes

from musetalk_fast.video.band_quality import band_quality

FRAMINGS = (
    Framing(512, 512, 1.0),
    Framing(512, 512, 0.7),
    Framing(512, 512, 1.8),
    Framing(256, 256, 1.0),
    Framing(1920, 1080, 1.0),
    Framing(1920, 1080, 0.8),
    Framing(1080, 1920, 1.0),
)
_BAND = {
    "ultrafast": "7,10,13,16,19,22",
    "superfast": "7,10,13,16,19,22,25",
}
_BAND_ELSE = "14,17,20,23,26,29,32"


def main() -> None:
    asked = _arguments().parse_args()
    lines = asked.out.read_text().splitlines() if asked.out.exists() else []
    done = {_key(json.loads(line)) for line in lines}
    names = {**PORTRAITS, **{path.stem: path for path in map(Path, asked.portraits)}}
    portraits = {p: names[p] for p in asked.only.split(",")} if asked.only else names
    with asked.out.open("a") as out:
        for framing in FRAMINGS:
            if framing.name in asked.framings.split(","):
                for name, path in portraits.items():
                    for scene in make_scenes(name, path, framing, asked.frames):
                        for row in _rows(scene, asked, done):
                            print(json.dumps(row), file=out, flush=True)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--presets", default="ultrafast,superfast,veryfast,faster,fast,medium,slow")
    parser.add_argument("--framings", default="512x512@1")
    parser.add_argument("--whole", default="16,20,24,28")
    parser.add_argument("--band", help="CRFs of the band")
    parser.add_argument("--ipratio", default="1.4,1.7,2.1")
    parser.add_argument("--check", action="store_true", help="only what the table says")
    parser.add_argument("--portraits", nargs="*", default=[], help="files beside the two examples")
    parser.add_argument("--only", help="names of portraits, with commas")
    return parser


def _key(row: dict[str, object]) -> tuple[object, ...]:
    return tuple(row[each] for each in ("scene", "preset", "crf", "ipratio", "frames"))


def _rows(
    scene: Scene, asked: argparse.Namespace, done: set[tuple[object, ...]]
) -> Iterator[dict[str, object]]:
    truth = truth_of(scene)
    for preset in asked.presets.split(","):
        for crf, ipratio in _cases(preset, asked):
            row: dict[str, object] = {"scene": scene.name, "preset": preset, "crf": crf}
            row |= {"ipratio": ipratio, "frames": len(scene.crops)}
            if _key(row) not in done:
                began = time.process_time()
                stream = _encode(scene, preset, crf, ipratio)
                row["cpu"] = round(time.process_time() - began, 3)
                row |= {"bytes": stream.size, "first": stream.first, "alarms": stream.alarms}
                yield row | vars(measure(scene, stream, truth))


def _cases(preset: str, asked: argparse.Namespace) -> list[tuple[float, float]]:
    """CRF and ipratio; 0 of the whole picture."""
    wholes = [int(crf) for crf in asked.whole.split(",")]
    cases = [(float(crf), 0.0) for crf in wholes]
    if asked.check:
        made = [band_quality(preset, crf) for crf in wholes]
        return cases + [(quality.crf, quality.ipratio) for quality in made if quality]
    band = (asked.band or _BAND.get(preset, _BAND_ELSE)).split(",")
    return cases + [(float(q), float(r)) for r in asked.ipratio.split(",") for q in band]


def _encode(scene: Scene, preset: str, crf: float, ipratio: float) -> Encoded:
    """As a whole if there is no `ipratio`."""
    if not ipratio:
        return encode_whole(scene, settings(preset, crf))
    return encode_band(scene, settings(preset, crf, f"{BASE}:ipratio={ipratio:g}"))


if __name__ == "__main__":
    main()
