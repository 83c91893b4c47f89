"""What the engine musetalk is given, as options of `serve`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

MUSETALK_OPTIONS = (
    *("models_dir", "latents_dir", "device", "half", "batch_size", "gpus"),
    *("call_timeout", "draft", "overlap_speech", "sample_latents"),
    *("mask", "parsing_mode", "left_cheek_width", "right_cheek_width"),
    *("upper_boundary", "mask_blur"),
)
"""Their names, as `load_engine` has them."""

_WIDTH = click.IntRange(0, 256)
_OPTIONS = (
    click.option(
        "--models-dir", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
        help="Weights of the engine musetalk, in MuseTalk's own layout. Default: `models` in this "
        "user's data folder.",
    ),
    click.option(
        "--latents-dir", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
        help="Where the engine musetalk keeps prepared avatars. Default: in this user's cache.",
    ),
    click.option(
        "--device", type=click.Choice(["auto", "cuda", "cpu"]),
        help="What the engine musetalk runs on. Default: auto, a GPU if there is one.",
    ),
    click.option(
        "--half", type=click.Choice(["auto", "fp16", "bf16", "off"]),
        help="Numbers of 16 bits in which the engine musetalk computes. Default: auto, fp16 on "
        "a GPU.",
    ),
    click.option(
        "--batch-size", type=click.IntRange(1, 128), metavar="NUMBER",
        help="Crops that the engine musetalk makes at a time. Default: what a GPU's memory holds, "
        "up to 16; 1 on a CPU.",
    ),
    click.option(
        "--gpus", metavar="LIST",
        help="GPUs of the engine musetalk, each with a process of its own: all, or 0,1 (cpu is a "
        "share of the processors). Default: one, in the server's process.",
    ),
    click.option(
        "--call-timeout", type=click.FloatRange(1, 86_400), metavar="SECS",
        help="With --gpus: a process that does not return from one call in this time is ended and "
        "started again. Default: twenty times a warm call, at least 60.",
    ),
    click.option(
        "--draft", is_flag=True,
        help="Decode with TAESD, a tiny network: faster, and not MuseTalk's picture. Its videos "
        "say that they are drafts.",
    ),
    click.option(
        "--overlap-speech", is_flag=True,
        help="Let Whisper hear pieces of 30 s that overlap, so that there is no seam between them. "
        "Default: as MuseTalk, one behind the other.",
    ),
    click.option(
        "--sample-latents", is_flag=True,
        help="Draw the avatar's latents from the VAE's posterior, as MuseTalk's own scripts do; "
        "the noise follows from the picture. Default: the posterior's mode.",
    ),
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


def musetalk_options(command: F) -> F:
    """Give a command these options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
