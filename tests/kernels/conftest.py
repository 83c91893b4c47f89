from __future__ import annotations

from collections.abc import Iterator

import pytest

from musetalk_fast.kernels import native


@pytest.fixture(params=native.SETS)
def instruction_set(request: pytest.FixtureRequest) -> Iterator[str]:
    """All native kernels, held at one instruction set for the time of a test."""
    wanted = native.SETS.index(request.param)
    modules = [module for module in map(native.load, native.KERNELS) if module is not None]
    before = [module.used() for module in modules]
    for module in modules:
        module.use(wanted)
    if max(module.used() for module in modules) < wanted:
        pytest.skip(f"this CPU has no {request.param}")
    yield request.param
    for module, level in zip(modules, before, strict=True):
        module.use(level)
