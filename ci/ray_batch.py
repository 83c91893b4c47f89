"""A batch of clips on a cluster, disturbed at work."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer

from ray_nodes import TIMEOUT_SECS, Nodes

ROOT = Path(__file__).parents[1]

Disturb = Callable[["subprocess.Popen[str]"], None]


@dataclass
class Batch:
    """A batch of all clips.

    Attributes:
        options: beside those that all have.
        cluster: of `--on`; None: without one.
        secs: of all runs of it.
        again: tasks that were begun again.
        reused: segments of an earlier run.
        said: errors and warnings, each with its token.
    """

    nodes: Nodes
    clips: Path
    output: Path
    options: list[str]
    cluster: str | None = "ray"
    secs: float = 0.0
    again: int = 0
    reused: int = 0
    said: list[str] = field(default_factory=list)
    disturbed_at: float = 0.0

    @property
    def log(self) -> Path:
        """Its stderr, of all runs."""
        return self.output.with_suffix(".log")

    @property
    def since_disturbed(self) -> float:
        """Seconds since then."""
        return time.monotonic() - self.disturbed_at

    def completes(self, disturb: Disturb | None = None) -> None:
        """Run it to a good end."""
        code = self.run(disturb)
        assert code == 0, f"exit code {code}"

    def run(self, disturb: Disturb | None = None) -> int:
        """Run it, disturbed when the first part is finished; its exit code."""
        began = time.monotonic()
        with self._begun() as process:
            assert process.stdout is not None
            for line in process.stdout:
                assert line.startswith("{"), f"not ours, on stdout: {line!r}"
                event = json.loads(line)
                if "token" in event:
                    self.said.append(f"{event['token']}: {event['message']}")
                self.again += event.get("token") == "MTF-TASK-AGAIN"
                self.reused += event.get("reused") is True
                if disturb is not None and event.get("event") == "segment":
                    self.disturbed_at = time.monotonic()
                    disturb(process)
                    disturb = None
            code = process.wait(TIMEOUT_SECS)
        self.secs += time.monotonic() - began
        assert disturb is None, f"it was over before it was disturbed: exit code {code}"
        return code

    @contextmanager
    def _begun(self) -> Iterator[subprocess.Popen[str]]:
        place = [] if self.cluster is None else ["--on", self.cluster]
        command = [sys.executable, "-m", "musetalk_fast", "batch", str(self.clips), "--json",
                   "-o", str(self.output), *place, *self.options, "--resolution", "256x256",
                   "--segment-secs", "2"]  # fmt: skip
        environ = os.environ | {
            "PYTHONPATH": str(ROOT),
            "MUSETALK_CONFIG_PATH": str(self.nodes.settings),
        }
        with (
            self.log.open("a") as errors,
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environ
            ) as process,
        ):
            limit = Timer(TIMEOUT_SECS, process.kill)
            limit.start()
            try:
                yield process
            finally:
                limit.cancel()
                if process.poll() is None:
                    process.kill()

    def videos(self) -> dict[str, str]:
        """Each with the hash of all of its bytes."""
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in self.output.glob("*.mp4")}  # fmt: skip

    def parts(self) -> int:
        """Finished parts of those that are not videos yet."""
        return len(list(self.output.glob("*.parts/0*.mp4")))
