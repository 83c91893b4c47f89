"""`config`: what every setting is, and where it came from."""

from __future__ import annotations

import json
import os
from itertools import groupby
from typing import TYPE_CHECKING

import click

from musetalk_fast.cli.json_lines import json_line
from musetalk_fast.cli.verbosity import json_option, verbosity_of

if TYPE_CHECKING:
    from musetalk_fast.config import Loaded, SettingValue


@click.group()
def config() -> None:
    """Show the settings and the file they may come from.

    A flag comes before the variable MUSETALK_SECTION_KEY, that before the file, and that before
    the default.
    """


@config.command(short_help="Print every setting and its origin.")
@json_option("One JSON object on stdout.")
@click.pass_context
def show(ctx: click.Context) -> None:
    """Print every setting and where it came from, as a configuration file."""
    from musetalk_fast.cli.display import print_error
    from musetalk_fast.config import load_settings

    loaded = load_settings()
    for warning in loaded.warnings:
        print_error(f"warning: {warning}")
    click.echo(_as_json(loaded) if verbosity_of(ctx).json else _as_toml(loaded))


@config.command(short_help="Print where the configuration file is.")
def path() -> None:
    """Print the path of the configuration file, whether it is there or not."""
    from musetalk_fast.config.file import config_path

    click.echo(config_path(os.environ)[0])


def _as_json(loaded: Loaded) -> str:
    sections: dict[str, dict[str, object]] = {}
    for item in loaded.values:
        text = _text(item)
        value = text if text is None or item.kind.textual else json.loads(text)
        sections.setdefault(item.section, {})[item.key] = {"value": value, "origin": item.origin}
    return json_line({"path": str(loaded.path), "settings": sections})


def _as_toml(loaded: Loaded) -> str:
    lines = [f"# {loaded.path}{'' if loaded.is_there else ' (not there)'}"]
    for section, items in groupby(loaded.values, lambda item: item.section):
        lines += ["", f"[{section}]"]
        lines += [f"{_assignment(item):<36} # {item.origin}" for item in items]
    return "\n".join(lines)


def _assignment(item: SettingValue) -> str:
    text = _text(item)
    if text is None or item.kind.secret:
        return f"# {item.key} = {text or ''}".rstrip()
    # A JSON string is a TOML string as well.
    return f"{item.key} = {json.dumps(text) if item.kind.textual else text}"


def _text(item: SettingValue) -> str | None:
    return None if item.value is None else item.kind.write(item.value)
