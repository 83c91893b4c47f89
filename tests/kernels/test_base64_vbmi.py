"""The AVX-512 form of base64 with its intrinsics emulated, as few CPUs have them."""

from __future__ import annotations

import base64
import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kernel_frames import Bytes, Guarded, random_bytes

from musetalk_fast.kernels.reference.base64 import INVALID, VALUES

COMPILER = shutil.which("cc")
EXT = Path(__file__).parents[2] / "ext"
BLOCK, SPARE = 64, 32

Decode = Callable[[Bytes, Bytes], int]
"""Text and a buffer for its bytes to how many characters were decoded."""


@pytest.fixture(scope="module")
def decode(tmp_path_factory: pytest.TempPathFactory) -> Decode:
    if COMPILER is None:
        pytest.skip("no C compiler")
    library = tmp_path_factory.mktemp("vbmi") / "vbmi.so"
    source = Path(__file__).with_name("emulated_vbmi.c")
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", f"-I{EXT}"]
    subprocess.run([COMPILER, *flags, str(source), "-o", str(library)], check=True)
    function = ctypes.CDLL(str(library)).decode
    function.restype = ctypes.c_size_t
    table = np.where(VALUES == INVALID, 0x80, VALUES).astype(np.uint8)

    def run(text: Bytes, out: Bytes) -> int:
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in (table, text, out)]
        return int(function(*pointers[:2], ctypes.c_size_t(len(text)), pointers[2]))

    return run


def _encoded(data: Bytes) -> Bytes:
    return np.frombuffer(base64.b64encode(data.tobytes()), np.uint8)


def test_decodes_whole_blocks_between_guards(decode: Decode) -> None:
    text, out = Guarded(4096), Guarded(4096)
    for size in (*range(0, 300, 3), 1536):
        data = random_bytes(size, size)
        source, target = text.at_end(_encoded(data)), out.at_end(np.zeros(size, np.uint8))
        done = decode(source, target)
        assert done % BLOCK == 0
        assert len(source) - done < BLOCK + SPARE
        np.testing.assert_array_equal(target[: done // 4 * 3], data[: done // 4 * 3])


def test_stops_at_the_block_of_any_wrong_character(decode: Decode) -> None:
    right, out = _encoded(random_bytes(192, 1)), np.zeros(192, np.uint8)
    for wrong in np.flatnonzero(VALUES == INVALID):
        for offset in range(BLOCK, 2 * BLOCK):
            text = right.copy()
            text[offset] = wrong
            assert decode(text, out) == BLOCK
