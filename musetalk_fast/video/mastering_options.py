"""Encoder options for mastering display and content light level."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from musetalk_fast.types import Mastering

_UNIT, _LIGHT = 50_000, 10_000
"""Parts of 1 that chromaticities, and of 1 cd/m2 that light is counted in."""


def with_mastering(
    codec: str, options: Mapping[str, str], mastering: Mastering | None
) -> dict[str, str]:
    """The options of an encoder, with what a source says of its display.

    For libx265 (its `--master-display` and `--max-cll`) and SVT-AV1 (`mastering-display` and
    `content-light`); others have no such option, and stay as they are.
    """
    made = dict(options)
    if mastering is None or codec not in _WRITERS:
        return made
    option, (display, levels), number = _WRITERS[codec]
    said = [made[option]] if option in made else []
    if mastering.brightest and mastering.white_x:
        said.append(f"{display}={_display(mastering, number)}")
    if mastering.brightest_pixel:
        said.append(f"{levels}={mastering.brightest_pixel},{mastering.brightest_frame}")
    if said:
        made[option] = ":".join(said)
    return made


def _display(mastering: Mastering, number: Callable[[int, int], str]) -> str:
    places = {"G": "green", "B": "blue", "R": "red", "WP": "white"}
    points = (
        f"{short}({number(getattr(mastering, f'{name}_x'), _UNIT)},"
        f"{number(getattr(mastering, f'{name}_y'), _UNIT)})"
        for short, name in places.items()
    )
    light = (number(each, _LIGHT) for each in (mastering.brightest, mastering.darkest))
    return f"{''.join(points)}L({','.join(light)})"


_WRITERS: dict[str, tuple[str, tuple[str, str], Callable[[int, int], str]]] = {
    "libx265": ("x265-params", ("master-display", "max-cll"), lambda value, _unit: str(value)),
    "libsvtav1": (
        "svtav1-params",
        ("mastering-display", "content-light"),
        lambda value, unit: f"{value / unit:.5f}",
    ),
}
"""By encoder: the option that takes it, what both are called in it, and how numbers are written."""
