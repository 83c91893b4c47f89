"""32 clients of one server, each with a face and a speech of its own, cut and cancelled at random.

What each should get is learned from a server that serves it alone; then all of them ask a second
server at once, for random ranges, and cut or cancel some of their streams. Every crop and every
face is compared byte for byte. With the preview engine the avatars are one portrait in 32 colours
and sizes, and the recordings one speech from 32 beginnings at 32 levels.

    python ci/isolation.py [--clients 32] [--rounds 6] [--frames 12] [--kept 32] [--seed 1]
        [--engine preview]

The preview engine takes about 4 s of a processor for an avatar, so both servers keep them all; with
--kept 4 they are evicted and prepared again all the time, as in tests/server/test_isolation.py with
an engine that takes no time.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/server"))

from isolated_clients import Inputs, Right, Tally, check_that_they_differ, learn, storm
from server_process import client_of

from musetalk_fast.engines.registry import find_engine
from musetalk_fast.server.limits import Limits
from musetalk_fast.server.run import ServerOptions, serve

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Compare all of them; exit 1 with the first that differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("clients", 32), ("rounds", 6), ("frames", 12), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--kept", type=int, default=32)
    parser.add_argument("--engine", default="preview")
    asked = parser.parse_args()
    inputs = [_inputs(number, asked.frames) for number in range(asked.clients)]
    began = time.monotonic()
    with _served(asked.engine, asked.clients, asked.kept) as address:
        rights = asyncio.run(_learned(address, inputs))
    check_that_they_differ(rights)
    learned = time.monotonic()
    print(f"learned {len(rights)} clients alone in {learned - began:.0f} s", flush=True)
    with _served(asked.engine, asked.clients, asked.kept) as address:
        tally, metrics = asyncio.run(_stormed(address, inputs, rights, asked.rounds, asked.seed))
    print(metrics)
    secs = time.monotonic() - learned
    print(f"{tally.crops} crops and {tally.faces} faces were each client's own, in {secs:.0f} s")
    print(f"streams: {dict(tally.ended)}")
    return 0


@contextmanager
def _served(engine: str, streams: int, kept: int) -> Iterator[str]:
    command = [sys.executable, __file__, "--serve", engine, str(2 * streams), str(kept)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        try:
            assert child.stdout is not None
            yield child.stdout.readline().removeprefix("listening on ").strip()
        finally:
            child.kill()


def _serve(engine: str, streams: str, kept: str) -> None:
    """As `musetalk-fast serve`, which keeps 16 avatars."""
    limits = Limits(max_streams=int(streams), avatars=int(kept), recordings=int(kept))
    options = ServerOptions(port=0, has_page=False)
    serve(find_engine(engine), options, limits, lambda at: print(f"listening on {at}", flush=True))


async def _learned(address: str, inputs: list[Inputs]) -> list[Right]:
    async with client_of(address, secs=None) as client:
        return [await learn(client, each) for each in inputs]


async def _stormed(
    address: str, inputs: list[Inputs], rights: list[Right], rounds: int, seed: int
) -> tuple[Tally, str]:
    async with client_of(address, secs=None) as client:
        tally = await storm(client, inputs, rights, rounds, seed)
        async with client.session.get(client.base + "/metrics") as response:
            lines = (await response.text()).splitlines()
    return tally, "\n".join(line for line in lines if _is_shown(line))


def _is_shown(line: str) -> bool:
    names = ("musetalk_batch_frames_", "musetalk_stage_duration_seconds_", "musetalk_frames_")
    return line.startswith((*names, "process_resident", "process_cpu")) and "_bucket" not in line


def _inputs(number: int, frames: int) -> Inputs:
    return Inputs(_portrait(number), _speech(number, frames), frames)


def _portrait(number: int) -> bytes:
    """Another size and other colours for each."""
    with Image.open(ROOT / "examples/portrait.png") as picture:
        side = 256 + 8 * number
        resized = picture.convert("RGB").resize((side, side))
    coloured = ImageEnhance.Color(resized).enhance(0.4 + 0.04 * number)
    file = io.BytesIO()
    coloured.save(file, "png", compress_level=1)
    return file.getvalue()


def _speech(number: int, frames: int) -> bytes:
    """Another beginning and another level for each."""
    with wave.open(str(ROOT / "tests/data/short.wav")) as recording:
        assert (recording.getframerate(), recording.getnchannels()) == (16_000, 1)
        pcm = np.frombuffer(recording.readframes(recording.getnframes()), "<i2")
    moved = np.roll(pcm, -700 * number)
    wanted = np.resize(moved, frames * 640).astype(np.float64) * (1 - number / 100)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(wanted.astype("<i2").tobytes())
    return file.getvalue()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        _serve(*sys.argv[2:])
    else:
        sys.exit(main())
