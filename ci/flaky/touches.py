"""A pytest plugin: what each test touches of sockets, processes and clocks; and who runs again.

    python -m pytest -p ci.flaky.touches --touches FILE              adds to FILE
    python -m pytest -p ci.flaky.touches --only-touching FILE [--turn N]
    python -m pytest -p ci.flaky.touches --backward        the last one first

Seen are audit events of the interpreter, and what has none: timers of event loops, sockets of
uvloop, sleep, waits with a time limit, and a test function that reads a clock itself. A test
counts for what happens from its setup to its teardown, and for the setup of every fixture that it
names, also where a test before it had that set up. Threads of a test before may add to what is
seen: rather one too many. A process that a test starts is not looked into.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
import uvloop

EVENTS = {
    **dict.fromkeys(("socket.__new__", "socket.connect", "socket.bind"), "socket"),
    **dict.fromkeys(("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn"), "process"),
    **dict.fromkeys(("os.exec", "os.kill", "os.killpg", "signal.pthread_kill"), "process"),
}
CLOCKS = {"monotonic", "monotonic_ns", "perf_counter", "process_time", "thread_time", "time_ns"}
CASES_SECS = 1.0
"""CPU that all cases of a test function take together, above which they take turns."""
TURNS = 5
"""A case that takes turns runs in every fifth round, so four times in twenty."""

_SOCKETS = ("connection", "server", "unix_connection", "unix_server", "datagram_endpoint")
_LOOPS_OWN = "_make_self_pipe"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("touches")
    group.addoption("--touches", type=Path, help="add what each test touches to that file")
    group.addoption("--only-touching", type=Path, help="run what touches anything, by that file")
    group.addoption("--backward", action="store_true", help="the last test first")
    group.addoption("--turn", type=int, help="cases of expensive tests take turns: this one's")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.touches is not None:
        config.pluginmanager.register(_Recorder(config), "touches-recorder")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file none of whose tests touches anything: eight processes would import it for nothing."""
    record = config.option.only_touching
    if record is None or collection_path.suffix != ".py":
        return None
    name = Path(os.path.relpath(collection_path, config.rootpath)).as_posix()
    return name in _without_touches(record) or None


@functools.cache
def _without_touches(record: Path) -> set[str]:
    """The files of which tests are known, and none touches anything."""
    touching: dict[str, bool] = defaultdict(bool)
    for test, seen in json.loads(record.read_text()).items():
        touching[test.partition("::")[0]] |= bool(seen["touches"])
    return {file for file, touches in touching.items() if not touches}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.backward:
        items.reverse()
    if config.option.only_touching is None:
        return
    known = json.loads(config.option.only_touching.read_text())
    kept = selected([item.nodeid for item in items], known, config.option.turn)
    dropped = [item for item in items if item.nodeid not in kept]
    items[:] = [item for item in items if item.nodeid in kept]
    config.hook.pytest_deselected(items=dropped)


def selected(names: list[str], known: dict[str, Any], turn: int | None) -> set[str]:
    """The tests that touch anything, or that nobody knows; of expensive functions some cases.

    Args:
        names: node ids, in the order of the collection.
        known: of each test `touches` and `cpu_secs`, as they were recorded.
        turn: the number of the round; None: all cases.
    """
    touching = [name for name in names if name not in known or known[name]["touches"]]
    if turn is None:
        return set(touching)
    functions: dict[str, list[str]] = defaultdict(list)
    for name in touching:
        functions[name.partition("[")[0]].append(name)
    return {name for cases in functions.values() for name in _of_turn(cases, known, turn)}


def _of_turn(cases: list[str], known: dict[str, Any], turn: int) -> list[str]:
    cost = sum(known.get(name, {}).get("cpu_secs", 0) for name in cases)
    turns = min(TURNS, len(cases)) if cost > CASES_SECS else 1
    return cases[turn % turns :: turns]


class _Recorder:
    """Keeps what is touched in this process; the controller of xdist puts all together."""

    def __init__(self, config: pytest.Config) -> None:
        self._file: Path = config.option.touches
        self._is_worker = hasattr(config, "workerinput")
        self._running: set[str] | None = None
        self._setups: list[set[str]] = []
        self._by_fixture: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._by_test: dict[str, tuple[set[str], list[tuple[str, str]], float]] = {}
        self._together: dict[str, Any] = {}
        if self._is_worker or not getattr(config.option, "numprocesses", None):
            sys.addaudithook(self._audit)
            _wrap_what_has_no_event(self._touch)

    def _touch(self, what: str) -> None:
        for seen in (self._running, *self._setups):
            if seen is not None:
                seen.add(what)

    def _audit(self, event: str, _arguments: object) -> None:
        if what := EVENTS.get(event):
            if event == "socket.__new__" and _is_called_by(_LOOPS_OWN):
                return
            self._touch(what)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._running, before = set(), _cpu_secs()
        try:
            return (yield)
        finally:
            function = getattr(item, "function", None)
            if function is not None and CLOCKS & _names(function.__code__):
                self._running.add("clock")
            fixtures = [
                (each.baseid, each.argname)
                for name, found in getattr(item, "_fixtureinfo").name2fixturedefs.items()  # noqa: B009
                for each in found
                if name in item.fixturenames  # type: ignore[attr-defined]
            ]
            self._by_test[item.nodeid] = self._running, fixtures, _cpu_secs() - before
            self._running = None

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Generator[None, object, object]:
        self._setups.append(self._by_fixture[fixturedef.baseid, fixturedef.argname])
        try:
            return (yield)
        finally:
            self._setups.pop()

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._together |= {
            test: {
                "touches": sorted(touched.union(*(self._by_fixture[each] for each in fixtures))),
                "cpu_secs": round(secs, 2),
            }
            for test, (touched, fixtures, secs) in self._by_test.items()
        }
        if self._is_worker:
            session.config.workeroutput["touches"] = self._together  # type: ignore[attr-defined]
        elif self._together:
            known = json.loads(self._file.read_text()) if self._file.exists() else {}
            self._file.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(known | self._together, indent=0, sort_keys=True)
            self._file.write_text(text + "\n")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._together |= getattr(node, "workeroutput", {}).get("touches", {})


def _cpu_secs() -> float:
    """Of this process and of those that it has waited for."""
    return sum(os.times()[:4])


def _is_called_by(name: str) -> bool:
    frame = inspect.currentframe()
    for _ in range(8):
        if frame is None:
            return False
        if frame.f_code.co_name == name:
            return True
        frame = frame.f_back
    return False


def _names(code: CodeType) -> set[str]:
    """The names that a function uses, and those of functions inside of it."""
    inner = (each for each in code.co_consts if isinstance(each, CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _wrap_what_has_no_event(touch: Callable[[str], None]) -> None:
    for loop in (asyncio.BaseEventLoop, uvloop.Loop):
        for name in ("call_later", "call_at"):
            _wrap(loop, name, lambda: touch("clock"))
    for name in _SOCKETS:
        _wrap(uvloop.Loop, f"create_{name}", lambda: touch("socket"))
    for name in ("subprocess_exec", "subprocess_shell"):
        _wrap(uvloop.Loop, name, lambda: touch("process"))
    _wrap(time, "sleep", lambda: touch("clock"))  # has an event from Python 3.13 on
    for kind in (threading.Condition, threading.Event):
        _wrap(kind, "wait", lambda: touch("clock"), only_timed=True)


def _wrap(kind: Any, name: str, seen: Callable[[], None], *, only_timed: bool = False) -> None:
    whole = getattr(kind, name)

    @functools.wraps(whole)
    def watched(*args: Any, **named: Any) -> Any:
        if not only_timed or (args[1:] or (named.get("timeout"),))[0] is not None:
            seen()
        return whole(*args, **named)

    setattr(kind, name, watched)
