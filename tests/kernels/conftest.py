from __future__ import annotations

from collections.abc import Iterator

import pytest
from kernel_sets import held_at

from musetalk_fast.kernels import native


@pytest.fixture(params=native.SETS)
def instruction_set(request: pytest.FixtureRequest) -> Iterator[str]:
    """All native kernels, held at one instruction set for the time of a test."""
    with held_at(native.SETS.index(request.param)) as reached:
        if not reached:
            pytest.skip(f"this CPU has no {request.param}")
        yield request.param
