"""Renders under a random mix of faults; a seed gives the same script of faults again.

`python tests/faults/random_mix.py --seconds 120 --seed 7` prints what was injected, survived and
lost.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from injectors import ASSETS, AVATARS, FRAMES, HEALTH, INFO, any_fault
from proxy import Fault, Proxy, proxied
from workload import Server, Workload, pictures, served

from musetalk_fast.client import backoff
from musetalk_fast.errors import ServersLostError, ServerUnreachableError
from musetalk_fast.types import CropEncoding
from musetalk_fast.wire.media_types import BINARY, NDJSON

MAX_SERVERS = 3
STOPPED = "client stopped"
AGAIN = "no server at the start"
_PATIENT = 100
"""Consecutive failures of a server before it is lost: many, as faults end here."""


@dataclass(frozen=True)
class Blow:
    """What happens to a process.

    Attributes:
        kind: `server killed`, `server frozen`, `connections refused` or `client stopped`.
        at, secs: when, after the render began, and for how long.
        server: which one.
    """

    kind: str
    at: float
    secs: float
    server: int


@dataclass(frozen=True)
class Round:
    """One render and all that will go wrong with it."""

    servers: int
    binary: bool
    encoding: CropEncoding
    faults: tuple[tuple[int, str, Fault], ...]
    blows: tuple[Blow, ...]

    @property
    def manner(self) -> tuple[int, bool, CropEncoding]:
        """What decides how long it takes where nothing goes wrong."""
        return self.servers, self.binary, self.encoding

    def recorder(self) -> str:
        """In words."""
        faults = "; ".join(f"{at} {path} {fault.name}" for at, path, fault in self.faults)
        return f"{self.manner}: {faults}; {self.blows}"


def round_of(seed: int, number: int) -> Round:
    """The script of a round: a function of the seed and of nothing else."""
    chance = random.Random(f"{seed}/{number}")
    servers = chance.randint(1, MAX_SERVERS)
    faults: list[tuple[int, str, Fault]] = []
    for server in range(servers):
        paths = [FRAMES] * chance.randint(1, 6) + [AVATARS, ASSETS] * chance.randint(0, 1)
        # One before a server is known: what says twice that it is none, is none.
        paths += [chance.choice([HEALTH, INFO])] * chance.randint(0, 1)
        faults += [(server, path, any_fault(chance, path)) for path in paths]
    blows = [
        Blow(
            chance.choice(["server killed", "server frozen", "connections refused"]),
            chance.uniform(0.0, 1.5),
            chance.uniform(0.1, 1.5),
            chance.randrange(servers),
        )
        for _ in range(chance.randint(0, 2))
    ]
    if chance.random() < 0.3:
        blows.append(Blow(STOPPED, chance.uniform(0.1, 1.0), 0.0, 0))
    encoding = chance.choice([CropEncoding.RAW, CropEncoding.JPEG])
    return Round(servers, chance.random() < 0.5, encoding, tuple(faults), tuple(blows))


@dataclass
class Tally:
    """What a mix has come to.

    Attributes:
        injected: faults that struck, by kind.
        survived: of them, those of renders that ended in the right video.
        lost_secs: by which renders took longer than where nothing went wrong.
    """

    seed: int
    rounds: int = 0
    injected: Counter[str] = field(default_factory=Counter)
    survived: Counter[str] = field(default_factory=Counter)
    undisturbed_secs: float = 0.0
    lost_secs: float = 0.0
    failures: list[str] = field(default_factory=list)

    def table(self) -> str:
        """For people."""
        width = max(map(len, self.injected), default=10)
        rows = [f"{'fault':{width}}  injected  survived"]
        for kind, count in sorted(self.injected.items()):
            rows.append(f"{kind:{width}}  {count:8}  {self.survived[kind]:8}")
        injected, survived = self.injected.total(), self.survived.total()
        rows.append(f"{'all':{width}}  {injected:8}  {survived:8}")
        rows.append(
            f"seed {self.seed}: {self.rounds} renders; undisturbed {self.undisturbed_secs:.1f} s, "
            f"lost {self.lost_secs:.1f} s ({self.lost_secs / max(1, injected):.2f} s a fault)"
        )
        return "\n".join(rows + self.failures)


class Mix:
    """Renders round after round with the same servers."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.tally = Tally(seed)
        self._folder = folder
        self._workload = Workload(folder / "workload", 4.0).write()
        self._right: dict[CropEncoding, list[str]] = {}
        self._usual: dict[tuple[int, bool, CropEncoding], float] = {}
        self._servers: list[Server] = []
        self._proxies: list[Proxy] = []

    def run(self, secs: float = math.inf, rounds: float = math.inf) -> Tally:
        """Go on for so long, or for so many rounds, or until a render fails."""
        end = time.monotonic() + secs
        with ExitStack() as stack:
            self._servers = stack.enter_context(served(MAX_SERVERS, crop_secs=0.003))
            self._proxies = [
                stack.enter_context(proxied(server.address)) for server in self._servers
            ]
            stack.enter_context(_hasty())
            while time.monotonic() < end and self.tally.rounds < rounds and not self.tally.failures:
                self._round(self.tally.rounds)
                self.tally.rounds += 1
        return self.tally

    def _round(self, number: int) -> None:
        script = round_of(self.tally.seed, number)
        if script.manner not in self._usual:
            self._measure(script)
        for server, path, fault in script.faults:
            self._proxies[server].inject(path, fault)
        began = time.monotonic()
        output = self._folder / f"{number}.mp4"
        try:
            blows = asyncio.run(self._disturbed(script, output))
            assert pictures(output) == self._right[script.encoding], "other frames"
        except BaseException as error:
            if not isinstance(error, Exception):  # it is stopped
                raise
            self.tally.failures.append(f"round {number}: {error!r}; {script.recorder()}")
            self.tally.injected.update(self._struck())
            return
        struck = self._struck() + blows
        self._count(script, struck, time.monotonic() - began)
        output.unlink()

    def _count(self, script: Round, struck: list[str], secs: float) -> None:
        self.tally.injected.update(struck)
        self.tally.survived.update(struck)
        self.tally.undisturbed_secs += self._usual[script.manner]
        self.tally.lost_secs += max(0.0, secs - self._usual[script.manner])

    def _struck(self) -> list[str]:
        kinds = []
        for proxy in self._proxies:
            kinds += [asked.fault.kind for asked in proxy.asked if asked.fault]
            proxy.heal()
            proxy.asked.clear()
        return kinds

    def _measure(self, script: Round) -> None:
        """How long such a render takes where nothing goes wrong, and what comes out."""
        began = time.monotonic()
        output = self._folder / "usual.mp4"
        asyncio.run(self._render(script, output))
        self._usual[script.manner] = time.monotonic() - began
        self._right.setdefault(script.encoding, pictures(output))

    async def _render(self, script: Round, output: Path) -> None:
        urls = [proxy.url for proxy in self._proxies[: script.servers]]
        members = {"wire": (BINARY if script.binary else NDJSON).name, "encoding": script.encoding}
        await self._workload.render(
            output, *urls, max_retries=_PATIENT, timeout_secs=1.5, **members
        )

    async def _disturbed(self, script: Round, output: Path) -> list[str]:
        """Render while blows fall; their kinds."""
        fallen: list[str] = []
        turns = [asyncio.Lock() for _ in self._servers]
        stops = [blow.at for blow in script.blows if blow.kind == "client stopped"]
        blows = asyncio.gather(
            *(
                self._strike(blow, turns[blow.server], fallen)
                for blow in script.blows
                if blow.kind != "client stopped"
            )
        )
        try:
            for at in stops:
                render = asyncio.ensure_future(self._is_rendered(script, output, blows))
                await asyncio.wait([render], timeout=at)
                if not render.done():
                    fallen.append(STOPPED)
                render.cancel()
                with suppress(asyncio.CancelledError):
                    await render
            while not await self._is_rendered(script, output, blows):
                fallen.append(AGAIN)
        finally:
            await blows
        return fallen

    async def _is_rendered(
        self, script: Round, output: Path, blows: asyncio.Future[list[None]]
    ) -> bool:
        """Render; False if no server was there at its start, which fails at once."""
        still_falling = not blows.done()
        try:
            await self._render(script, output)
        except (ServerUnreachableError, ServersLostError):
            if not still_falling:
                raise
            await asyncio.wait([blows])
            return False
        return True

    async def _strike(self, blow: Blow, turn: asyncio.Lock, fallen: list[str]) -> None:
        await asyncio.sleep(blow.at)
        server, proxy = self._servers[blow.server], self._proxies[blow.server]
        async with turn:
            fallen.append(blow.kind)
            if blow.kind == "server killed":
                await asyncio.to_thread(server.kill)
                proxy.upstream = await asyncio.to_thread(server.start)
            elif blow.kind == "server frozen":
                server.freeze()
                await asyncio.sleep(blow.secs)
                server.thaw()
            else:
                await asyncio.to_thread(proxy.close)
                await asyncio.sleep(blow.secs)
                await asyncio.to_thread(proxy.open)


@contextmanager
def _hasty() -> Iterator[None]:
    """Back off for tenths of seconds."""
    before = backoff._INITIAL_SECS, backoff._MAX_SECS
    backoff._INITIAL_SECS, backoff._MAX_SECS = 0.05, 0.6
    try:
        yield
    finally:
        backoff._INITIAL_SECS, backoff._MAX_SECS = before


def main() -> int:
    """Run a mix and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args()
    seed = secrets.randbelow(1 << 31) if asked.seed is None else asked.seed
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        random_mix = Mix(seed, Path(folder))
        try:
            print(f"seed {seed}", flush=True)
            random_mix.run(asked.seconds)
        except KeyboardInterrupt:
            print(f"stopped in round {random_mix.tally.rounds}, which does not count")
            return 130
        finally:
            print(random_mix.tally.table(), flush=True)
    return 1 if random_mix.tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
