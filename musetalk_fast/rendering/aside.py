"""Parts of another render: moved beside the folder, and back when that render comes again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count, takewhile
from pathlib import Path

from musetalk_fast.errors import OutputWriteError, PlanError
from musetalk_fast.planning import Plan
from musetalk_fast.rendering.folder import PLAN, PartsFolder
from musetalk_fast.video.files import write_errors

_DAMAGED = "damaged"


def set_aside(folder: PartsFolder, kept: Plan | None) -> Path:
    """Move the plan, faces and parts of another render out of the way; where they are now.

    Args:
        kept: their plan; None if it is damaged.

    Raises:
        errors.OutputWriteError: the folder does not let us.
    """
    aside = next(path for path in _names(folder, kept) if not _is_there(path))
    with write_errors(aside):
        aside.mkdir()
        _move(folder, PartsFolder(aside))
    return aside


def take_back(folder: PartsFolder, plan: Plan) -> None:
    """Move what was set aside of this plan into its folder, but for what is there already.

    Raises:
        errors.OutputWriteError: the folder does not let us.
    """
    for aside in _set_aside(folder, plan):
        with write_errors(aside.path):
            _move(aside, folder)
            aside.path.rmdir()


def forget(folder: PartsFolder, plan: Plan) -> None:
    """Remove what was set aside of this plan."""
    for aside in _set_aside(folder, plan):
        shutil.rmtree(aside.path, ignore_errors=True)


def _set_aside(folder: PartsFolder, plan: Plan) -> list[PartsFolder]:
    there = map(PartsFolder, takewhile(_is_there, _names(folder, plan)))
    return [aside for aside in there if _is_of(aside, plan)]


def _is_there(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # the name is too long, for one
        return False


def _is_of(aside: PartsFolder, plan: Plan) -> bool:
    try:
        kept = aside.read_plan()
    except (PlanError, OutputWriteError):
        return False
    return kept is not None and kept.identity == plan.identity


def _names(folder: PartsFolder, plan: Plan | None) -> Iterator[Path]:
    name = f"{folder.path.name}.{plan.identity[:8] if plan else _DAMAGED}"
    yield folder.path.with_name(name)
    yield from (folder.path.with_name(f"{name}.{number}") for number in count(2))


def _move(source: PartsFolder, target: PartsFolder) -> None:
    """The plan is copied first and leaves last: cut short, both are folders of the same render."""
    content = source.read(PLAN)
    if content is not None:
        target.write_first(PLAN, content)
    for entry in source.contents():
        place = target.path / entry.name
        if place.exists():
            entry.unlink()
        else:
            entry.rename(place)
