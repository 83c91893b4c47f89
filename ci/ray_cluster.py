"""Kills what runs a batch on a Ray cluster of two nodes, and compares the videos with local ones.

ci/ray_cluster.py [--only NAME ...] [--secs 12]

Runs in a network namespace of its own, in which there is nothing but loopback: Ray listens on all
interfaces. Exit code 1 where a video differs or a process is left, 77 where it cannot run here.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
RAY = Path(sys.executable).with_name("ray")
INSIDE = "MTF_CI_INSIDE"
PORT = 6399
CANNOT_RUN = 77
TIMEOUT_SECS = 480
JOBS = 3
STARTS = 3


def main() -> int:
    """Run the cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=CASES)
    parser.add_argument("--secs", type=float, default=12.0)
    asked = parser.parse_args()
    if importlib.util.find_spec("ray") is None:
        print("Ray is not installed")
        return CANNOT_RUN
    if INSIDE not in os.environ:
        return _run_inside()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as name:
        return _run(Path(name), asked.only or list(CASES), asked.secs)


def _run_inside() -> int:
    command = ["unshare", "-rn", sys.executable, *sys.argv]
    if (
        not shutil.which("unshare")
        or subprocess.run([*command[:2], "true"], check=False).returncode
    ):
        print("no network namespace can be made here")
        return CANNOT_RUN
    return subprocess.run(command, check=False, env=os.environ | {INSIDE: "1"}).returncode


def _run(folder: Path, names: list[str], secs: float) -> int:
    clips = _clips(folder / "clips", secs)
    print("case                  wall s  tasks again  videos", flush=True)
    bad = 0
    with Nodes(folder).running() as nodes:
        local = Batch(nodes, clips, folder / "local", ["-s", "builtin", "--jobs", _at_once()])
        assert local.run() == 0
        right = local.videos()
        print(f"{'on this machine':20}  {local.secs:6.1f}  {'':11}  {len(right)} made", flush=True)
        for name in names:
            batch = Batch(nodes, clips, folder / name, ["--on", "ray", "--serve", "preview"])
            note = CASES[name](batch)
            same = sum(batch.videos().get(each) == digest for each, digest in right.items())
            left = nodes.left()
            bad += same != len(right) or bool(left)
            print(
                f"{name:20}  {batch.secs:6.1f}  {batch.again:11}  {same} of {len(right)} identical"
                + (f"; {note}" if note else "")
                + (f"; LEFT: {left}" if left else ""),
                flush=True,
            )
    return 1 if bad else 0


def _at_once() -> str:
    """As many as share the processors on a node, so that each has the same number of threads."""
    return str(max(1, len(os.sched_getaffinity(0)) // 2))


def _clips(folder: Path, secs: float) -> Path:
    folder.mkdir()
    for number in range(JOBS):
        shutil.copy(ROOT / "examples/portrait.png", folder / f"clip{number}.png")
        _repeat(ROOT / "tests/data/short.wav", folder / f"clip{number}.wav", secs + number)
    return folder


def _repeat(speech: Path, path: Path, secs: float) -> None:
    with wave.open(str(speech)) as given, wave.open(str(path), "w") as file:
        file.setparams(given.getparams())
        once = given.readframes(given.getnframes())
        count = round(secs * given.getframerate()) * given.getsampwidth() * given.getnchannels()
        file.writeframes((once * (count // len(once) + 1))[:count])


@dataclass
class Nodes:
    """Two nodes of a cluster, each a tree of processes."""

    folder: Path
    trees: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def settings(self) -> Path:
        """An empty file, in place of this user's."""
        return self.folder / "config.toml"

    @contextmanager
    def running(self) -> Iterator[Nodes]:
        """While the context is open; its processes are ended one by one, by their ids."""
        token = self.folder / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        os.environ |= {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ADDRESS": f"127.0.0.1:{PORT}",
        }
        self.settings.touch()
        try:
            self.start("--head", f"--port={PORT}", f"--temp-dir={self.folder / 'ray'}",
                       "--include-dashboard=false")  # fmt: skip
            self.start(f"--address=127.0.0.1:{PORT}")
            yield self
        finally:
            for each in self.trees:
                _kill([*_descendants(each.pid), each.pid])
                each.wait()

    def start(self, *options: str) -> None:
        """One node; returns when it has started. On a busy machine Ray gives up now and then."""
        for _ in range(STARTS):
            tree, log = self._start(options)
            _until(partial(_has_started, tree, log), "a node")
            if tree.poll() is None:
                return
            self.trees.remove(tree)
        raise TimeoutError(log.read_text())

    def _start(self, options: tuple[str, ...]) -> tuple[subprocess.Popen[bytes], Path]:
        log = self.folder / f"node{len(self.trees)}.log"
        with log.open("w") as file:
            tree = subprocess.Popen(
                [RAY, "start", *options, "--node-ip-address=127.0.0.1", "--num-cpus=2",
                 '--resources={"musetalk": 1}', "--object-store-memory=100000000",
                 "--disable-usage-stats", "--block"],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
            )  # fmt: skip
        self.trees.append(tree)
        return tree, log

    def lose(self) -> None:
        """Kill all processes of the second node at once."""
        tree = self.trees.pop()
        _kill([tree.pid, *_descendants(tree.pid)])
        tree.wait()

    def all(self, title: str) -> list[int]:
        """Processes of the nodes with this in their command lines."""
        found = [pid for tree in self.trees for pid in _descendants(tree.pid)]
        return [pid for pid in found if title in _command(pid)]

    def left(self) -> list[str]:
        """Tasks and servers that are there though no batch runs."""

        def busy() -> list[int]:
            return [pid for title in ("ray::make", "ray::render", "ray::Server", "serve --engine")
                    for pid in self.all(title)]  # fmt: skip

        deadline = time.monotonic() + 20
        while busy() and time.monotonic() < deadline:
            time.sleep(0.5)
        return [_command(pid) for pid in busy()]


@dataclass
class Batch:
    """A batch of all clips, which is disturbed when its first frames have come."""

    nodes: Nodes
    clips: Path
    output: Path
    options: list[str]
    secs: float = 0.0
    again: int = 0

    def run(self, disturb: Callable[[subprocess.Popen[str]], None] | None = None) -> int:
        """Its exit code."""
        began = time.monotonic()
        with self._begun() as process:
            assert process.stdout is not None
            for line in process.stdout:
                assert line.startswith("{"), f"not ours, on stdout: {line!r}"
                event = json.loads(line)
                self.again += event.get("token") == "MTF-TASK-AGAIN"
                if disturb is not None and event.get("stage") == "encode" and event["done"] > 25:
                    disturb(process)
                    disturb = None
            code = process.wait(TIMEOUT_SECS)
        self.secs += time.monotonic() - began
        assert disturb is None, "it was over before it was disturbed"
        return code

    @contextmanager
    def _begun(self) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-m", "musetalk_fast", "batch", str(self.clips), "--json",
                   "-o", str(self.output), *self.options, "--resolution", "256x256",
                   "--segment-secs", "2"]  # fmt: skip
        environ = os.environ | {
            "PYTHONPATH": str(ROOT),
            "MUSETALK_CONFIG_PATH": str(self.nodes.settings),
        }
        log = self.output.with_suffix(".log")
        with (
            log.open("w") as errors,
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environ
            ) as process,
        ):
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def videos(self) -> dict[str, str]:
        """Each with the hash of all of its bytes."""
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in self.output.glob("*.mp4")}  # fmt: skip

    def kills(self, title: str, count: int = 1) -> str:
        """Run it, and kill -9 so many processes of this title."""

        def disturb(_process: subprocess.Popen[str]) -> None:
            _until(lambda: bool(self.nodes.all(title)), title)
            _kill(self.nodes.all(title)[:count])

        return _ended(self.run(disturb))


def _undisturbed(batch: Batch) -> str:
    return _ended(batch.run())


def _loses_node(batch: Batch) -> str:
    def disturb(_process: subprocess.Popen[str]) -> None:
        batch.nodes.lose()

    said = _ended(batch.run(disturb))
    batch.nodes.start(f"--address=127.0.0.1:{PORT}")
    return said


def _stopped(number: signal.Signals) -> Callable[[Batch], str]:
    def case(batch: Batch) -> str:
        code = batch.run(lambda process: process.send_signal(number))
        secs, left = batch.secs, batch.nodes.left()
        there = len(batch.videos())
        said = _ended(batch.run())
        return (
            f"exit code {code} in {secs:.1f} s, {there} videos there, left: {left or 'nothing'}; "
            f"then the same command again{': ' + said if said else ''}"
        )

    return case


def _in_pieces(batch: Batch) -> str:
    """One clip alone: its segments are shared out."""
    batch.options += ["--only", "clip2"]
    said = batch.kills("ray::make_segments")
    batch.options = batch.options[:-2]
    return "one clip in pieces" + said + _ended(batch.run())


def _ended(code: int) -> str:
    return "" if code == 0 else f"EXIT CODE {code}"


CASES: dict[str, Callable[[Batch], str]] = {
    "undisturbed": _undisturbed,
    "worker": lambda batch: batch.kills("ray::render_whole"),
    "all-workers": lambda batch: batch.kills("ray::render_whole", 9),
    "server-actor": lambda batch: batch.kills("ray::ServerActor"),
    "server": lambda batch: batch.kills("serve --engine"),
    "node": _loses_node,
    "pieces": _in_pieces,
    "ctrl-c": _stopped(signal.SIGINT),
    "sigterm": _stopped(signal.SIGTERM),
    "sigkill": _stopped(signal.SIGKILL),
}


def _has_started(tree: subprocess.Popen[bytes], log: Path) -> bool:
    return "Ray runtime started" in log.read_text() or tree.poll() is not None


def _until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT_SECS
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.1)


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, asked = [], [pid]
    while asked:
        below = children.get(asked.pop(), [])
        found += below
        asked += below
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def _kill(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


if __name__ == "__main__":
    sys.exit(main())
