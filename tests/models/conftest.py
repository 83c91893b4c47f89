"""One small hub for all tests here, as new for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import pytest
from loopback_hub import LoopbackHub, contents, serving_hub


@pytest.fixture(scope="session")
def _serving() -> Iterator[LoopbackHub]:
    with serving_hub() as hub:
        yield hub


@pytest.fixture
def hub(_serving: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> LoopbackHub:
    fresh = LoopbackHub(contents(), endpoint=_serving.endpoint)
    for each in fields(LoopbackHub):
        setattr(_serving, each.name, getattr(fresh, each.name))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "HF_TOKEN", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return _serving
