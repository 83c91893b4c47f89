"""The server as a process: its address, its end, and that it dies with its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from server_process import Process, client_of, frames_of, running, until

from musetalk_fast.engines.registry import find_engine
from musetalk_fast.errors import UsageError
from musetalk_fast.wire import binary

_BLAS_THREADS = "OPENBLAS_NUM_THREADS"


def _serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "musetalk_fast", "serve", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("chosen", [None, "3"])
def test_openblas_has_one_thread_where_nobody_chose(chosen: str | None) -> None:
    """It reads the variable when NumPy is loaded, and its threads spin while they wait."""
    code = """
import os, sys
class First:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy":
            print(os.environ.get("OPENBLAS_NUM_THREADS"), flush=True)
            os._exit(0)
sys.meta_path.insert(0, First())
sys.argv = ["musetalk-fast", "serve", "--port", "0"]
from musetalk_fast.__main__ import main
main()
"""
    environ = {name: text for name, text in os.environ.items() if name != _BLAS_THREADS}
    environ |= {} if chosen is None else {_BLAS_THREADS: chosen}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == [chosen or "1"], done.stderr


@asynccontextmanager
async def _endless_stream(process: Process) -> AsyncIterator[None]:
    """A quarter of an hour of work, not awaited."""
    async with client_of(process.address) as client:
        body = await client.frames_body(0, 100_000)
        async with client.post("/v1/frames", body):
            yield


async def _drains(address: str) -> None:
    """Wait until the server has heard a SIGTERM."""
    async with client_of(address) as client:
        for _ in range(1000):
            if (await client.get("/health"))["status"] == "draining":
                return
            await asyncio.sleep(0.02)
    raise AssertionError("it does not drain")


async def test_health_and_info() -> None:
    with running(limits={"max_streams": 3}) as process:
        assert process.address.startswith("http://127.0.0.1:")
        async with client_of(process.address) as client:
            health = await client.get("/health")
            assert health["status"] == "healthy"
            assert (health["engine"], health["protocol"]) == ("pattern", 1)
            info = await client.get("/v1/info")
            assert (info["engine"], info["model"], info["max_streams"]) == ("pattern", "1", 3)


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with running(options={"socket": str(path)}) as process:
        assert process.address == f"unix:{path}"
        assert os.stat(path).st_mode & 0o777 == 0o600  # noqa: PTH116 - not slow
        async with client_of(process.address) as client:
            body = await client.frames_body(0, 3)
            assert len(frames_of(await client.messages("/v1/frames", body))) == 3
        with socket.socket(socket.AF_UNIX) as named:
            named.bind(str(tmp_path / "client"))  # its address is that path
            named.connect(str(path))
            named.sendall(b"GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert named.recv(64).startswith(b"HTTP/1.1 200")
        assert process.stop(signal.SIGTERM) == 0
    assert not path.exists()


def test_a_socket_whose_server_was_killed_is_taken_over(tmp_path: Path) -> None:
    options = {"socket": str(tmp_path / "socket")}
    with running(options=options) as process:
        process.stop(signal.SIGKILL)
    assert (tmp_path / "socket").exists()
    with running(options=options):
        done = _serve("--unix", str(tmp_path / "socket"))
    assert done.returncode == 2
    assert "in use" in done.stderr


async def test_loading_is_reported(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    loaded = tmp_path / "loaded"

    def ask() -> tuple[str, int]:
        try:
            return _first_health(port)
        finally:
            loaded.touch()  # only then does it say where it listens

    starting = asyncio.get_running_loop().run_in_executor(None, ask)
    with running(options={"port": port}, engine={"loaded": str(loaded)}):
        reported, refused = await starting
    assert reported == "loading 503 2"
    assert refused == 503


def _first_health(port: int) -> tuple[str, int]:
    import json
    import urllib.error
    import urllib.request

    base = f"http://127.0.0.1:{port}"
    for _ in range(3000):
        try:
            urllib.request.urlopen(f"{base}/health").close()
        except urllib.error.HTTPError as answer:
            with answer:
                found = str(json.load(answer)["status"])
                status = f"{found} {answer.code} {answer.headers['Retry-After']}"
            break
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.02)
    try:
        urllib.request.urlopen(f"{base}/v1/info").close()
    except urllib.error.HTTPError as error:
        with error:
            return status, error.code
    return status, 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_streams_finish(number: int) -> None:
    with running(engine={"crop_secs": 0.01}) as process:
        async with client_of(process.address) as client:
            body = await client.frames_body(0, 150)
            async with client.post("/v1/frames", body) as response:
                decoder = binary.Decoder()
                messages = decoder.feed(await response.content.readany())
                process.child.send_signal(number)
                await _drains(process.address)
                for path in ("/v1/frames", "/v1/avatars", "/infer"):
                    async with client.post(path, body) as refused:
                        assert refused.status == 503
                        assert int(refused.headers["Retry-After"]) >= 1
                async with client.session.put(
                    f"{client.base}/v1/assets/{'0' * 64}", data=b"x"
                ) as refused:
                    assert refused.status == 503
                while chunk := await response.content.readany():
                    messages += decoder.feed(chunk)
                decoder.close()
        assert len(frames_of(messages)) == 150
        assert process.child.wait(60) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_does_not_wait(number: int) -> None:
    with running(engine={"crop_secs": 0.01}) as process:
        async with _endless_stream(process):
            process.child.send_signal(number)
            await _drains(process.address)
            assert process.stop(number) == 128 + number


def test_the_command_says_by_its_status_that_it_was_cut(tmp_path: Path) -> None:
    socket_path = tmp_path / "socket"
    command = [sys.executable, "-m", "musetalk_fast", "serve", "--unix", str(socket_path)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    child.stdout.readline()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(socket_path))
        # A body on its way is a stream that is not done.
        connection.sendall(
            b"POST /infer HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n"
        )
        assert b" 100 " in connection.recv(1000)
        connection.sendall(b"{")
        child.send_signal(signal.SIGTERM)
        asyncio.run(_drains(f"unix:{socket_path}"))
        child.send_signal(signal.SIGTERM)
        _, log = child.communicate(timeout=60)
    assert child.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in log


def test_a_server_dies_with_its_parent(tmp_path: Path) -> None:
    """The parent is killed -9 in the middle of a stream: the kernel closes its end of the pipe."""
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, subprocess, sys, json, time\n"
        "read, write = os.pipe()\n"
        "options = json.dumps({'options': {'lifeline': read}})\n"
        f"child = subprocess.Popen([sys.executable, {str(_launcher())!r}, options],\n"
        "    pass_fds=[read], start_new_session=True)\n"
        "os.close(read)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    lines = sorted(parent.stdout.readline().strip() for _ in range(2))
    (pid,) = (int(line) for line in lines if line.isdigit())
    assert _lives(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    asyncio.run(until(lambda: not _lives(pid)))


def _launcher() -> Path:
    return Path(__file__).with_name("serve_pattern.py")


def _lives(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rsplit(")", 1)[1].split()[0] != "Z"


async def test_a_closed_lifeline_cuts_streams() -> None:
    read, write = os.pipe()
    try:
        with running(options={"lifeline": read}, engine={"crop_secs": 0.01}) as process:
            async with _endless_stream(process):
                os.close(write)
                assert process.child.wait(60) == 0
    finally:
        os.close(read)


def test_a_store_has_one_server(tmp_path: Path) -> None:
    with running(options={"store_dir": str(tmp_path)}):
        done = _serve("--port", "0", "--store-dir", str(tmp_path))
    assert done.returncode == 2
    assert "--store-dir" in done.stderr


def test_without_a_store_dir_nothing_is_left(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    child = subprocess.Popen(
        [sys.executable, str(_launcher()), "{}"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert child.stdout is not None
    child.stdout.readline()
    assert len(list(tmp_path.iterdir())) == 1
    child.terminate()
    assert child.wait(60) == 0
    child.stdout.close()
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = _serve("--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "in use" in done.stderr
    assert "--port" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--engine", "nobody"], "preview"),
        (["--store-bytes", "12x"], "512M"),
        (["--max-asset-bytes", "0"], "512M"),
        (["--max-streams", "0"], "1<=x<=1024"),
        (["--port", "70000"], "65535"),
        (["--host", "203.0.113.1", "--port", "0"], "--host"),
    ],
)
def test_flags_that_cannot_be(arguments: list[str], word: str) -> None:
    done = _serve(*arguments)
    assert done.returncode == 2
    assert word in done.stderr


def test_the_preview_engine_is_found_by_its_name() -> None:
    assert callable(find_engine("preview"))
    with pytest.raises(UsageError, match="nobody") as caught:
        find_engine("nobody")
    assert "preview" in (caught.value.hint or "")


def test_options_that_an_engine_does_not_have_are_refused() -> None:
    with pytest.raises(UsageError, match="the engine preview has no --models-dir"):
        find_engine("preview", {"models_dir": "models"})()
