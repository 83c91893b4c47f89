"""The processes of the benches: what runs side by side, and what the time of each is."""

from __future__ import annotations

import sys
from itertools import pairwise

import pytest

from benches.replay.process import Spent, side_by_side

BUSY = "import time\nwhile time.process_time() < {}: pass\nprint({})"


def test_one_is_stopped_while_the_other_runs() -> None:
    commands = [(sys.executable, "-c", BUSY.format(secs, secs)) for secs in (0.3, 0.9)]
    spent = side_by_side(*commands, cpus=1)
    assert [each.stdout for each in spent] == ["0.3\n", "0.9\n"]
    assert all(each.cpu >= secs for each, secs in zip(spent, (0.3, 0.9), strict=True))
    slices = sorted(one for each in spent for one in each.slices)
    assert all(stop <= start for (_, stop), (start, _) in pairwise(slices))


def test_one_that_fails_ends_the_others() -> None:
    waits = (sys.executable, "-c", "import time; time.sleep(600)")
    with pytest.raises(AssertionError):
        side_by_side(waits, (sys.executable, "-c", "raise SystemExit(1)"), cpus=1)


def test_time_in_which_it_was_stopped_does_not_count() -> None:
    run = Spent(cpu=1.0, stdout="", slices=((10.0, 11.0), (15.0, 15.5), (20.0, 22.0)))
    assert run.began == 10.0
    assert run.wall == 3.5
    assert run.ran(10.5, 21.0) == 2.0
