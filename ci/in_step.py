"""Sound and pictures of joined videos: how far apart a flash and its click are, in frames.

For every frame rate with every sound (MP3 and AAC, 44.1 and 48 kHz, copied and encoded), 64 rows:

- short videos, each with its own sound: at the start and at the end;
- ten hours: eight videos, one of each rate, each with another one of the sounds. Every recording
  has the clicks of all eight, at moments of their own, so that eight videos give 64 rows: the flash
  in the video of the rate, its click in the video with the sound. Both are read from finished
  files, and each sound is decoded and encoded once. What the tracks of a file could do to one
  another, which is where they begin, the short videos and the rows of one file (`*`) show.

Ten hours are the longest recording that is taken; the videos end some seconds before.

Fails where a flash and its click are half a frame or more apart.

    python ci/in_step.py [--hours 10] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from fractions import Fraction
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/video"))

from flash_and_click import RATES, SOUNDS, Film, heard, joined, make_film, make_recording, seen

Kind = tuple[str, int, bool]
KINDS: list[Kind] = [
    (suffix, rate, is_copied)
    for is_copied, suffix, rate in product((True, False), SOUNDS, (44_100, 48_000))
]
"""Those that are copied first: they take less."""
HEAD = f"{'fps':>7} {'sound':>5} {'Hz':>6} {'made':>7} {'hours':>6} {'start':>9} {'end':>9}  frames"
_APART = Fraction(1, 10)
"""Seconds; half of what lies between two clicks, at least."""


def row(name: str, film: Film, kind: Kind, shown: Path, sounding: Path) -> bool:
    """Print how far apart they are in two files, or in one; whether it is in step."""
    apart = []
    for moment in film.moments:
        flash, click = seen(shown, moment - _APART), heard(sounding, moment - _APART)
        assert flash == moment, "a flash at another frame"
        apart.append(float((click - flash) * film.fps))
    suffix, rate, is_copied = kind
    made = "copied" if is_copied else "encoded"
    hours = float(sum(part.frames for part in film.parts) / film.fps / 3600)
    cells = f"{name:>7} {suffix:>5} {rate:>6} {made:>7} {hours:6.3f}"
    is_one = "*" * (shown == sounding)
    print(f"{cells} {apart[0]:+9.4f} {apart[1]:+9.4f} {is_one}", flush=True)
    return all(abs(each) < 0.5 for each in apart)


def short_rows(folder: Path) -> list[bool]:
    """Each rate with each sound in a file of its own."""
    good = []
    for name, fps in RATES.items():
        film = make_film(folder, fps, 8)
        for kind in KINDS:
            recording = make_recording(folder / f"a.{kind[0]}", kind[1], film)
            output = joined(film, recording, folder / "o.mp4", is_copied=kind[2])
            good.append(row(name, film, kind, output, output))
    return good


def long_rows(folder: Path, hours: float) -> list[bool]:
    """One file for each rate, and for each sound."""
    films: list[Film] = []
    for fps in RATES.values():
        tries = (make_film(folder, fps, 3600 * hours - 5, first / 8) for first in range(8, 30))
        films.append(next(film for film in tries if _is_apart(film, films)))
    good: list[bool] = []
    made: list[tuple[str, Film, Kind, Path]] = []
    for number, (name, film, kind) in enumerate(zip(RATES, films, KINDS, strict=True)):
        recording = make_recording(folder / f"a.{kind[0]}", kind[1], *films)
        output = joined(film, recording, folder / f"{number}.mp4", is_copied=kind[2])
        for other in made:
            good.append(row(*other[:2], kind, other[3], output))
            good.append(row(name, film, other[2], output, other[3]))
        good.append(row(name, film, kind, output, output))
        made.append((name, film, kind, output))
    return good


def _is_apart(film: Film, others: list[Film]) -> bool:
    """Whether its clicks can be told from those of the others."""
    pairs = (zip(film.moments, other.moments, strict=True) for other in others)
    return all(abs(one - other) > 2 * _APART for ends in pairs for one, other in ends)


def main() -> int:
    """Measure all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=10)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as made:
        print(HEAD)
        good = [*short_rows(Path(made)), *long_rows(Path(made), asked.hours)]
    print(f"{sum(good)} of {len(good)} are in step; {time.process_time():.0f} s of CPU")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
