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


def keep_flag(ctx: click.Context, section: str, key: str, value: Any) -> None:
    """Keep what the command line says of a setting."""
    ctx.meta.setdefault(_FLAGS, {})[section, key] = value


def flags_of(ctx: click.Context) -> dict[tuple[str, str], Any]:
    """The settings that the command line gave, by section and key."""
    flags: dict[tuple[str, str], Any] = ctx.meta.get(_FLAGS, {})
    return flags


def load(ctx: click.Context) -> Settings:
    """The settings of this run, its flags on top; errors as of `load_with_origins`."""
    return load_with_origins(ctx).settings


def load_with_origins(ctx: click.Context) -> Loaded:
    """The settings of this run and where each came from.

    Raises:
        errors.UsageError: flags that contradict each other.
        errors.ConfigError: a setting that cannot be used.
    """
    from musetalk_fast.config import load_settings

    flags = flags_of(ctx)
    _check_flags(flags)
    loaded = load_settings(flags)
    check_servers(loaded)
    ctx.meta[_CHOSEN] = {
        (each.section, each.key) for each in loaded.values if each.origin != "default"
    }
    _warn(ctx, loaded.warnings)
    return loaded


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


def _check_flags(flags: dict[tuple[str, str], Any]) -> None:
    from musetalk_fast.config.alternatives import contradictions

    for keys, fault in contradictions(flags):
        names = " and ".join(f"--{key.replace('_', '-')}" for key in keys)
        raise UsageError(f"{names} {fault}", hint="give one of them")
