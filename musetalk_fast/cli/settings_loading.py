"""The settings of a command: its flags, on top of environment, file and defaults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from musetalk_fast.cli.setting_types import check_addresses
from musetalk_fast.cli.verbosity import verbosity_of
from musetalk_fast.errors import MuseTalkError, UsageError

if TYPE_CHECKING:
    from musetalk_fast.config import Loaded, Settings

_FLAGS = "musetalk_fast.flags"
_CHOSEN = "musetalk_fast.chosen"
_URL = ("server", "url")
_ALTERNATIVES: tuple[tuple[str, dict[tuple[str, str], Any]], ...] = (
    (
        "choose different faces",
        {
            ("avatar", "face"): "largest",
            ("avatar", "face_box"): None,
            ("avatar", "face_center"): None,
        },
    ),
    (
        "exclude each other",
        {
            ("output", "quality"): None,
            ("output", "crf"): None,
            ("output", "bitrate"): None,
            ("output", "lossless"): False,
        },
    ),
)
"""Settings of which one counts, with their defaults, and what is said of several."""


def keep_flag(ctx: click.Context, section: str, key: str, value: Any) -> None:
    """Keep what the command line says of a setting."""
    ctx.meta.setdefault(_FLAGS, {})[section, key] = value


def flags_of(ctx: click.Context) -> dict[tuple[str, str], Any]:
    """The settings that the command line gave, by section and key."""
    flags: dict[tuple[str, str], Any] = ctx.meta.get(_FLAGS, {})
    return flags


def load(ctx: click.Context) -> Settings:
    """The settings of this run, its flags on top.

    Raises:
        errors.UsageError: flags that contradict each other.
        errors.ConfigError: a setting that cannot be used.
    """
    from musetalk_fast.config import load_settings

    loaded = load_settings(_one_each(flags_of(ctx)))
    check_servers(loaded)
    ctx.meta[_CHOSEN] = {
        (each.section, each.key) for each in loaded.values if each.origin != "default"
    }
    _warn(ctx, loaded.warnings)
    return loaded.settings


def check_servers(loaded: Loaded) -> None:
    """Refuse addresses that are none.

    Raises:
        errors.InvalidSettingError: `where` is the origin of the setting.
    """
    try:
        check_addresses(loaded.settings.server.url or ())
    except MuseTalkError as error:
        named = (each.origin for each in loaded.values if (each.section, each.key) == _URL)
        error.where = next(named)
        raise


def is_chosen(ctx: click.Context, section: str, key: str) -> bool:
    """Whether flag, environment or file set this setting; asked after `load`."""
    return (section, key) in ctx.meta[_CHOSEN]


def _warn(ctx: click.Context, warnings: Sequence[str]) -> None:
    if warnings:
        from musetalk_fast.cli.display_selection import open_display
        from musetalk_fast.events import WarningEvent

        display = open_display(verbosity_of(ctx))
        for message in warnings:
            display(WarningEvent(message=message, token="MTF-CONFIG-UNKNOWN"))


def _one_each(flags: dict[tuple[str, str], Any]) -> dict[tuple[str, str], Any]:
    """The flags, of which one of several alternatives comes before all others, wherever set."""
    for fault, defaults in _ALTERNATIVES:
        given = [name for name, default in defaults.items() if flags.get(name, default) != default]
        if len(given) > 1:
            names = " and ".join(f"--{key.replace('_', '-')}" for _, key in given)
            raise UsageError(f"{names} {fault}", hint="give one of them")
        if any(name in flags for name in defaults):
            flags = {**defaults, **flags}
    return flags
