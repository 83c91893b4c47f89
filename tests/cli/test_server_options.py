"""Options of `render` and `serve` that decide how the two speak reach the wire."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

import musetalk_fast
from musetalk_fast.wire.media_types import WIRES

REPOSITORY = Path(__file__).parents[2]
RENDER = ("render", "--json", "-i", "a.png", "-a", "a.wav", "-o", "out.mp4", "--max-retries", "0")
SMALL = ("--resolution", "256x256", "--preset", "ultrafast")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> Path:
    shutil.copy(REPOSITORY / "examples/portrait.png", tmp_path / "a.png")
    shutil.copy(REPOSITORY / "tests/data/short.wav", tmp_path / "a.wav")
    return tmp_path


@contextmanager
def _serve(*arguments: str | Path) -> Iterator[str]:
    """The address of a server that the command runs."""
    environ = {**os.environ, "PYTHONPATH": str(Path(musetalk_fast.__file__).parents[1])}
    command = [sys.executable, "-m", "musetalk_fast", "serve", "--port", "0", *arguments]
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        try:
            line = server.stdout.readline()
            assert line.startswith("listening on "), line
            yield line.removeprefix("listening on ").strip()
        finally:
            server.kill()


def _wires(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return [event["wire"] for event in events if event["event"] == "server"]


def _keep(path: Path, *blobs: trustme.Blob) -> Path:
    path.write_bytes(b"".join(blob.bytes() for blob in blobs))
    return path


def test_certificates_of_both_sides_with_their_keys_apart(run: Run, files: Path) -> None:
    authority = trustme.CA()
    ca = _keep(files / "ca.pem", authority.cert_pem)
    ours, theirs = authority.issue_cert("us@example.org"), authority.issue_cert("127.0.0.1")
    _keep(files / "our.crt", *ours.cert_chain_pems)
    _keep(files / "our.key", ours.private_key_pem)
    cert = _keep(files / "their.crt", *theirs.cert_chain_pems)
    key = _keep(files / "their.key", theirs.private_key_pem)
    with _serve("--tls-cert", cert, "--tls-key", key, "--tls-client-ca", ca) as address:
        assert address.startswith("https://127.0.0.1:")
        trusting = (*RENDER, *SMALL, "-s", address, "--ca-file", "ca.pem")
        unknown = run(*trusting)
        assert unknown.returncode == 69
        assert "add --cert and --key" in unknown.stdout
        assert not (files / "out.mp4").exists()
        assert _wires(run(*trusting, "--cert", "our.crt", "--key", "our.key")) == ["binary"]
    assert (files / "out.mp4").exists()


def test_the_wire_that_is_asked_for(run: Run) -> None:
    with _serve() as address:
        assert _wires(run(*RENDER, *SMALL, "-s", address)) == ["binary"]
        for wire in ("binary", "ndjson", "infer"):
            assert _wires(run(*RENDER, *SMALL, "-s", address, "--wire", wire)) == [wire]


def test_an_unknown_wire(run: Run) -> None:
    done = run(*RENDER, "--wire", "frames")
    assert done.returncode == 2
    assert f"one of auto, {', '.join(wire.name for wire in WIRES)}" in done.stdout
