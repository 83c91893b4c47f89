"""What can be wrong, as a user meets it: the real program, its exit code, its words, its traces.

Faults of a server come from tests/client/scripted_server.py; mistakes of usage and configuration
are in test_main.py and tests/config.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests/client"), str(ROOT / "tests/server")]

import scripted_server  # noqa: E402
import server_process  # noqa: E402

Run = Callable[..., "subprocess.CompletedProcess[str]"]

NOWHERE = ("-s", "http://127.0.0.1:9")
"""No server listens there: what fails before the connection never notices."""

ONCE = {"MUSETALK_PROCESSING_MAX_RETRIES": "0"}
"""A transient fault is reported at once."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a good avatar and recording; temporary files of the program go beside it."""
    shutil.copy(ROOT / "examples/portrait.png", tmp_path / "a.png")
    shutil.copy(ROOT / "tests/data/short.wav", tmp_path / "a.wav")
    (tmp_path / "tmp").mkdir()
    return tmp_path


def _render(
    run: Run,
    folder: Path,
    *options: str,
    image: str = "a.png",
    audio: str = "a.wav",
    output: str = "out.mp4",
) -> subprocess.CompletedProcess[str]:
    files = ("-i", image, "-a", audio, "-o", output)
    return run("render", *files, *options, TMPDIR=str(folder / "tmp"), **ONCE)


def _check(done: subprocess.CompletedProcess[str], code: int, token: str, where: str) -> None:
    """The exit code, and what, where, hint and token in the last lines."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    what, place, hint = done.stderr.splitlines()[-3:]
    assert what.startswith("error: ")
    assert what.endswith(f"({token})")
    assert place.startswith("  where: ")
    assert where in place
    assert hint.startswith("  hint: ")


@contextmanager
def _nothing_left(folder: Path) -> Iterator[None]:
    """No file more than before, and no process of ours."""
    before = sorted(folder.rglob("*"))
    yield
    assert sorted(folder.rglob("*")) == before
    assert _processes(folder) == []


def _processes(folder: Path) -> list[str]:
    """Those whose HOME is this folder."""
    home = b"HOME=" + os.fsencode(folder) + b"\0"
    environs = Path("/proc").glob("[0-9]*/environ")
    return [environ.parent.name for environ in environs if home in _content(environ)]


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # the process has ended, or is not ours
        return b""


def _noise(path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (300, 300, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path)


def _tiny_face(path: Path) -> None:
    picture = Image.new("RGB", (128, 128), (90, 90, 90))
    portrait = Image.open(ROOT / "examples/portrait.png").convert("RGB")
    picture.paste(portrait.resize((80, 80)), (24, 24))
    picture.save(path)


def _bomb(path: Path) -> None:
    data = bytearray((ROOT / "examples/portrait.png").read_bytes())
    data[16:24] = struct.pack(">II", 50_000, 50_000)
    path.write_bytes(data)


def _cut_jpeg(path: Path) -> None:
    Image.open(ROOT / "examples/portrait.png").convert("RGB").save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:9000])


def _cut_png(path: Path) -> None:
    path.write_bytes((ROOT / "examples/portrait.png").read_bytes()[:100_000])


PICTURES: dict[str, tuple[str, Callable[[Path], None], int, str]] = {
    "missing": ("none.png", lambda _path: None, 66, "MTF-INPUT-MISSING"),
    "folder": ("folder.png", Path.mkdir, 66, "MTF-INPUT-UNREADABLE"),
    "empty": ("empty.png", Path.touch, 65, "MTF-IMAGE-FORMAT"),
    "text": ("text.png", lambda path: path.write_text("hello\n") and None, 65, "MTF-IMAGE-FORMAT"),
    "cut PNG": ("cut.png", _cut_png, 65, "MTF-IMAGE-FORMAT"),
    "cut JPEG": ("cut.jpg", _cut_jpeg, 65, "MTF-IMAGE-FORMAT"),
    "bomb": ("bomb.png", _bomb, 65, "MTF-IMAGE-SIZE"),
    "no face": ("noise.png", _noise, 65, "MTF-NO-FACE"),
    "tiny face": ("tiny.png", _tiny_face, 65, "MTF-FACE-SIZE"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_bad_picture(run: Run, folder: Path, name: str) -> None:
    file, make, code, token = PICTURES[name]
    make(folder / file)
    with _nothing_left(folder):
        done = _render(run, folder, *NOWHERE, image=file)
    _check(done, code, token, file)


def _corrupt(path: Path) -> None:
    noise = np.random.default_rng(1).integers(-9000, 9000, (1, 96_000), np.int16)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("flac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(noise, format="s16", layout="mono")
        frame.sample_rate = 16_000
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 20_000] = bytes(20_000)
    path.write_bytes(data)


def _silent_film(path: Path) -> None:
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for index in range(25):
            frame = av.VideoFrame(64, 64, "yuv420p")
            frame.pts = index
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def _samples(path: Path, pcm: bytes) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(pcm)


RECORDINGS: dict[str, tuple[str, Callable[[Path], None], int, str]] = {
    "missing": ("none.wav", lambda _path: None, 66, "MTF-INPUT-MISSING"),
    "folder": ("folder.wav", Path.mkdir, 66, "MTF-INPUT-UNREADABLE"),
    "empty": ("empty.wav", Path.touch, 65, "MTF-AUDIO-LENGTH"),
    "no samples": ("no.wav", lambda path: _samples(path, b""), 65, "MTF-AUDIO-LENGTH"),
    "text": ("text.wav", lambda path: path.write_text("hello\n") and None, 65, "MTF-AUDIO-FORMAT"),
    "a video without sound": ("film.mp4", _silent_film, 65, "MTF-AUDIO-FORMAT"),
}


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_bad_recording(run: Run, folder: Path, name: str) -> None:
    file, make, code, token = RECORDINGS[name]
    make(folder / file)
    with _nothing_left(folder):
        done = _render(run, folder, *NOWHERE, audio=file)
    _check(done, code, token, file)


def test_a_damaged_recording_is_refused_where_all_of_it_is_wanted(run: Run, folder: Path) -> None:
    _corrupt(folder / "bad.flac")
    with _nothing_left(folder):
        done = _render(run, folder, *NOWHERE, "--strict-audio", audio="bad.flac")
    _check(done, 65, "MTF-AUDIO-DAMAGED", "bad.flac")
    with _nothing_left(folder):
        done = _render(run, folder, *NOWHERE, "--dry-run", audio="bad.flac")
    assert done.returncode == 0
    (warning,) = (line for line in done.stderr.splitlines() if line.startswith("warning: "))
    assert re.search(r"the recording is damaged: .* s of sound missing at \d\.\d\d s", warning)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A real server process with the engine of the tests."""
    with server_process.running() as process:
        yield process.address


WORKS = {
    "silent": (bytes(32_000), "the recording is silent", 25),
    "ten milliseconds": (b"\x00\x20\x00\xe0" * 80, "the recording is very short (10 ms)", 1),
}


@pytest.mark.parametrize("name", WORKS)
def test_strange_sound_that_works_with_a_warning(
    run: Run, folder: Path, server: str, name: str
) -> None:
    pcm, words, frames = WORKS[name]
    _samples(folder / "strange.wav", pcm)
    options = ("-s", server, "--no-face-check", "--preset", "ultrafast")
    done = _render(run, folder, *options, audio="strange.wav")
    assert done.returncode == 0, done.stderr
    assert f"warning: {words}" in done.stderr
    with av.open(str(folder / "out.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == frames


NAMES = {
    "control characters": "\x1b]0;title\x07\x1b[31mred\nline\r.png",
    "not UTF-8": os.fsdecode(b"caf\xe9.png"),
    "right to left": "\u202egnp.exe.png",
}


@pytest.mark.parametrize("name", NAMES)
def test_strange_names_do_not_reach_the_terminal(run: Run, folder: Path, name: str) -> None:
    done = _render(run, folder, *NOWHERE, image=NAMES[name])
    _check(done, 66, "MTF-INPUT-MISSING", ".png")
    assert all(line.isprintable() for line in done.stderr.splitlines())
    shutil.copy(folder / "a.png", folder / NAMES[name])
    done = _render(run, folder, *NOWHERE, "-n", image=NAMES[name])
    assert done.returncode == 0, done.stderr
    assert all(line.isprintable() for line in (done.stdout + done.stderr).splitlines())


def test_a_name_that_is_too_long(run: Run, folder: Path) -> None:
    with _nothing_left(folder):
        _check(
            _render(run, folder, *NOWHERE, image="x" * 300), 66, "MTF-INPUT-UNREADABLE", "x" * 300
        )
        done = _render(run, folder, *NOWHERE, output="x" * 300 + ".mp4")
        _check(done, 73, "MTF-OUTPUT-PLACE", "x" * 300)
        # Long enough for the video, but not for what is beside it while it is made.
        done = _render(run, folder, *NOWHERE, output="x" * 251 + ".mp4")
        _check(done, 73, "MTF-OUTPUT-PLACE", "x" * 251)


def test_an_unknown_extension(run: Run, folder: Path) -> None:
    with _nothing_left(folder):
        done = _render(run, folder, *NOWHERE, output="out.xyz")
    _check(done, 73, "MTF-OUTPUT-FORMAT", "out.xyz")


def test_an_output_folder_that_is_not_writable(run: Run, folder: Path) -> None:
    with _nothing_left(folder):
        done = _render(run, folder, *NOWHERE, output="none/out.mp4")
    _check(done, 73, "MTF-OUTPUT-PLACE", "none")
    if not Path("/proc/self").exists():
        pytest.skip("there is no folder that even root cannot write")
    with _nothing_left(folder):
        done = _render(run, folder, *NOWHERE, output="/proc/out.mp4")
    _check(done, 74, "MTF-OUTPUT-WRITE", "/proc/out.mp4")


def test_an_output_folder_without_permission(folder: Path) -> None:
    (folder / "locked").mkdir(mode=0o555)
    # Root may write everywhere, unless it gives that up.
    drop = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    if os.getuid() != 0:
        drop = []
    elif subprocess.run([*drop, "true"], capture_output=True).returncode != 0:
        pytest.skip("setpriv is missing: root could write the folder")
    command = [*drop, sys.executable, "-m", "musetalk_fast", "render", *NOWHERE]
    files = ["-i", "a.png", "-a", "a.wav", "-o", "locked/out.mp4"]
    done = subprocess.run(
        [*command, *files], cwd=folder, capture_output=True, text=True, timeout=180,
        env={"HOME": str(folder), "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
    )  # fmt: skip
    _check(done, 73, "MTF-OUTPUT-PLACE", "locked")
    assert "no permission to write here" in done.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk(run: Run, folder: Path, small_disk: Path, server: str) -> None:
    options = ("-s", server, "--no-face-check", "--crf", "0", "--preset", "ultrafast")
    done = _render(run, folder, *options, output=str(small_disk / "out.mp4"))
    _check(done, 74, "MTF-OUTPUT-WRITE", str(small_disk))
    assert "No space left" in done.stderr
    assert list(small_disk.iterdir()) == []


REFUSALS = [
    (401, 77, "MTF-SERVER-AUTH"),
    (422, 65, "MTF-SERVER-REFUSED"),
    (429, 75, "MTF-SERVER-BUSY"),
    (500, 69, "MTF-SERVER-FAILED"),
]


@pytest.mark.parametrize(("status", "code", "token"), REFUSALS)
async def test_a_server_that_refuses(
    run: Run, folder: Path, status: int, code: int, token: str
) -> None:
    script = scripted_server.Script(frames_status=status)
    done, url = await _with_script(script, run, folder)
    _check(done, code, token, url)


def _changed(number: int, new: bytes) -> Callable[[scripted_request], list[bytes]]:
    def frames(request: scripted_request) -> list[bytes]:
        messages = scripted_server.full_stream(request)
        messages[number] = new
        return messages

    return frames


scripted_request = dict[str, object]

BROKEN = {"code": "X", "message": "the engine broke", "retryable": False}

FAULTS = {
    "500 in mid-stream": (
        lambda request: [
            *scripted_server.full_stream(request)[:9],
            scripted_server.message("error", BROKEN),
        ],
        "MTF-SERVER-FAILED",
    ),
    "stream cut": (lambda request: scripted_server.full_stream(request)[:9], "MTF-WIRE-CUT"),
    "frame out of order": (_changed(3, scripted_server.frame(7)), "MTF-WIRE-ORDER"),
    "wrong checksum": (_changed(3, scripted_server.frame(2)[:-1] + b"\0"), "MTF-WIRE-CHECKSUM"),
    "wrong shape": (_changed(3, scripted_server.frame(2, width=100)), "MTF-WIRE-SHAPE"),
    "a length of gigabytes": (
        _changed(3, scripted_server.message("frame", encoding=1, index=2, length=0xFFFFFFFF)),
        "MTF-WIRE-SIZE",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_server_that_fails_in_mid_stream(run: Run, folder: Path, name: str) -> None:
    frames, token = FAULTS[name]
    done, url = await _with_script(scripted_server.Script(frames=frames), run, folder)  # type: ignore[arg-type]
    _check(done, 69, token, url)


async def test_a_server_of_another_protocol(run: Run, folder: Path) -> None:
    script = scripted_server.Script()
    script.health["protocol"] = 2
    done, url = await _with_script(script, run, folder)
    _check(done, 69, "MTF-SERVER-FOREIGN", url)


async def test_what_a_server_says_does_not_command_the_terminal(run: Run, folder: Path) -> None:
    script = scripted_server.Script()
    script.health["status"] = "\x1b[2J\x1b]0;x\x07loading"
    done, _ = await _with_script(script, run, folder)
    assert done.returncode != 0
    assert all(line.isprintable() for line in done.stderr.splitlines())


async def _with_script(
    script: scripted_server.Script, run: Run, folder: Path
) -> tuple[subprocess.CompletedProcess[str], str]:
    """Render with a scripted server."""
    async with scripted_server.serving(script) as url:
        options = ("-s", url, "--preset", "ultrafast", "--sound", "none", "--no-face-check")
        with _nothing_left(folder):
            done = await asyncio.to_thread(_render, run, folder, *options)
    return done, url


def test_a_chosen_server_that_is_down(run: Run, folder: Path) -> None:
    with _nothing_left(folder):
        done = _render(run, folder, *NOWHERE)
    _check(done, 69, "MTF-SERVER-UNREACHABLE", "http://127.0.0.1:9")


@contextmanager
def _listening(answer: bytes) -> Iterator[str]:
    """A foreign program: says the same to everybody."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            while True:
                try:
                    visitor, _ = door.accept()
                except OSError:
                    return
                with visitor:
                    visitor.recv(65536)
                    visitor.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        door.shutdown(socket.SHUT_RDWR)
    thread.join(5)


FOREIGN = {
    "a web page": b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n<html>hi</html",
    "no such page": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "somewhere else": b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n",
    "other JSON": b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"ok":true}',
    "no HTTP": b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_program_where_the_chosen_server_should_be(
    run: Run, folder: Path, name: str
) -> None:
    with _listening(FOREIGN[name]) as url, _nothing_left(folder):
        done = _render(run, folder, "-s", url)
    _check(done, 69, "MTF-SERVER-FOREIGN", url)


_WITH_DEFAULT = """
import sys
import musetalk_fast.config as config
config.DEFAULT_SERVER = sys.argv.pop(1)  # the real port may be in use here
from musetalk_fast.cli.main import main
main()
"""


def _with_default(folder: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program, with another address for the default server."""
    environ = {name: text for name, text in os.environ.items() if not name.startswith("MUSETALK_")}
    environ |= {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", _WITH_DEFAULT, url, *arguments],
        cwd=folder, env=environ, capture_output=True, text=True, timeout=180,
    )  # fmt: skip


@pytest.mark.long
def test_a_foreign_program_at_the_default_address_counts_as_no_server(folder: Path) -> None:
    files = ("-i", "a.png", "-a", "a.wav", "-o", "out.mp4", "--preset", "ultrafast")
    with _listening(FOREIGN["a web page"]) as url:
        done = _with_default(folder, url, "render", *files)
        assert done.returncode == 0, done.stderr
        assert f"warning: no MuseTalk server at {url}: using the built-in preview" in done.stderr
        assert (folder / "out.mp4").exists()
        # `batch` never falls back to previews.
        (folder / "out").mkdir()
        done = _with_default(folder, url, "batch", ".", "-o", "out")
    assert done.returncode == 69, done.stderr
    assert "no MuseTalk server answers (MTF-SERVER-UNREACHABLE)" in done.stderr
    assert list((folder / "out").iterdir()) == []
    assert _processes(folder) == []
