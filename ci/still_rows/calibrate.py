"""Which CRF of the band has the mouth quality of a CRF of the whole picture, and at which size.

Prints one JSON object per scene, preset, CRF and variant: bytes and mouth PSNR of the whole
picture, the band's CRF of equal mouth PSNR (interpolated between two), and its bytes then.

    python ci/still_rows/calibrate.py [--frames N] [--presets a,b] [--crf q,...] [--scenes TEXT]
"""

from __future__ import annotations

import argparse
import json
import math

from encoding import (
    BASE,
    NO_B,
    Measure,
    encode_band,
    encode_whole,
    measure,
    originals,
    settings,
)
from scenes import PORTRAITS, Framing, Scene, make_scene

FRAMINGS = (
    Framing(512, 512, 1.0),
    Framing(512, 512, 0.7),
    Framing(1920, 1080, 1.0),
    Framing(1920, 1080, 0.8),
    Framing(1080, 1920, 1.0),
)
IPRATIO = {"ultrafast": 1.6, "superfast": 1.6, "medium": 1.9, "slow": 1.9}
VARIANTS = {"B3": "", "B0": NO_B}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=125)
    parser.add_argument("--presets", default="ultrafast,superfast,veryfast,faster,fast,medium")
    parser.add_argument("--crf", default="20")
    parser.add_argument("--scenes", default="")
    asked = parser.parse_args()
    for framing in FRAMINGS:
        for portrait in PORTRAITS:
            for flickers in (False, True):
                name = f"{portrait} {framing.name} {'flicker' if flickers else 'preview'}"
                if asked.scenes in name:
                    scene = make_scene(portrait, framing, flickers, asked.frames)
                    _scene(scene, asked)


def _scene(scene: Scene, asked: argparse.Namespace) -> None:
    count = asked.frames
    truth = originals(scene, count)
    for preset in asked.presets.split(","):
        for crf in map(float, asked.crf.split(",")):
            stream, size = encode_whole(scene, settings(preset, crf), count)
            whole = measure(scene, stream, size, truth)
            for variant, more in VARIANTS.items():
                row = _equal(
                    scene, preset, crf, f":ipratio={IPRATIO.get(preset, 1.5)}{more}", whole, truth
                )
                print(
                    json.dumps(
                        {
                            "scene": scene.name,
                            "preset": preset,
                            "crf": crf,
                            "variant": variant,
                            "whole": vars(whole),
                            **row,
                        }
                    ),
                    flush=True,
                )


def _equal(
    scene: Scene, preset: str, crf: float, more: str, whole: Measure, truth: list
) -> dict[str, object]:
    tried: list[tuple[float, Measure]] = []
    at = crf - 6 if preset == "ultrafast" else crf + 1.5
    for _ in range(3):
        stream, size, alarms = encode_band(scene, settings(preset, at, BASE + more), len(truth))
        tried.append((at, measure(scene, stream, size, truth, alarms)))
        if len(tried) == 1:
            at = max(1.0, at + 2 * (tried[0][1].mouth - whole.mouth) / 1.0)
        else:
            (a, one), (b, other) = tried[-2:]
            if abs(other.mouth - whole.mouth) < 0.05 or a == b or one.mouth == other.mouth:
                break
            at = max(1.0, b + (whole.mouth - other.mouth) * (b - a) / (other.mouth - one.mouth))
        if abs(at - tried[-1][0]) < 0.1:
            break
    best, made = min(tried, key=lambda each: abs(each[1].mouth - whole.mouth))
    # Bytes change by about 12 % with each dB near there.
    equal = made.bytes * math.exp(0.12 * (whole.mouth - made.mouth))
    return {
        "band_crf": round(best, 2),
        "mouth_difference": round(made.mouth - whole.mouth, 3),
        "bytes_ratio": round(equal / whole.bytes, 3),
        "rest_difference": round(made.rest - whole.rest, 2),
        "alarms": made.alarms,
    }


if __name__ == "__main__":
    main()
