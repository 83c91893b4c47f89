"""Kills what runs a batch on a Ray cluster of two nodes, and compares the videos with local ones.

ci/ray_cluster.py [--only NAME ...] [--secs 12]

Runs in a namespace of its own, in which there is no network but loopback: Ray listens on all
interfaces. Exit code 1 where a video differs or a process is left, 77 where it cannot run here.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import wave
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ray_batch import Batch
from ray_nodes import CLIENT_PORT, SERVER, Nodes, kill, makes_parts, stopped_at_work
from tcp_relay import relayed

ROOT = Path(__file__).parents[1]
INSIDE = "MTF_CI_INSIDE"
CANNOT_RUN = 77
JOBS = 3
LOST_SECS = 120
"""Until all of a lost cluster has ended: a node without its head looks for it for a minute."""


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
    # By what the host's name stands for Ray chooses the node of a command: it has to be the head.
    socket.sethostname("localhost")
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as name:
        return _run(Path(name), asked.only or list(CASES), asked.secs)


def _run_inside() -> int:
    command = ["unshare", "-rnu", sys.executable, *sys.argv]
    if (
        not shutil.which("unshare")
        or subprocess.run([*command[:2], "true"], check=False).returncode
    ):
        print("no network namespace can be made here")
        return CANNOT_RUN
    return subprocess.run(command, check=False, env=os.environ | {INSIDE: "1"}).returncode


def _run(folder: Path, names: list[str], secs: float) -> int:
    clips = _clips(folder / "clips", secs)
    print("case              wall s  again  reused  videos", flush=True)
    bad = 0
    with Nodes(folder).running() as nodes:
        options = ["-s", "builtin", "--jobs", _at_once()]
        local = Batch(nodes, clips, folder / "local", options, cluster=None)
        assert local.run() == 0
        right = local.videos()
        print(_row("on this machine", local, f"{len(right)} made"), flush=True)
        for name in names:
            batch = Batch(nodes, clips, folder / name, ["--serve", "preview"])
            bad += not _is_good(name, batch, right)
    return 1 if bad else 0


def _is_good(name: str, batch: Batch, right: dict[str, str]) -> bool:
    """Run a case and print its row; whether all is as it should be."""
    try:
        said = CASES[name](batch)
    except (AssertionError, TimeoutError) as error:
        print(
            f"{name}: FAILED: {error!r}, {batch.said}\n{batch.log.read_text()[-3000:]}", flush=True
        )
        batch.nodes.start()
        return False
    made = batch.videos()
    same = sum(made.get(each) == digest for each, digest in right.items())
    left = batch.nodes.left()
    notes = [f"{same} of {len(right)} identical", *filter(None, [said])]
    print(_row(name, batch, "; ".join(notes + [f"LEFT: {left}"] * bool(left))), flush=True)
    return same == len(right) and not left


def _row(name: str, batch: Batch, said: str) -> str:
    return f"{name:16}  {batch.secs:6.1f}  {batch.again:5}  {batch.reused:6}  {said}"


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


def _undisturbed(batch: Batch) -> str:
    batch.completes()
    return ""


def _kills_tasks(batch: Batch, title: str, count: int = 1) -> str:
    """Tasks at work are killed; each of them is begun again."""
    find = partial(batch.nodes.find, title)
    batch.completes(lambda _process: kill(stopped_at_work(title, find, count, makes_parts)))
    assert batch.again >= count, f"{count} killed, {batch.again} begun again"
    return f"{count} killed at work"


def _kills_server(batch: Batch, title: str) -> str:
    find = partial(batch.nodes.find, title)
    batch.completes(lambda _process: kill(stopped_at_work(title, find)))
    return ""


def _loses_node(batch: Batch) -> str:
    """The node that is not the head is lost, while a task of ours is at work on it."""
    nodes, title = batch.nodes, "ray::render_whole"

    def disturb(_process: subprocess.Popen[str]) -> None:
        find = partial(nodes.find, title, nodes.second)
        stopped_at_work(title, find, is_at_work=makes_parts)
        nodes.lose(nodes.second)

    batch.completes(disturb)
    nodes.start()
    assert batch.again >= 1, "its task was not begun again"
    return "it had a task at work"


def _loses_head(batch: Batch) -> str:
    """The cluster is gone; another one is started, and the same command again."""
    nodes = batch.nodes

    def disturb(_process: subprocess.Popen[str]) -> None:
        nodes.lose(nodes.trees[0])

    code, secs = batch.run(disturb), batch.since_disturbed
    left = nodes.left(LOST_SECS)
    assert not left, f"left on the other node: {left}"
    gone = batch.since_disturbed
    said = f"exit code {code} {secs:.1f} s after ({batch.said[-1:]}); all of it gone {gone:.0f} s"
    nodes.lose(*nodes.trees)
    nodes.start()
    batch.completes()
    return f"{said} after; then the same command again"


def _stopped(batch: Batch, number: signal.Signals) -> str:
    code = batch.run(lambda process: process.send_signal(number))
    secs, left = batch.since_disturbed, batch.nodes.left()
    assert not left, f"left: {left}"
    parts = batch.parts()
    there = f"{len(batch.videos())} videos and {parts} parts there"
    batch.completes()
    assert batch.reused >= parts, f"{parts} parts there, {batch.reused} used"
    return f"exit code {code} {secs:.1f} s after, {there}, then the same command again"


def _in_pieces(batch: Batch) -> str:
    """One clip alone: its segments are shared out."""
    batch.options += ["--only", "clip2"]
    said = _kills_tasks(batch, "ray::make_segments")
    batch.options = batch.options[:-2]
    batch.completes()
    return f"one clip in pieces: {said}"


def _by_client(case: Callable[[Batch], str]) -> Callable[[Batch], str]:
    def run(batch: Batch) -> str:
        batch.cluster = f"ray://127.0.0.1:{CLIENT_PORT}"
        return case(batch)

    return run


def _loses_connection(batch: Batch, back_after: float | None) -> str:
    """Ray Client's connection is cut; it comes back, or does not."""
    with relayed(CLIENT_PORT) as relay:
        batch.cluster = f"ray://127.0.0.1:{relay.port}"
        code = batch.run(lambda _process: relay.cut(back_after))
        secs, left = batch.since_disturbed, batch.nodes.left(LOST_SECS)
        assert not left, f"left: {left}"
        said = f"exit code {code} {secs:.1f} s after ({batch.said[-1:]})"
        relay.restore()
        batch.completes()
    return f"{said}; then the same command again"


CASES: dict[str, Callable[[Batch], str]] = {
    "undisturbed": _undisturbed,
    "worker": lambda batch: _kills_tasks(batch, "ray::render_whole"),
    "all-workers": lambda batch: _kills_tasks(batch, "ray::render_whole", 2),
    "server-actor": lambda batch: _kills_server(batch, "ray::ServerActor"),
    "server": lambda batch: _kills_server(batch, SERVER),
    "node": _loses_node,
    "pieces": _in_pieces,
    "ctrl-c": lambda batch: _stopped(batch, signal.SIGINT),
    "sigterm": lambda batch: _stopped(batch, signal.SIGTERM),
    "sigkill": lambda batch: _stopped(batch, signal.SIGKILL),
    "head": _loses_head,
    "client": _by_client(_undisturbed),
    "client-ctrl-c": _by_client(lambda batch: _stopped(batch, signal.SIGINT)),
    "client-worker": _by_client(lambda batch: _kills_tasks(batch, "ray::render_whole")),
    "client-break": lambda batch: _loses_connection(batch, 3.0),
    "client-cut": lambda batch: _loses_connection(batch, None),
    "client-head": _by_client(_loses_head),
}


if __name__ == "__main__":
    sys.exit(main())
