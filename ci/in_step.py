"""Sound and pictures of joined videos: how far apart a flash and its click are, in frames.

At the start and at the end of short videos of every frame rate with every sound (MP3 and AAC,
44.1 and 48 kHz, copied and encoded), and of videos of ten hours, one for each frame rate, with
each sound twice copied and once encoded. The two tracks of a file do not depend on each other, so
that the long ones stand for all. Encoding ten hours of AAC takes the better part of an hour, the
rest minutes: `--encoded-hours` shortens that. Fails where a flash and its click are half a frame or
more apart.

    python ci/in_step.py [--hours 10] [--encoded-hours 10] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/video"))

from flash_and_click import RATES, SOUNDS, Film, joined, make_film, make_recording, seen_and_heard

KINDS = [*product(SOUNDS, (44_100, 48_000), (True, False))]
HEAD = f"{'fps':>7} {'sound':>5} {'Hz':>6} {'made':>7} {'hours':>6} {'start':>9} {'end':>9}  frames"


def measured(folder: Path, name: str, film: Film, kind: tuple[str, int, bool]) -> bool:
    """Print a row; whether it is in step."""
    suffix, rate, is_copied = kind
    began = time.monotonic()
    recording = make_recording(folder / f"a.{suffix}", rate, film)
    output = joined(film, recording, folder / "o.mp4", is_copied=is_copied)
    apart = []
    for flash in film.flashes:
        seen, heard = seen_and_heard(output, max(0.0, float(flash / film.fps) - 0.5))
        assert seen == flash / film.fps, "a flash at another frame"
        apart.append(float((heard - seen) * film.fps))
    made = "copied" if is_copied else "encoded"
    hours = float(sum(part.frames for part in film.parts) / film.fps / 3600)
    row = (
        f"{name:>7} {suffix:>5} {rate:>6} {made:>7} {hours:6.3f} {apart[0]:+9.4f} {apart[1]:+9.4f}"
    )
    print(f"{row}  {time.monotonic() - began:.0f} s", flush=True)
    return all(abs(each) < 0.5 for each in apart)


def main() -> int:
    """Measure all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=10)
    parser.add_argument("--encoded-hours", type=float, default=10)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    print(HEAD)
    with tempfile.TemporaryDirectory(dir=asked.folder) as made:
        folder, good = Path(made), []
        for name, fps in RATES.items():
            film = make_film(folder, fps, 4)
            good += [measured(folder, name, film, kind) for kind in KINDS]
        copied = [kind for kind in KINDS if kind[2]]
        for (name, fps), kind in zip(RATES.items(), 2 * copied, strict=True):
            film = make_film(folder, fps, 3600 * asked.hours)
            good.append(measured(folder, name, film, kind))
        encoded = [kind for kind in KINDS if not kind[2]]
        for name, kind in zip(("23.976", "29.97", "50", "59.94"), encoded, strict=True):
            film = make_film(folder, RATES[name], 3600 * asked.encoded_hours)
            good.append(measured(folder, name, film, kind))
    print(f"{sum(good)} of {len(good)} are in step")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
