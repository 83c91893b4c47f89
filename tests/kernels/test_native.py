from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from musetalk_fast.kernels import native

SAY = "import json; from musetalk_fast.kernels import native; print(json.dumps(native.status()))"


# Every kernel's work on the same data, as one digest.
WORK = """
import hashlib
import numpy as np
from musetalk_fast.kernels import base64, crc32c, png
from musetalk_fast.kernels.paste import Paste
from musetalk_fast.kernels.yuv import rgb_to_planes
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.types import Box, Face

picture = np.random.default_rng(1).integers(0, 256, (256, 256, 3), dtype=np.uint8)
out = bytearray(192)
base64.decode_into(b"QUJD" * 64, out)
mask = np.full((90, 120), 180, np.uint8)
face = Face(0, Box(20, 30, 150, 140), Box(30, 70, 120, 90), mask)
found = hashlib.sha256(out)
found.update(crc32c.crc32c(picture).to_bytes(4, "little"))
found.update(png.decode_png(png.encode_png(picture), 1 << 16))
for layout in LAYOUTS.values():
    buffers = [np.zeros(4 * 256 * 256, np.uint8) for _ in range(layout.planes)]
    planes = Planes(layout, 256, 256, buffers, [1024] * layout.planes)
    rgb_to_planes(picture, planes)
    Paste(face, 256, 256, layout).paste(picture, 0, planes)
    for buffer in buffers:
        found.update(buffer)
print(found.hexdigest())
"""


def _run(script: str, choice: str) -> str:
    environment = {**os.environ, native.VARIABLE: choice}
    said = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    return said.stdout


def _status(choice: str) -> dict[str, str]:
    return json.loads(_run(SAY, choice))


def test_all_choices_do_the_same_work() -> None:
    assert len({_run(WORK, choice) for choice in ("auto", native.NUMPY, *native.SETS)}) == 1


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
    known = ", ".join(("auto", native.NUMPY, *native.SETS))
    assert f"MUSETALK_KERNELS is 'mmx'; it takes {known}" in said.stderr
