"""`models`: the weights of the engine musetalk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from musetalk_fast.cli.json_lines import json_line
from musetalk_fast.cli.verbosity import json_option, verbosity_of, verbosity_options

if TYPE_CHECKING:
    from musetalk_fast.models.inventory import InventoryEntry
    from musetalk_fast.models.pull import Pulled

F = TypeVar("F", bound=Callable[..., Any])

_EXAMPLES = """\b
Examples:
  musetalk-fast models pull
  musetalk-fast models pull --models-dir /data/models
  musetalk-fast models pull --draft --face-parser
  musetalk-fast models verify
  musetalk-fast serve --engine musetalk --models-dir /data/models
"""


def _models_dir(command: F) -> F:
    return click.option(
        "--models-dir", "folder", type=click.Path(path_type=Path, file_okay=False),
        metavar="FOLDER", callback=_default_folder,
        help="Folder of the weights, in MuseTalk's own layout. Default: `models` in this user's "
        "data folder.",
    )(command)  # fmt: skip


def _default_folder(ctx: click.Context, _param: click.Parameter, value: Path | None) -> Path | None:
    if value is not None or ctx.resilient_parsing:
        return value
    from musetalk_fast.models.inventory import default_models_dir

    return default_models_dir()


@click.group(epilog=_EXAMPLES, short_help="Get and check MuseTalk's weights.")
def models() -> None:
    """Get the weights of the engine musetalk, and look after them.

    A folder that MuseTalk's own download_weights.sh has filled is used as it is: name it with
    --models-dir.
    """


@models.command(short_help="Download what MuseTalk 1.5 needs, about 4 GB.")
@_models_dir
@click.option(
    "--draft", is_flag=True,
    help="Also TAESD (10 MB), with which `serve --draft` decodes.",
)  # fmt: skip
@click.option(
    "--face-parser", is_flag=True,
    help="Also BiSeNet (53 MB), of which masks are then made; trained on CelebAMask-HQ, which is "
    "for research: see docs/servers.md.",
)  # fmt: skip
@verbosity_options
@click.pass_context
def pull(ctx: click.Context, folder: Path, *, draft: bool, face_parser: bool) -> None:
    """Download what MuseTalk 1.5 needs, about 4 GB, and compare it with the hub's digests.

    Files that are there are compared too, and never replaced. An interrupted pull goes on where it
    ended. HF_ENDPOINT names a mirror of the hub, HF_TOKEN a token, HTTPS_PROXY and NO_PROXY a
    proxy.
    """
    from musetalk_fast.cli.display_selection import open_display
    from musetalk_fast.cli.signals import run
    from musetalk_fast.models.hub_access import access_of_environment
    from musetalk_fast.models.published_files import DRAFT, FACE_PARSER, MUSETALK_15
    from musetalk_fast.models.pull import pull

    # The short ones before the longest.
    files = (*DRAFT * draft, *FACE_PARSER * face_parser, *MUSETALK_15)
    with open_display(verbosity_of(ctx)) as display:
        done = run(pull(folder, access_of_environment(), display, files=files))
        display.result("pulled", asdict(done), _pulled_text(done))


def _pulled_text(done: Pulled) -> str:
    from musetalk_fast.cli.formatting import size

    count = len(done.brought)
    came = f"{count} file{'s' * (count != 1)} came ({size(done.bytes)})"
    kept = f"{len(done.kept)} were there"
    facts = ", ".join([came] * bool(done.brought) + [kept] * bool(done.kept))
    return f"Weights: {done.folder}, complete: {facts}"


@models.command("list", short_help="Show the files, and which are there.")
@_models_dir
@json_option("One JSON object on stdout: folder; files: name, state, size, of_bytes, origin.")
@click.pass_context
def list_files(ctx: click.Context, folder: Path) -> None:
    """Show which files MuseTalk 1.5 needs or can use, which are there, and where they are from.

    Nothing is read of them, and no network is used.
    """
    from musetalk_fast.models.inventory import inventory

    entries = inventory(folder)
    if verbosity_of(ctx).json:
        click.echo(_as_json(folder, entries))
        return
    click.echo(_printable(folder))
    for entry in entries:
        click.echo(_line(entry))


@models.command(short_help="Find damaged and changed files.")
@_models_dir
@json_option("One JSON object on stdout: folder; files: name, state, size, of_bytes, origin.")
@click.pass_context
def verify(ctx: click.Context, folder: Path) -> None:
    """Read every file, and compare it with what was recorded when it was pulled or converted.

    No network is used. Files that no pull has compared are only named: `models pull` compares
    them with the hub.
    """
    from musetalk_fast.models.inventory import raise_for_faults, verify

    entries, spoken = [], not verbosity_of(ctx).json
    for entry in verify(folder):
        entries.append(entry)
        if spoken:
            click.echo(_line(entry))
    if not spoken:
        click.echo(_as_json(folder, entries))
    raise_for_faults(folder, entries)


@models.command(short_help="Print where the weights are.")
@_models_dir
def path(folder: Path) -> None:
    """Print the models folder, whether it is there or not."""
    click.echo(str(folder))


@models.command(short_help="Write pickled weights as safetensors.")
@_models_dir
@json_option("One JSON object on stdout: folder; files: source, target, bytes, was_there.")
@click.pass_context
def convert(ctx: click.Context, folder: Path) -> None:
    """Write pickled weights as safetensors beside them, which the engine then reads instead.

    Nothing in a pickle is executed. The pickles stay: remove them when you like.
    """
    from musetalk_fast.models.convert import Conversion, convert

    spoken = not verbosity_of(ctx).json

    def show(each: Conversion) -> None:
        if spoken:
            words = "is there" if each.was_there else f"written from {each.source}"
            click.echo(f"{each.target} {words}")

    done = convert(folder, show)
    if not spoken:
        click.echo(json_line({"folder": str(folder), "files": [asdict(each) for each in done]}))


@models.command(short_help="Show the real model beside the preview.")
@_models_dir
@click.option(
    "-i", "--avatar", type=click.Path(path_type=Path), metavar="FILE",
    help="A portrait or a video. Default: the sample.",
)  # fmt: skip
@click.option(
    "-a", "--audio", type=click.Path(path_type=Path), metavar="FILE",
    help="A recording. Default: the sample.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
    default=Path("selftest"), show_default=True, help="Where videos, sheet and report go.",
)  # fmt: skip
@click.option(
    "--duration", type=click.FloatRange(0.2), metavar="SECS",
    help="Seconds of the recording. Default: all; on a CPU a second takes minutes.",
)  # fmt: skip
@click.option(
    "--device", type=click.Choice(["auto", "cuda", "cpu"]), help="As `serve` has it.",
)  # fmt: skip
@click.option(
    "--half", type=click.Choice(["auto", "fp16", "bf16", "off"]), help="As `serve` has it.",
)  # fmt: skip
@verbosity_options
@click.pass_context
def selftest(
    ctx: click.Context,
    folder: Path,
    avatar: Path | None,
    audio: Path | None,
    output: Path,
    duration: float | None,
    device: str | None,
    half: str | None,
) -> None:
    """Render the sample with the preview and with MuseTalk, and show them side by side.

    Look at side-by-side.mp4 (the preview on the left) and sheet.png: whether lips follow the
    speech, are sharp, and have the face's colours. The figures are of the mouth's place in both;
    no range is right for every face. Files of these names in FOLDER are replaced.
    """
    from musetalk_fast.cli.display_selection import open_display
    from musetalk_fast.cli.selftest_text import selftest_text
    from musetalk_fast.cli.signals import run
    from musetalk_fast.models.selftest import run_selftest, sample

    portrait, speech = sample()
    inputs = avatar or portrait, audio or speech
    options = [(flag, value) for flag, value in (("--device", device), ("--half", half)) if value]
    flat = tuple(word for pair in options for word in pair)
    with open_display(verbosity_of(ctx)) as display:
        done = run(run_selftest(folder, inputs, output, display, options=flat, duration=duration))
        display.result("selftest", asdict(done), selftest_text(done))


def _as_json(folder: Path, entries: list[InventoryEntry]) -> str:
    return json_line({"folder": str(folder), "files": [asdict(each) for each in entries]})


def _line(entry: InventoryEntry) -> str:
    """`there  musetalkV15/unet.pth  3.4 GB  TMElyralab/MuseTalk@2bcb936e2fdd`."""
    from musetalk_fast.cli.formatting import size

    length = "about " * (not entry.recorded and not entry.size) + size(entry.size or entry.of_bytes)
    if entry.state == "partial":
        length = f"{size(entry.size)} of {size(entry.of_bytes)}"
    return f"{entry.state:<11}{entry.name:<40} {length:<18} {_origin(entry)}".rstrip()


def _origin(entry: InventoryEntry) -> str:
    """With a commit's first digits, which are enough to find it by."""
    place, at, commit = entry.origin.partition("@")
    return _printable(place + at + commit[:12])


def _printable(text: object) -> str:
    from musetalk_fast.wire.printable import printable

    return printable(str(text))
