"""Memory of client and server with a long video avatar: the peak of each, at its end and back.

ci/long_avatar.py [--minutes 10] [--engine preview|constant]

Makes a 1080p clip of so many minutes of a few encoded seconds (its packets, again and again, with
later time stamps), and a recording that is longer; has the segments made that lie around the clip's
end, where it turns and is played backward, a whole group of pictures of ten seconds at a time. The
`constant` engine says that the face is at one place, without decoding: it is ready sooner, and its
server tells nothing of the preview's. What the encoders take is measured beside it: as many, of the
same settings. Exit code 1 if the client takes more than 400 MB beyond those.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
PORTRAIT = ROOT / "tests/data/grace_hopper.jpg"
WIDTH, HEIGHT, RATE = 1920, 1080, 25
GROUP = 250
"""Frames from key frame to key frame, all of which are encoded."""
LIMIT_MB = 400
_AROUND_SECS = 16
"""Seconds before and after the clip's end that are rendered."""


def main() -> int:
    """Measure and print; whether it is little enough, as an exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--engine", choices=("preview", "constant"), default="preview")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--encode", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        return _serve(asked.engine, Path(asked.serve))
    if asked.encode:
        return _encode(asked.encode)
    with tempfile.TemporaryDirectory(prefix="long-avatar-") as name:
        return _measure(Path(name), asked.minutes, asked.engine)


def _measure(folder: Path, minutes: int, engine: str) -> int:
    clip, sound = folder / "avatar.mp4", folder / "speech.wav"
    _write_clip(clip, minutes * 60)
    _write_sound(sound, minutes * 60 + 2 * _AROUND_SECS)
    print(f"{minutes} minutes of {WIDTH}x{HEIGHT}, {clip.stat().st_size >> 20} MB", flush=True)
    program = [sys.executable, "-m", "musetalk_fast"]
    plan = [*program, "plan", "-i", str(clip), "-a", str(sound), "-o", str(folder / "out.mp4")]
    subprocess.run([*plan, "--quiet"], check=True, cwd=ROOT)
    first = (minutes * 60 - _AROUND_SECS) * RATE // GROUP
    last = (minutes * 60 + _AROUND_SECS) * RATE // GROUP
    with _server(folder, engine) as (address, server_peak):
        began = time.monotonic()
        render = [*program, "segment", str(folder / "out.mp4.parts"), "-s", address, "--json"]
        client = _peak_of([*render, "--segments", f"{first}-{last}"])
        secs, server = time.monotonic() - began, server_peak()
    encoders = os.process_cpu_count() if sys.version_info >= (3, 13) else os.cpu_count()
    none, some = (_peak_of([sys.executable, __file__, "--encode", str(n)]) for n in (-1, encoders))
    beyond = client - (some - none)
    print(f"segments {first} to {last} in {secs:.0f} s")
    print(f"peak of the client {client:.0f} MB, of the server ({engine}) {server:.0f} MB")
    print(f"{encoders} encoders {some - none:.0f} MB")
    print(f"of the client beyond the encoders {beyond:.0f} MB; at most {LIMIT_MB}")
    return int(beyond > LIMIT_MB)


def _write_clip(path: Path, secs: int) -> None:
    """A portrait that pans a little: cheap to decode, as a person in front of a wall is."""
    packets, extradata = _encoded_group()
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = Fraction(1, RATE)
        stream.codec_context.extradata = extradata
        for start in range(0, secs * RATE, GROUP):
            for data, pts, dts, is_key in packets:
                packet = av.Packet(data)
                packet.stream, packet.time_base = stream, Fraction(1, RATE)
                packet.pts, packet.dts, packet.is_keyframe = start + pts, start + dts, is_key
                file.mux(packet)


def _encoded_group() -> tuple[list[tuple[bytes, int, int, bool]], bytes]:
    """One closed group of pictures: data, pts, dts of each packet; and the parameter sets."""
    context: Any = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.time_base, context.framerate = Fraction(1, RATE), Fraction(RATE)
    context.flags |= 1 << 22  # the parameter sets beside the packets
    context.options = {"preset": "veryfast", "x264-params": f"keyint={GROUP}:scenecut=0"}
    packets = []
    with Image.open(PORTRAIT) as portrait:
        large = portrait.convert("RGB").resize((portrait.width * 2, portrait.height * 2))
    for index in range(GROUP):
        shown = Image.new("RGB", (WIDTH, HEIGHT), (120, 128, 140))
        shift = round(20 * np.sin(index / 25))
        shown.paste(large, ((WIDTH - large.width) // 2 + shift, 0))
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
def _server(folder: Path, engine: str) -> Any:
    """A server; its address, and what asks for its peak."""
    socket = folder / "server.sock"
    arguments = [sys.executable, __file__, "--engine", engine, "--serve", str(socket)]
    server = subprocess.Popen(arguments, stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert server.stdout is not None
        server.stdout.readline()
        yield f"unix:{socket}", lambda: _peak_of_process(server.pid)
    finally:
        server.terminate()
        server.wait(30)


def _peak_of(arguments: Sequence[str]) -> float:
    """MB of a program while it runs to its end."""
    program = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, cwd=ROOT)
    _, status, usage = os.wait4(program.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(map(str, arguments))} failed")
    return usage.ru_maxrss / 1024


def _peak_of_process(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def _serve(engine: str, socket: Path) -> int:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command `serve` has it
    sys.path.insert(0, str(ROOT))
    from musetalk_fast.engines.preview import PreviewEngine
    from musetalk_fast.server.limits import Limits
    from musetalk_fast.server.run import ServerOptions, serve

    make: Callable[[], Any] = PreviewEngine if engine == "preview" else _constant_engine
    options = ServerOptions(socket=socket)
    serve(make, options, Limits(), lambda address: print(address, flush=True))
    return 0


def _constant_engine() -> Any:
    from musetalk_fast.engines.base import EngineInfo
    from musetalk_fast.engines.preview import PreviewEngine
    from musetalk_fast.media.avatar import open_asset
    from musetalk_fast.types import Box, Face

    box, mask = Box(760, 200, 400, 480), np.full((220, 300), 255, np.uint8)

    class Faces(Sequence[Face]):
        def __init__(self, count: int) -> None:
            self._count = count

        def __len__(self) -> int:
            return self._count

        def __getitem__(self, source: Any) -> Any:
            if not 0 <= source < self._count:
                raise IndexError(source)
            return Face(source, box, Box(810, 450, 300, 220), mask)

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


def _encode(count: int) -> int:
    """Encode some frames with so many encoders at a time; -1: only import what that takes."""
    threads = [threading.Thread(target=_encode_some) for _ in range(max(0, count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 0


def _encode_some() -> None:
    context: Any = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.time_base, context.thread_count = Fraction(1, RATE), 1
    context.options = {"preset": "veryfast", "crf": "20"}
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    for index in range(60):
        for plane in frame.planes:
            plane.update(bytes([index * 3 % 256]) * plane.buffer_size)
        frame.pts = index
        context.encode(frame)
    context.encode(None)


if __name__ == "__main__":
    sys.exit(main())
