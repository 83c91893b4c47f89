"""The figures of `models selftest` as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from musetalk_fast.models.selftest import EngineFigures, SelfTest


def selftest_text(found: SelfTest) -> str:
    """Both engines in two columns, and where to look."""
    rows = [("", "preview", "musetalk")]
    for name, of_preview, of_musetalk in zip(
        _NAMES, _cells(found.preview), _cells(found.musetalk), strict=True
    ):
        rows.append((name, of_preview, of_musetalk))
    lines = [f"{name:<34}{one:>12}{other:>12}" for name, one, other in rows]
    return "\n".join([
        *(line.rstrip() for line in lines),
        f"model {found.musetalk.model}, loaded in {found.load_secs:.1f} s",
        f"crops that were no numbers in 16 bits: {found.made_again}",
        f"Look at {found.video} (the preview on the left) and {found.sheet}",
    ])  # fmt: skip


_NAMES = (
    "frames",
    "frames a second",
    "preparation, s",
    "mouth moves in 80 ms, levels",
    "follows the loudness, -1 to 1",
    "mouth: brightness, levels",
    "mouth: contrast, levels",
    "mouth: least contrast, levels",
    "mouth: change a frame, levels",
    "mouth: frames as the one before",
)


def _cells(engine: EngineFigures) -> list[str]:
    mouth, picture = engine.mouth, engine.picture
    moved = mouth.moved if mouth else None
    follows = mouth.follows if mouth else None
    return [
        str(engine.frames),
        f"{engine.fps:.1f}",
        f"{engine.prepare_secs:.1f}",
        _number(moved, 1),
        _number(follows, 2),
        _number(picture.brightness if picture else None, 1),
        _number(picture.contrast if picture else None, 1),
        _number(picture.least_contrast if picture else None, 1),
        _number(picture.change if picture else None, 2),
        str(picture.still_frames) if picture else "-",
    ]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
