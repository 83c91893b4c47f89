"""Two nodes of a Ray cluster on loopback: trees of processes, which are killed by their ids."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

START = Path(__file__).with_name("ray_start.py")
PORT = 6399
CLIENT_PORT = 10001
TIMEOUT_SECS = 480
_AT_WORK_SECS = 120
STARTS = 3
PATIENCE = {
    "RAY_worker_niceness": "0",  # else the workers alone are starved
    "RAY_worker_register_timeout_seconds": "600",
    "RAY_agent_register_timeout_ms": "600000",
    "RAY_health_check_timeout_ms": "60000",
}
"""What else Ray takes for dead on a busy machine."""
SERVER = "serve --no-page --engine"
"""Of a server that an actor runs, what is in its command line."""
OURS = ("ray::render_whole", "ray::plan_video", "ray::make_segments", "ray::join_segments",
        "ray::servers_answer", "ray::ServerActor", "ray::EventActor", SERVER)  # fmt: skip
"""Of tasks, actors and servers of a batch, what their processes are called."""

Tree = subprocess.Popen[bytes]


@dataclass
class Nodes:
    """The cluster's nodes, of which the first is the head."""

    folder: Path
    trees: list[Tree] = field(default_factory=list)

    @property
    def settings(self) -> Path:
        """An empty file, in place of this user's."""
        return self.folder / "config.toml"

    @property
    def second(self) -> Tree:
        """The node that is not the head."""
        return self.trees[1]

    @contextmanager
    def running(self) -> Iterator[Nodes]:
        """While the context is open; its processes are ended one by one, by their ids."""
        token = self.folder / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        os.environ |= PATIENCE | {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ADDRESS": f"127.0.0.1:{PORT}",
        }
        self.settings.touch()
        try:
            self.start()
            yield self
        finally:
            self.lose(*self.trees)
            self._kill_orphans()

    def start(self) -> None:
        """Start the nodes that are not there."""
        if not self.trees:
            temporary = self.folder / f"ray{secrets.token_hex(2)}"
            self._start("--head", f"--port={PORT}", f"--ray-client-server-port={CLIENT_PORT}",
                        f"--temp-dir={temporary}", "--include-dashboard=false")  # fmt: skip
        if len(self.trees) == 1:
            self._start(f"--address=127.0.0.1:{PORT}")

    def _start(self, *options: str) -> None:
        """One node; returns when it has started."""
        for _ in range(STARTS):
            tree, log = self._begin(options)
            until(partial(_has_started, tree, log), "a node")
            if tree.poll() is None:
                self.trees.append(tree)
                return
            self._kill_orphans()
        raise TimeoutError(log.read_text())

    def _begin(self, options: tuple[str, ...]) -> tuple[Tree, Path]:
        log = self.folder / f"node{len(self.trees)}.log"
        with log.open("w") as file:
            tree = subprocess.Popen(
                [sys.executable, START, *options, *_agent_ports(len(self.trees)),
                 f"--node-ip-address=127.0.0.{len(self.trees) + 1}", "--num-cpus=2",
                 '--resources={"musetalk": 1}', "--object-store-memory=100000000",
                 "--disable-usage-stats", "--block"],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
            )  # fmt: skip
        return tree, log

    def _kill_orphans(self) -> None:
        """What has been left by a node that did not start."""
        ours = {pid for tree in self.trees for pid in [tree.pid, *descendants(tree.pid)]}
        all_there = [int(each.name) for each in Path("/proc").glob("[0-9]*")]
        kill([pid for pid in all_there
              if pid not in ours and f"{self.folder}/ray" in command_of(pid)])  # fmt: skip

    def lose(self, *trees: Tree) -> None:
        """Kill all processes of nodes at once, and forget them."""
        for tree in trees:
            kill([tree.pid, *descendants(tree.pid)])
            tree.wait()
        self.trees = [each for each in self.trees if each not in trees]

    def find(self, title: str, *trees: Tree) -> list[int]:
        """Processes of these nodes, or of all, with this in their command lines."""
        found = [pid for tree in trees or self.trees for pid in descendants(tree.pid)]
        return [pid for pid in found if title in command_of(pid)]

    def busy(self) -> list[str]:
        """Tasks, actors and servers of ours that are there, by their command lines."""
        return [command_of(pid) for title in OURS for pid in self.find(title)]

    def left(self, secs: float = 60.0) -> list[str]:
        """What is busy though no batch runs, after this time."""
        deadline = time.monotonic() + secs
        while self.busy() and time.monotonic() < deadline:
            time.sleep(0.5)
        return self.busy()


def stopped_at_work(
    title: str,
    found: Callable[[], list[int]],
    count: int = 1,
    is_at_work: Callable[[int], bool] = lambda _pid: True,
) -> list[int]:
    """So many processes of this title, stopped: none of them can end its work meanwhile."""
    stopped: list[int] = []

    def has_stopped() -> bool:
        for pid in found()[: count - len(stopped)]:
            _signal(pid, signal.SIGSTOP)
            if title in command_of(pid) and is_at_work(pid):
                stopped.append(pid)
            else:
                _signal(pid, signal.SIGCONT)
        return len(stopped) == count

    until(has_stopped, f"{count} at work: {title}", _AT_WORK_SECS)
    return stopped


def until(is_so: Callable[[], bool], what: str, secs: float = TIMEOUT_SECS) -> None:
    """Wait for it.

    Raises:
        TimeoutError: it did not come.
    """
    deadline = time.monotonic() + secs
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.05)


def descendants(pid: int) -> list[int]:
    """All processes below one."""
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


def makes_parts(pid: int) -> bool:
    """Whether a process has a render's folder open: it has said that it begins."""
    try:
        return any(".parts" in str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def command_of(pid: int) -> str:
    """The command line of a process; nothing of one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def kill(pids: list[int]) -> None:
    """Kill -9 them all."""
    for pid in pids:
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _agent_ports(node: int) -> list[str]:
    """Those of a node's agents: where they choose some, Ray waits seconds for them, and no more."""
    agents = "dashboard-agent-grpc", "dashboard-agent-listen", "runtime-env-agent", "metrics-export"
    return [f"--{name}-port={22_000 + 10 * node + at}" for at, name in enumerate(agents)]


def _has_started(tree: Tree, log: Path) -> bool:
    return "Ray runtime started" in log.read_text() or tree.poll() is not None
