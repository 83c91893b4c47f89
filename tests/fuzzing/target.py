"""What is fuzzed: a decoder, valid input for it, and the errors it may answer with."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A decoder.

    Attributes:
        name: of the decoder, for people and for files.
        make: valid input.
        feed: decodes an input; whether it was accepted. Anything raised beside `expected`, an
            AssertionError of its own comparisons above all, is a finding.
        expected: the decoder's refusals.
        seal: makes the checksums of a damaged input right again, so that what lies behind them
            is reached.
    """

    name: str
    make: Callable[[random.Random], bytes]
    feed: Callable[[bytes], bool]
    expected: tuple[type[Exception], ...] = ()
    seal: Callable[[bytes], bytes] | None = None
