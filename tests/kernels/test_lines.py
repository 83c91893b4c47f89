from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_frames import Guarded, random_bytes

from musetalk_fast.kernels.crc32c import crc32c
from musetalk_fast.kernels.lines import frame_line
from musetalk_fast.kernels.reference import lines as reference
from musetalk_fast.types import CropEncoding

SIDE = 256
COMPILER = shutil.which("cc")
EXT = Path(__file__).parents[2] / "ext"


def line(data: bytes, **members: object) -> bytes:
    head = {"type": "frame", "index": 7, "source": 3, "encoding": "jpeg", "rows": [5, 1]}
    line = {**head, "width": 2, **members, "data": data.decode()}
    return with_checksum(json.dumps(line, separators=(",", ":")).encode()[:-1])


def with_checksum(body: bytes) -> bytes:
    return body + b',"crc32c":"%08x"}\n' % crc32c(body)


def both(text: bytes, start: int = 0) -> reference.Line | None:
    found = frame_line(text, start, SIDE)
    assert found == reference.frame_line(np.frombuffer(text, np.uint8), start, SIDE)
    return found


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize(("number", "encoding"), list(enumerate(CropEncoding)))
def test_finds_data_end_and_checksum(number: int, encoding: CropEncoding) -> None:
    text = line(b"AAAABBBB", encoding=encoding.value)
    place = text.index(b"AAAA")
    expected = (7, 3, number, 5, 1, 2, place, place + 8, len(text))
    assert both(text) == (*expected, int(text[-11:-3], 16))
    found = both(b"x" * 9 + text + text, 9)
    assert found is not None
    assert found[6:9] == (place + 9, place + 17, len(text) + 9)


GOOD = line(b"AAAABBBB", encoding="raw")


def test_a_line_that_is_cut_or_damaged_anywhere_is_left_to_others() -> None:
    for place in range(len(GOOD)):
        assert both(GOOD[:place]) is None
        for bit in range(8):
            damaged = bytearray(GOOD)
            damaged[place] ^= 1 << bit
            assert both(bytes(damaged)) is None


@pytest.mark.parametrize(
    ("members", "is_read"),
    [
        ({"index": (1 << 32) - 1, "source": 0}, True),
        ({"index": 1 << 32}, False),
        ({"source": 9_999_999_999}, False),
        ({"source": 10_000_000_000}, False),
        ({"index": -1}, False),
        ({"index": 1.5}, False),
        ({"index": True}, False),
        ({"rows": [256, 256]}, True),
        ({"rows": [257, 1]}, False),
        ({"rows": [0, 257]}, False),
        ({"rows": [0]}, False),
        ({"width": 256}, True),
        ({"width": 257}, False),
        ({"width": 0}, False),
        ({"encoding": "webp"}, False),
        ({"more": 1}, False),
    ],
)
def test_bounds(members: dict[str, object], is_read: bool) -> None:
    assert (both(line(b"AAAA", **members)) is not None) == is_read


@pytest.mark.parametrize(
    "body",
    [
        GOOD[:-22].replace(b":7,", b":07,"),
        GOOD[:-22].replace(b":7,", b": 7,"),
        GOOD[:-22].replace(b'"width":2,', b'"width":3,'),
        GOOD[:-22].replace(b'"width":2,', b'"width":1,'),
        GOOD[:-22].replace(b"AAAA", b'A"AA').replace(b"raw", b"png"),
        GOOD[:-1],
        b'{"type":"heartbeat"',
        b"",
    ],
)
def test_other_forms_are_left_to_others(body: bytes) -> None:
    assert both(with_checksum(body)) is None


@given(st.binary(max_size=200), st.integers(0, 200))
def test_noise(noise: bytes, place: int) -> None:
    assert both(noise, min(place, len(noise))) is None
    assert both(GOOD[:place] + noise) is None or noise.startswith(GOOD[place:])


@pytest.mark.usefixtures("instruction_set")
def test_reads_nothing_outside() -> None:
    memory = Guarded(1 << 15)
    for rows in (1, 3, 20):
        data = b"A" * (4 * rows * 256)
        text = np.frombuffer(line(data, encoding="raw", rows=[0, rows], width=256), np.uint8)
        for stop in {*range(0, len(text), 997), *range(len(text) - 25, len(text) + 1)}:
            found = frame_line(memory.at_end(text[:stop].copy()), 0, SIDE)
            assert (found is not None) == (stop == len(text))
    assert frame_line(random_bytes(8, 1), 8, SIDE) is None


# In a process of its own: what reads one byte too many is killed.
EVERY_CUT = """
import ctypes
import sys

import numpy as np
from kernel_frames import Guarded

library = ctypes.CDLL(sys.argv[1])
library.mtf_crc32c_use(0)
read = library.mtf_line_read
read.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32, ctypes.c_void_p]
line, found = np.frombuffer({line!r}, np.uint8), ctypes.create_string_buffer(128)
memory = Guarded(len(line))
for stop in range(len(line) + 1):
    text = memory.at_end(line[:stop])
    assert read(text.ctypes.data, stop, {side}, found) == (stop == len(line)), stop
"""


@pytest.mark.skipif(COMPILER is None, reason="no C compiler")
def test_a_line_may_be_cut_at_any_byte_where_memory_ends(tmp_path: Path) -> None:
    # Not optimised: of a read whose value does not matter, an optimiser leaves nothing to see.
    library = tmp_path / "lines.so"
    sources = [str(EXT / name) for name in ("lines.c", "crc32c.c")]
    subprocess.run([COMPILER, "-shared", "-fPIC", "-O0", *sources, "-o", str(library)], check=True)
    script = EVERY_CUT.format(line=GOOD, side=SIDE)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script, str(library)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("instruction_set")
def test_a_raw_frame_larger_than_memory_is_not_complete() -> None:
    side = (1 << 32) - 1
    assert (4 << 31 << 31) % (1 << 64) == 0
    text = line(b"", encoding="raw", rows=[0, 1 << 31], width=1 << 31)
    assert reference.frame_line(np.frombuffer(text, np.uint8), 0, side) is None
    assert frame_line(text, 0, side) is None


def test_refuses_what_is_not_contiguous() -> None:
    with pytest.raises(ValueError, match="not C-contiguous"):
        frame_line(memoryview(bytes(8))[::2], 0, SIDE)
