"""Memory of client and server with a long video avatar: the peak of each, and how it grows.

ci/long_avatar.py [--minutes 10] [--size 1920x1080] [--engine preview|constant] [--whole]

Makes a clip of so many minutes of a few encoded seconds (its packets, again and again, with later
time stamps), and a recording that is longer; has the segments made that lie around the clip's end,
where it turns and is played backward, a whole group of pictures of ten seconds at a time; with
`--whole` all of them. The `constant` engine says that the face is at one place, without decoding:
it is ready sooner, and its server shows nothing of the preview's. What the encoders take is
measured beside it: as many, of the same settings. Both programs are watched from their start to
their end. Exit code 1 if the client takes more than 400 MB beyond the encoders, or if one of the
two grows by more than 16 MB while faces are prepared, or while frames are made; the first quarter
of that time, in which caches are filled, does not count.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from memory_watch import MemoryWatch
from PIL import Image

ROOT = Path(__file__).parents[1]
PORTRAIT = ROOT / "tests/data/grace_hopper.jpg"
RATE = 25
GROUP = 250
"""Frames from key frame to key frame, all of which are encoded."""
LIMIT_MB = 400
GROWTH_MB = 16
_AROUND_SECS = 16
"""Seconds before and after the clip's end that are rendered."""


class Stage(NamedTuple):
    """What a client was at, from when to when (`time.monotonic`), and how many frames of it."""

    name: str
    start: float
    stop: float
    frames: int


def main() -> int:
    """Measure and print; whether it is little enough, as an exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--size", type=_size, default=(1920, 1080), metavar="WxH")
    parser.add_argument("--engine", choices=("preview", "constant"), default="preview")
    parser.add_argument("--whole", action="store_true", help="render all of the clip")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--encode", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        return _serve(asked.engine, Path(asked.serve), asked.size)
    if asked.encode:
        return _encode(asked.encode, asked.size)
    with tempfile.TemporaryDirectory(prefix="long-avatar-") as name:
        return _measure(Path(name), asked)


def _size(text: str) -> tuple[int, int]:
    width, height = text.split("x")
    return int(width), int(height)


def _measure(folder: Path, asked: argparse.Namespace) -> int:
    minutes, size, engine = asked.minutes, asked.size, asked.engine
    clip, sound = folder / "avatar.mp4", folder / "speech.wav"
    _write_clip(clip, minutes * 60, size)
    _write_sound(sound, minutes * 60 + 2 * _AROUND_SECS)
    named = f"{size[0]}x{size[1]}"
    print(f"{minutes} minutes of {named}, {clip.stat().st_size >> 20} MB", flush=True)
    program = [sys.executable, "-m", "musetalk_fast"]
    plan = [*program, "plan", "-i", str(clip), "-a", str(sound), "-o", str(folder / "out.mp4")]
    subprocess.run([*plan, "--quiet"], check=True, cwd=ROOT)
    first = 0 if asked.whole else (minutes * 60 - _AROUND_SECS) * RATE // GROUP
    last = (minutes * 60 + _AROUND_SECS) * RATE // GROUP
    with _server(folder, engine, named) as (address, server):
        render = [*program, "segment", str(folder / "out.mp4.parts"), "-s", address, "--json"]
        client, stages = _watched([*render, "--segments", f"{first}-{last}"])
        server.stop()
    encoders = len(os.sched_getaffinity(0))
    encoding = [sys.executable, __file__, "--size", named, "--encode"]
    none, some = (_watched([*encoding, str(n)])[0].peak for n in (-1, encoders))
    beyond = client.peak - (some - none)
    print(f"segments {first} to {last}, {encoders} encoders: {some - none:.0f} MB")
    print(f"of the client beyond the encoders {beyond:.0f} MB; at most {LIMIT_MB}")
    grown = [_report("client", client, stages), _report(f"server ({engine})", server, stages)]
    return int(beyond > LIMIT_MB or max(grown) > GROWTH_MB)


def _report(name: str, watch: MemoryWatch, stages: Sequence[Stage]) -> float:
    """Print a program's memory; by how much it grows in the worst stage."""
    print(f"{name}: peak {watch.peak:.0f} MB\n{watch.table()}")
    most = 0.0
    for stage in stages:
        grown = watch.growth(stage.start, stage.stop)
        each = 1000 * grown / max(stage.frames, 1)
        secs = stage.stop - stage.start
        print(
            f"  {stage.name}, {stage.frames} frames, {secs:.0f} s: grows by {grown:.1f} MB", end=""
        )
        print(f", {each:.2f} MB a thousand frames")
        most = max(most, grown)
    return most


def _write_clip(path: Path, secs: int, size: tuple[int, int]) -> None:
    """A portrait that pans a little: cheap to decode, as a person in front of a wall is."""
    packets, extradata = _encoded_group(size)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.time_base = Fraction(1, RATE)
        stream.codec_context.extradata = extradata
        for start in range(0, secs * RATE, GROUP):
            for data, pts, dts, is_key in packets:
                packet = av.Packet(data)
                packet.stream, packet.time_base = stream, Fraction(1, RATE)
                packet.pts, packet.dts, packet.is_keyframe = start + pts, start + dts, is_key
                file.mux(packet)


def _encoded_group(size: tuple[int, int]) -> tuple[list[tuple[bytes, int, int, bool]], bytes]:
    """One closed group of pictures: data, pts, dts of each packet; and the parameter sets."""
    context: Any = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = *size, "yuv420p"
    context.time_base, context.framerate = Fraction(1, RATE), Fraction(RATE)
    context.flags |= 1 << 22  # the parameter sets beside the packets
    context.options = {"preset": "veryfast", "x264-params": f"keyint={GROUP}:scenecut=0"}
    packets = []
    with Image.open(PORTRAIT) as portrait:
        scale = 2 * size[1] / 1080
        whole = (round(portrait.width * scale), round(portrait.height * scale))
        large = portrait.convert("RGB").resize(whole)
    for index in range(GROUP):
        shown = Image.new("RGB", size, (120, 128, 140))
        shift = round(10 * scale * np.sin(index / 25))
        shown.paste(large, ((size[0] - large.width) // 2 + shift, 0))
        frame = av.VideoFrame.from_image(shown).reformat(format="yuv420p")
        frame.pts = index
        packets += context.encode(frame)
    packets += context.encode(None)
    return [(bytes(p), p.pts, p.dts, p.is_keyframe) for p in packets], context.extradata


def _write_sound(path: Path, secs: int) -> None:
    with wave.open(str(ROOT / "tests/data/short.wav")) as short, wave.open(str(path), "wb") as out:
        out.setparams(short.getparams())
        data = short.readframes(short.getnframes())
        for _ in range(-(-secs * short.getframerate() // short.getnframes())):
            out.writeframes(data)


@contextmanager
def _server(folder: Path, engine: str, size: str) -> Iterator[tuple[str, MemoryWatch]]:
    """A server: its address, and what watches it."""
    socket = folder / "server.sock"
    arguments = [sys.executable, __file__, "--engine", engine, "--size", size]
    server = subprocess.Popen(
        [*arguments, "--serve", str(socket)], stdout=subprocess.PIPE, cwd=ROOT
    )
    try:
        assert server.stdout is not None
        server.stdout.readline()
        yield f"unix:{socket}", MemoryWatch(server.pid)
    finally:
        server.terminate()
        server.wait(30)


def _watched(arguments: Sequence[str]) -> tuple[MemoryWatch, list[Stage]]:
    """A program that was watched to its end; when it prepared faces, and when it made frames."""
    program = subprocess.Popen(arguments, stdout=subprocess.PIPE, cwd=ROOT)
    watch, stages = MemoryWatch(program.pid), dict[str, Stage]()
    assert program.stdout is not None
    for line in program.stdout:
        event, now = json.loads(line), time.monotonic()
        if event["event"] != "progress" or event["stage"] not in ("prepare", "generate"):
            continue
        if event["done"]:
            begun = stages.get(event["stage"], Stage(event["stage"], now, now, 0))
            stages[begun.name] = begun._replace(stop=now, frames=event["done"])
    if program.wait():
        raise SystemExit(f"{' '.join(map(str, arguments))} failed")
    watch.stop()
    return watch, list(stages.values())


def _serve(engine: str, socket: Path, size: tuple[int, int]) -> int:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command `serve` has it
    sys.path.insert(0, str(ROOT))
    from musetalk_fast.engines.preview import PreviewEngine
    from musetalk_fast.server.limits import Limits
    from musetalk_fast.server.run import ServerOptions, serve

    make: Callable[[], Any] = (
        PreviewEngine if engine == "preview" else lambda: _constant_engine(size)
    )
    options = ServerOptions(socket=socket)
    serve(make, options, Limits(), lambda address: print(address, flush=True))
    return 0


def _constant_engine(size: tuple[int, int]) -> Any:
    from musetalk_fast.engines.base import EngineInfo
    from musetalk_fast.engines.preview import PreviewEngine
    from musetalk_fast.media.avatar import open_asset
    from musetalk_fast.types import Box, Face

    scale = size[1] / 1080
    box, inner = (
        Box(*(round(side * scale) for side in sides))
        for sides in ((760, 200, 400, 480), (810, 450, 300, 220))
    )
    mask = np.full((inner.height, inner.width), 255, np.uint8)

    class Faces(Sequence[Face]):
        def __init__(self, count: int) -> None:
            self._count = count

        def __len__(self) -> int:
            return self._count

        def __getitem__(self, source: Any) -> Any:
            if not 0 <= source < self._count:
                raise IndexError(source)
            return Face(source, box, inner, mask)

    class Constant(PreviewEngine):
        def describe(self) -> EngineInfo:
            return EngineInfo(name="constant", model="1", is_preview=True, takes_videos=True)

        def prepare_avatar(self, path: Path, _options: Any, on_face: Any, _check: Any) -> Any:
            source = open_asset(path)
            faces = Faces(source.frames)
            for number, face in enumerate(faces):
                on_face(number, source.frames, face)
            avatar: Any = type("Avatar", (), {})()
            avatar.width, avatar.height, avatar.faces = source.width, source.height, faces
            return avatar

        def infer(self, batch: Any) -> Any:
            return np.full((len(batch), 256, 256, 3), 90, np.uint8)

    return Constant()


def _encode(count: int, size: tuple[int, int]) -> int:
    """Encode some frames with so many encoders at a time; -1: only import what that takes."""
    threads = [threading.Thread(target=_encode_some, args=(size,)) for _ in range(max(0, count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 0


def _encode_some(size: tuple[int, int]) -> None:
    context: Any = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = *size, "yuv420p"
    context.time_base, context.thread_count = Fraction(1, RATE), 1
    context.options = {"preset": "veryfast", "crf": "20"}
    frame = av.VideoFrame(*size, "yuv420p")
    for index in range(60):
        for plane in frame.planes:
            plane.update(bytes([index * 3 % 256]) * plane.buffer_size)
        frame.pts = index
        context.encode(frame)
    context.encode(None)


if __name__ == "__main__":
    sys.exit(main())
