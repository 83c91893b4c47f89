"""How the engine musetalk makes masks, as options of `serve`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

MASK_OPTIONS = (
    *("mask", "parsing_mode", "left_cheek_width", "right_cheek_width"),
    *("upper_boundary", "mask_blur"),
)

_WIDTH = click.IntRange(0, 256)
_OPTIONS = (
    click.option(
        "--mask", type=click.Choice(["parser", "mesh"]),
        help="What the engine musetalk makes masks of: MuseTalk's face parser, or the mesh that "
        "finds faces. Default: the face parser where its weights are there.",
    ),
    click.option(
        "--parsing-mode", type=click.Choice(["jaw", "raw", "neck"]),
        help="What belongs to the mask, as in MuseTalk. Default: jaw; raw with MuseTalk 1.0.",
    ),
    click.option(
        "--left-cheek-width", type=_WIDTH, metavar="PIXELS",
        help="From the middle of the parsed square, 512 wide, to the left cheek, which the mode "
        "jaw draws in. Default: 90.",
    ),
    click.option(
        "--right-cheek-width", type=_WIDTH, metavar="PIXELS",
        help="The same to the right cheek. Default: 90.",
    ),
    click.option(
        "--upper-boundary", type=click.FloatRange(0.1, 0.9), metavar="SHARE",
        help="Share of the parsed square's height that keeps the avatar. Default: 0.5.",
    ),
    click.option(
        "--mask-blur", type=click.FloatRange(0, 0.25), metavar="SHARE",
        help="The mask's Gaussian kernel, as a share of the parsed square. Default: 0.05; "
        "MuseTalk's realtime script has 0.1.",
    ),
)  # fmt: skip


def mask_options(command: F) -> F:
    """Give a command these options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
