"""Help texts with arguments and options in groups."""

from __future__ import annotations

from typing import Any

import click


class GroupedOption(click.Option):
    """An option below a heading of the help."""

    def __init__(self, *args: Any, group: str, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.group = group


class DescribedArgument(click.Argument):
    """An argument that the help explains, above the options."""

    group = "Arguments"

    def __init__(self, *args: Any, description: str, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self._description = description

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """Its name and what it is."""
        return self.make_metavar(ctx), self._description


class GroupedCommand(click.Command):
    """A command whose help has its arguments and options below headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the groups in the order in which they first appear."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if record := param.get_help_record(ctx):
                groups.setdefault(getattr(param, "group", "Other"), []).append(record)
        for name, records in groups.items():
            with formatter.section(name):
                formatter.write_dl(records)
