"""The fuzzing's short form, its seed fixed; `ci/sanitize.sh` runs the long one under sanitizers."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from fuzz import TARGETS, Fuzz, input_of, run
from mutation import pieces
from target import Target

from musetalk_fast.kernels import native

SEED = 8
CASES = {
    "base64": 400,
    "lines": 120,
    "crc32c": 100,
    "paste": 40,
    "requests": 500,
    "h264": 120,
    "headers": 80,
    "masks": 60,
    "tones": 40,
    "given": 40,
    "rgb": 60,
    "patch": 60,
}
OTHERS = 200

BY_NAME = {target.name: target for target in TARGETS}


@pytest.mark.parametrize("target", TARGETS, ids=BY_NAME)
def test_every_input_is_decoded_or_refused_by_name(target: Target, tmp_path: Path) -> None:
    fuzz, cases = Fuzz(SEED, tmp_path, [target]), CASES.get(target.name, OTHERS)
    for number in range(cases):
        found = fuzz.case(target, number)
        assert found is None, found.read_text()
    fuzz.close()
    assert list(tmp_path.iterdir()) == []
    tally = fuzz.tallies[target.name]
    assert tally.cases == cases
    assert 0 < tally.accepted <= cases
    assert tally.accepted < cases or target.name == "crc32c", "nothing was refused"


@pytest.mark.parametrize("target", TARGETS, ids=BY_NAME)
def test_a_seed_gives_the_same_inputs_again(target: Target) -> None:
    inputs = [input_of(target, SEED, number) for number in range(10)]
    assert inputs == [input_of(target, SEED, number) for number in range(10)]
    assert inputs != [input_of(target, SEED + 1, number) for number in range(10)]


def test_every_kernel_is_fuzzed(monkeypatch: pytest.MonkeyPatch) -> None:
    load, fed = native.load, set()
    monkeypatch.setattr(native, "load", lambda kernel: (fed.add(kernel), load(kernel))[1])
    for target in TARGETS:
        for number in range(6):
            with suppress(*target.expected):
                target.feed(target.make(random.Random(number)))
    assert fed == set(native.KERNELS)


def test_cuts_lose_nothing() -> None:
    for size in range(200):
        data = bytes(range(size))
        assert b"".join(pieces(data)) == data
        assert pieces(data) == pieces(data)


def _broken(data: bytes) -> bool:
    if len(data) % 4:
        raise KeyError("the length")
    return True


BROKEN = replace(BY_NAME["base64"], feed=_broken)


def test_a_finding_names_seed_decoder_and_input(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(SEED, 60.0, tmp_path, [BROKEN]) == 1
    (path,) = tmp_path.iterdir()
    said = capfd.readouterr()
    assert f"base64 failed with seed {SEED}; its input is {path}" in said.out
    assert "KeyError: 'the length'" in said.err
    head, data = path.read_text().splitlines()
    number = int(path.stem.rpartition("-")[2])
    assert head == f"# base64, seed {SEED}, case {number}"
    assert bytes.fromhex(data) == input_of(BROKEN, SEED, number)


# A decoder that ends its process, as a sanitizer does.
ABORTS = """
import os, pathlib, sys
from dataclasses import replace
from fuzz import TARGETS, Fuzz
target = replace(TARGETS[0], feed=lambda data: os._exit(9))
Fuzz(8, pathlib.Path(sys.argv[1]), [target]).case(target, 3)
"""


def test_the_input_of_a_process_that_died_is_there(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", ABORTS, str(tmp_path)]
    assert subprocess.run(command, env=environment).returncode == 9
    head, data = (tmp_path / "on.hex").read_text().splitlines()
    assert head == "# base64, seed 8, case 3"
    assert bytes.fromhex(data) == input_of(BY_NAME["base64"], 8, 3)


def test_an_input_is_fed_again(tmp_path: Path) -> None:
    script, path = Path(__file__).with_name("fuzz.py"), tmp_path / "input.hex"
    path.write_text(f"# base64, seed 8, case 0\n{b'AAAA'.hex()}\n")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(script), "--replay", str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "base64 accepted it\n")
