"""`doctor` names each problem with a fix."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest


def _checks(done) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


@pytest.fixture
def foreign() -> Iterator[str]:
    """A program that is no MuseTalk server."""
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.RequestHandlerClass.log_message = lambda *_: None  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_machine_that_works(run) -> None:
    done = run("doctor", "--json", "-s", "builtin")
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["usable"] is True
    checks = _checks(done)
    for name in ("program", "numpy", "av", "FFmpeg", "kernels", "encoders", "still rows"):
        assert checks[name]["detail"]
    for name in ("temporary folder", "configuration"):
        assert checks[name]["detail"]
    assert "libx264" in checks["encoders"]["detail"]
    assert "preview" in checks["server"]["detail"]


def test_each_line_in_words(run) -> None:
    done = run("doctor", MUSETALK_KERNELS="numpy")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    kernels = next(n for n, line in enumerate(lines) if line.startswith("note  kernels"))
    assert lines[kernels + 1] == "      fix: unset MUSETALK_KERNELS"
    *above, last = lines
    assert all(line.startswith(("ok  ", "note", "      fix: ")) for line in above)
    assert last == "ready"


def test_kernels_that_cannot_be_chosen(run) -> None:
    done = run("doctor", MUSETALK_KERNELS="mmx")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert any(line.startswith("FAIL  kernels") and "mmx" in line for line in lines)
    assert lines[-1].startswith("not ready: kernels: unset MUSETALK_KERNELS")


def test_a_broken_configuration_is_one_problem_among_others(run, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[output]\nfsp = 3\n")
    done = run("doctor", "--json", MUSETALK_CONFIG_PATH=str(tmp_path / "c.toml"))
    assert done.returncode == 1
    check = _checks(done)["configuration"]
    assert check["state"] == "problem"
    assert "c.toml:2" in check["detail"]
    assert check["fix"] == "did you mean fps?"
    assert "kernels" in _checks(done)


def test_a_chosen_server_that_is_down(run) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        done = run("doctor", "--json", "-s", url)
    assert done.returncode == 1
    check = _checks(done)["server"]
    assert check["state"] == "problem"
    assert url in check["detail"]
    assert check["fix"]


def test_a_foreign_program_at_the_chosen_address(run, foreign: str) -> None:
    done = run("doctor", "--json", MUSETALK_SERVER_URL=foreign)
    assert done.returncode == 1
    assert _checks(done)["server"]["state"] == "problem"
