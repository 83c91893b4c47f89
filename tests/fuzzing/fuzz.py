"""Random and damaged input for every decoder; a seed gives the same inputs again.

`python tests/fuzzing/fuzz.py --seconds 60 --seed 7` prints cases by decoder. It fails with the
first input that is neither decoded nor refused by the decoder's own error, and says where that
input is: `--replay FILE` feeds it again.
"""

from __future__ import annotations

import argparse
import random
import secrets
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import file_targets
import h264_targets
import kernel_targets
import part_targets
import picture_targets
import wire_targets
from mutation import mutated
from target import Target

TARGETS: tuple[Target, ...] = (
    *kernel_targets.TARGETS,
    *picture_targets.TARGETS,
    *part_targets.TARGETS,
    *h264_targets.TARGETS,
    *wire_targets.TARGETS,
    *file_targets.TARGETS,
)
FOLDER = Path("build/fuzz")
_VALID, _SEALED = 0.1, 0.7
"""How many inputs stay as they were made, and how many others get right checksums."""


_WORDS = {True: "accepted", False: "refused", None: "failed on"}


@dataclass
class Tally:
    """What became of a decoder's cases."""

    cases: int = 0
    accepted: int = 0
    secs: float = 0.0


class Fuzz:
    """Cases of one seed. The input of the case that is on stands in `folder`, for a process killed.

    Attributes:
        tallies: by decoder.
    """

    def __init__(self, seed: int, folder: Path, targets: Sequence[Target] = TARGETS) -> None:
        self._seed = seed
        self._folder = folder
        self.tallies = {target.name: Tally() for target in targets}
        folder.mkdir(parents=True, exist_ok=True)
        self._on = (folder / "on.hex").open("w", encoding="ascii")

    def close(self) -> None:
        """No case is on any more."""
        self._on.close()
        (self._folder / "on.hex").unlink(missing_ok=True)

    def case(self, target: Target, number: int) -> Path | None:
        """Feed the case of that number; the file of its input if it is a finding."""
        began, tally = time.perf_counter(), self.tallies[target.name]
        data = input_of(target, self._seed, number)
        lines = f"# {target.name}, seed {self._seed}, case {number}\n{data.hex()}\n"
        self._on.seek(0)
        self._on.truncate()
        self._on.write(lines)
        self._on.flush()
        accepted = is_accepted(target, data)
        tally.secs += time.perf_counter() - began
        tally.cases += 1
        tally.accepted += accepted is True
        if accepted is not None:
            return None
        path = self._folder / f"{target.name}-{self._seed}-{number}.hex"
        path.write_text(lines, encoding="ascii")
        return path

    def table(self) -> str:
        """The tallies, for people."""
        rows = [f"{'decoder':10}{'cases':>9}{'accepted':>10}{'refused':>9}{'seconds':>9}"]
        rows += [
            f"{name:10}{t.cases:9}{t.accepted:10}{t.cases - t.accepted:9}{t.secs:9.1f}"
            for name, t in self.tallies.items()
        ]
        return "\n".join(rows)


def input_of(target: Target, seed: int, number: int) -> bytes:
    """The input of a case."""
    rng = random.Random(f"{seed} {target.name} {number}")
    data = target.make(rng)
    if rng.random() < _VALID:
        return data
    data = mutated(rng, data, target.make(rng))
    return target.seal(data) if target.seal and rng.random() < _SEALED else data


def is_accepted(target: Target, data: bytes) -> bool | None:
    """Whether the decoder accepts or refuses the input; None, and a traceback, if it fails."""
    try:
        return target.feed(data)
    except target.expected:
        return False
    except Exception:  # noqa: BLE001 - whatever it is, it is the finding
        traceback.print_exc()
        return None


def run(seed: int, secs: float, folder: Path, targets: Sequence[Target]) -> int:
    """Fuzz for some time, about as long each decoder; the exit code."""
    fuzz, end = Fuzz(seed, folder, targets), time.monotonic() + secs
    try:
        while time.monotonic() < end:
            target = min(targets, key=lambda each: fuzz.tallies[each.name].secs)
            path = fuzz.case(target, fuzz.tallies[target.name].cases)
            if path is not None:
                print(f"{target.name} failed with seed {seed}; its input is {path}", flush=True)
                return 1
    finally:
        fuzz.close()
        print(fuzz.table(), flush=True)
    return 0


def main() -> int:
    """Read the command line and fuzz."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--decoder", choices=[target.name for target in TARGETS])
    parser.add_argument("--replay", type=Path, metavar="FILE")
    asked = parser.parse_args()
    if asked.replay is not None:
        head, data = asked.replay.read_text(encoding="ascii").splitlines()
        name = head.removeprefix("# ").partition(",")[0]
        target = next(each for each in TARGETS if each.name == name)
        accepted = is_accepted(target, bytes.fromhex(data))
        print(f"{name} {_WORDS[accepted]} it")
        return 1 if accepted is None else 0
    seed = secrets.randbelow(1 << 31) if asked.seed is None else asked.seed
    print(f"seed {seed}", flush=True)
    targets = [each for each in TARGETS if asked.decoder in (None, each.name)]
    return run(seed, asked.seconds, asked.folder, targets)


if __name__ == "__main__":
    sys.exit(main())
