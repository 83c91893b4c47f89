from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from musetalk_fast.kernels import native

SAY = "import json; from musetalk_fast.kernels import native; print(json.dumps(native.status()))"


def _status(choice: str) -> dict[str, str]:
    environment = {**os.environ, native.VARIABLE: choice}
    said = subprocess.run(
        [sys.executable, "-c", SAY], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(said.stdout)


def test_every_kernel_is_native() -> None:
    status = _status("auto")
    assert set(status) == set(native.KERNELS)
    assert native.NUMPY not in status.values(), "the kernels were not compiled"


def test_numpy_can_be_forced() -> None:
    assert set(_status("numpy").values()) == {native.NUMPY}


@pytest.mark.parametrize("limit", native.SETS)
def test_a_set_limits_what_is_used(limit: str) -> None:
    used = {native.SETS.index(name) for name in _status(limit).values()}
    assert max(used) <= native.SETS.index(limit)


def test_an_unknown_set_is_refused_with_the_known_ones() -> None:
    environment = {**os.environ, native.VARIABLE: "mmx"}
    said = subprocess.run(
        [sys.executable, "-c", SAY], env=environment, capture_output=True, text=True
    )
    assert said.returncode == 1
    assert "MUSETALK_KERNELS is 'mmx'; it takes auto, numpy, baseline, sse4.2, avx2" in said.stderr
