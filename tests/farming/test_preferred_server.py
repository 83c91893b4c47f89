"""A task asks the server that it is given first, as long as that one starts in time."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import musetalk_fast
from musetalk_fast.errors import ServersLostError

MODULE = Path(musetalk_fast.__file__).parent / "farming/ray/server_actor.py"


class _RayError(Exception):
    """In place of Ray's own."""


class _Ray:
    """In place of Ray: actors that answer at set times of a clock that only waiting moves."""

    exceptions = SimpleNamespace(RayError=_RayError)

    def __init__(self, answers: dict[str, float], failing: Sequence[str]) -> None:
        self._answers, self._failing = answers, failing
        self.now = 0.0

    def wait(self, references: list[str], timeout: float) -> tuple[list[str], list[str]]:
        first = min(references, key=self._answers.__getitem__)
        is_in_time = self._answers[first] <= self.now + timeout
        self.now = max(self.now, self._answers[first]) if is_in_time else self.now + timeout
        ready = [first] if is_in_time else []
        return ready, [each for each in references if each not in ready]

    def get(self, reference: str) -> str:
        if reference in self._failing:
            raise _RayError(f"{reference} failed")
        return f"http://{reference}:1"


def _module(monkeypatch: pytest.MonkeyPatch, ray: _Ray) -> ModuleType:
    """The module as it is where such a Ray is installed."""
    monkeypatch.setitem(sys.modules, "ray", ray)
    spec = importlib.util.spec_from_file_location("server_actor_of_a_test", MODULE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _servers(answers: dict[str, float]) -> list[Any]:
    def actor(name: str) -> Any:
        return SimpleNamespace(address=SimpleNamespace(remote=lambda: name))

    return [actor(name) for name in answers]


@pytest.mark.parametrize(
    ("answers", "failing", "chosen"),
    [
        ({"a": 0.0, "b": 0.0}, "", "a"),
        ({"a": 0.2, "b": 0.1}, "", "a"),
        ({"a": 90.0, "b": 0.1}, "", "b"),
        ({"a": 90.0, "b": 95.0, "c": 60.0}, "", "c"),
        ({"a": 0.2, "b": 0.1}, "a", "b"),
        ({"a": 90.0, "b": 0.1}, "b", "a"),
    ],
)
def test_the_preferred_server_is_asked(
    answers: dict[str, float], failing: str, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = _module(monkeypatch, _Ray(answers, failing))
    assert module.address_of(_servers(answers)) == f"http://{chosen}:1"


def test_a_batch_begins_with_whichever_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = _Ray({"a": 4.0, "b": 1.0}, "")
    _module(monkeypatch, ray).wait_for_server(_servers({"a": 4.0, "b": 1.0}))
    assert ray.now == 1.0


def test_where_no_server_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    module = _module(monkeypatch, _Ray({"a": 0.0, "b": 9.0}, "ab"))
    with pytest.raises(ServersLostError, match="b failed"):
        module.address_of(_servers({"a": 0.0, "b": 9.0}))
