"""A render that is killed again and again, and what must hold each time."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from proxy import Proxy
from workload import FPS, Workload, environment, parts_of, pictures

_DEADLINE_SECS = 180.0


@dataclass
class Cost:
    """What kills cost.

    Attributes:
        kills: of running processes.
        runs: in all, the last ones of each video included.
        videos: finished.
        parts_kept: parts that were there when a process died, over all kills.
    """

    kills: int = 0
    runs: int = 0
    videos: int = 0
    parts_kept: int = 0


class Killing:
    """Kills one render after another at random moments.

    Args:
        url: the server, or `builtin`.
        proxy: before the server, if there is one: it knows what was asked for.
        right: the frames of the video.
    """

    def __init__(
        self,
        workload: Workload,
        output: Path,
        url: str,
        right: list[str],
        chance: random.Random,
        proxy: Proxy | None = None,
    ) -> None:
        self.cost = Cost()
        self._workload = workload
        self._output = output
        self._url = url
        self._right = right
        self._chance = chance
        self._proxy = proxy

    def run(self, kills: int) -> Cost:
        """Kill so many times, then let the last video become finished."""
        while self.cost.kills < kills:
            self._once(kill=True)
        self._once(kill=False)
        return self.cost

    def _once(self, *, kill: bool) -> None:
        before = parts_of(self._output)
        asked = len(self._proxy.asked) if self._proxy else 0
        with started(self._workload.arguments(self._output, self._url)) as process:
            own: set[int] = set()
            if kill:
                self._wait(process)
                own = children(process.pid)
                process.kill()
            code = process.wait(_DEADLINE_SECS)
        self.cost.runs += 1
        self._check_asked(asked, before)
        assert _gone(own), "a server outlived its client"
        self.cost.kills += code == -9
        if self._output.exists():
            self._check_finished()
        else:
            assert kill
            self._check_kept(before)

    def _wait(self, process: subprocess.Popen[str]) -> None:
        """Until a random moment: of the start, or of the work."""
        assert process.stdout is not None
        if self._chance.random() < 0.25:
            time.sleep(self._chance.uniform(0.0, 1.0))
            return
        moment = self._chance.uniform(0.0, 0.9) * self._workload.frames
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "progress" and event["stage"] == "encode":
                if event["done"] >= moment:
                    return
                moment -= event["done"] == 0  # nothing may come, if all parts are there

    def _check_kept(self, before: dict[str, int]) -> None:
        after = parts_of(self._output)
        assert {name: after.get(name) for name in before} == before, "a part was made again"
        self.cost.parts_kept += len(after)

    def _check_asked(self, asked: int, before: dict[str, int]) -> None:
        if self._proxy is None:
            return
        there = {int(name[:8]) for name in before}
        for request in self._proxy.asked[asked:]:
            if request.path == "/v1/frames":
                assert request.body["start"] // FPS not in there, "a finished part was asked for"

    def _check_finished(self) -> None:
        assert pictures(self._output) == self._right
        self._output.unlink()
        self.cost.videos += 1


@contextmanager
def started(arguments: list[str], **variables: str) -> Iterator[subprocess.Popen[str]]:
    """A command that is gone when the context ends."""
    process = subprocess.Popen(
        arguments,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def children(pid: int) -> set[int]:
    """Processes that this one has started."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except FileNotFoundError:
        return set()
    return {int(child) for child in found.split()}


def _gone(pids: set[int]) -> bool:
    deadline = time.monotonic() + 60
    while any(_alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
