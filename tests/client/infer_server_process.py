"""Starts servers in processes of their own: `infer_server.py`, and ours with its real command."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from musetalk_fast.client.negotiate import NegotiatedServer, open_server
from musetalk_fast.config import ServerSettings
from musetalk_fast.kernels.png import encode_png
from musetalk_fast.media.wav import PaddedWav

PROGRAM = Path(__file__).with_name("infer_server.py")
PATTERN = Path(__file__).parents[1] / "server/serve_pattern.py"


@contextmanager
def infer_server(**options: object) -> Iterator[str]:
    """The address of an independent server."""
    with listening([str(PROGRAM), json.dumps(options)]) as address:
        yield address


@contextmanager
def pattern_server(**options: object) -> Iterator[str]:
    """The address of a server of ours with the pattern engine."""
    with listening([str(PATTERN), json.dumps(options)]) as address:
        yield address


@contextmanager
def listening(command: list[str]) -> Iterator[str]:
    """Run a Python program until the context ends; gives the address that it prints."""
    # A server that is killed cannot take its store away.
    folder = tempfile.TemporaryDirectory(prefix="server-", ignore_cleanup_errors=True)
    child = subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": folder.name},
    )
    assert child.stdout is not None
    try:
        line = child.stdout.readline()
        assert line.startswith("listening on "), line
        yield line.removeprefix("listening on ").strip()
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
        folder.cleanup()


@asynccontextmanager
async def opened(address: str, **settings: Any) -> AsyncIterator[NegotiatedServer]:
    """A server as the client opens it."""
    chosen = ServerSettings(url=address, **settings)
    async with AsyncExitStack() as stack:
        yield await open_server(address, chosen, stack)


def avatar(width: int = 320, height: int = 240) -> bytes:
    y, x = np.mgrid[:height, :width]
    return encode_png(np.stack([x % 251, y % 253, (x + y) % 255], axis=2).astype(np.uint8))


def recording(samples: int) -> bytes:
    """16 kHz, mono, 16-bit."""
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(16_000)
        wav.writeframes(np.full(samples, 1000, "<i2").tobytes())
    return file.getvalue()


def padded(folder: Path, samples: int, secs: Fraction) -> PaddedWav:
    """That recording as a request carries it."""
    path = folder / f"{samples}.wav"
    path.write_bytes(recording(samples))
    return PaddedWav(path, samples, secs)
