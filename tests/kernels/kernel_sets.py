"""Kernels at one instruction set after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from musetalk_fast.kernels import native

LEVELS = range(len(native.SETS))


@contextmanager
def held_at(level: int) -> Iterator[bool]:
    """All native kernels at an instruction set, or the best below it, until the context ends.

    Gives whether any of them has a form for that very set on this CPU.
    """
    modules = [module for module in map(native.load, native.KERNELS) if module is not None]
    assert modules, "the extensions are not built"
    before = [module.used() for module in modules]
    try:
        for module in modules:
            module.use(level)
        yield max(module.used() for module in modules) == level
    finally:
        for module, earlier in zip(modules, before, strict=True):
            module.use(earlier)
