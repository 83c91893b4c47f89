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

_EXAMPLES = """\b
Examples:
  musetalk-fast config show
  MUSETALK_OUTPUT_FPS=30 musetalk-fast config show
"""


@click.group(epilog=_EXAMPLES)
def config() -> None:
    """Show the settings and the file they may come from.

    A flag comes before the variable MUSETALK_SECTION_KEY, that before the file, and that before
    the default.
    """


@config.command(short_help="Print every setting and its origin.")
@json_option(
    "One JSON object on stdout: path, and settings by section, each with value (null if unset), "
    "effective (in words where it depends) and origin."
)
@click.pass_context
def show(ctx: click.Context) -> None:
    """Print every setting, where it came from and what it comes to, as a configuration file."""
    from musetalk_fast.cli.display import print_error
    from musetalk_fast.cli.settings_loading import check_servers
    from musetalk_fast.config import load_settings

    loaded = load_settings()
    check_servers(loaded)
    for warning in loaded.warnings:
        print_error(f"warning: {warning} (MTF-CONFIG-UNKNOWN)")
    click.echo(_as_json(loaded) if verbosity_of(ctx).json else _as_toml(loaded))


@config.command(short_help="Print where the configuration file is.")
def path() -> None:
    """Print the path of the configuration file, whether it is there or not."""
    from musetalk_fast.config.file import config_path

    click.echo(config_path(os.environ)[0])


def _as_json(loaded: Loaded) -> str:
    from musetalk_fast.cli.effective_settings import in_effect

    sections: dict[str, dict[str, object]] = {}
    for item in loaded.values:
        text = _text(item)
        value = text if text is None or item.kind.textual else json.loads(text)
        known = {
            "value": value,
            "effective": in_effect(item, loaded.settings),
            "origin": item.origin,
        }
        sections.setdefault(item.section, {})[item.key] = known
    return json_line({"path": str(loaded.path), "settings": sections})


def _as_toml(loaded: Loaded) -> str:
    lines = [f"# {loaded.path}{'' if loaded.is_there else ' (not there)'}"]
    for section, items in groupby(loaded.values, lambda item: item.section):
        lines += ["", f"[{section}]"]
        lines += [f"{_assignment(item):<36} # {_origin(item, loaded)}" for item in items]
    return "\n".join(lines)


def _assignment(item: SettingValue) -> str:
    text = _text(item)
    if text is None or item.kind.secret:
        return f"# {item.key} = {text or ''}".rstrip()
    return item.assignment()


def _origin(item: SettingValue, loaded: Loaded) -> str:
    """`default`, and what that means if the assignment does not say it."""
    from musetalk_fast.cli.effective_settings import in_effect

    effective = in_effect(item, loaded.settings)
    return item.origin if effective == _text(item) else f"{item.origin}: {effective}"


def _text(item: SettingValue) -> str | None:
    return None if item.value is None else item.kind.write(item.value)
