"""Parts for a pipe come in order, each once it is finished."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from musetalk_fast import errors
from musetalk_fast.events import SegmentEvent
from musetalk_fast.planning import Segment
from musetalk_fast.rendering.pipe_parts import PartsInOrder


def test_a_part_that_cannot_be_read_back_is_named(tmp_path: Path) -> None:
    """As where no more files may be open: `finished` takes it for none of ours."""
    segment = Segment(7, 0, 25)
    job = SimpleNamespace(
        plan=SimpleNamespace(segments=[segment]),
        state=SimpleNamespace(
            finished=lambda _segments: {}, jobdir=SimpleNamespace(path=tmp_path / "out.mp4.parts")
        ),
    )
    parts = PartsInOrder(job, SimpleNamespace(check_reader=lambda: None))  # type: ignore[arg-type]
    parts.listen(SegmentEvent(number=7, start=0, stop=25, bytes=1))
    with pytest.raises(errors.PartsError, match="segment 7") as caught:
        next(iter(parts))
    assert caught.value.where == str(tmp_path / "out.mp4.parts")
