"""Every command of the program as its help describes it, for man pages and the site's reference."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass

import click

from musetalk_fast.cli.main import cli

PROGRAM = "musetalk-fast"

Record = tuple[str, str]
"""A term and what it is."""


@dataclass(frozen=True, slots=True)
class DescribedCommand:
    """A command as its `--help` describes it.

    Attributes:
        path: the words that call it, the program's first.
        summary: one line.
        arguments: what follows the words: `[OPTIONS]` and arguments.
        text: the paragraphs of the description.
        groups: options and arguments below their headings, in the help's order.
        commands: the commands below it, each with its summary.
        examples: lines for a shell.
    """

    path: tuple[str, ...]
    summary: str
    arguments: str
    text: str
    groups: dict[str, list[Record]]
    commands: list[Record]
    examples: str

    @property
    def page(self) -> str:
        """The name of its page: `musetalk-fast-render`."""
        return "-".join(self.path)


def described_commands() -> Iterator[DescribedCommand]:
    """The program itself, then its commands in the help's order, each before those below it."""
    return _described(cli, click.Context(cli, info_name=PROGRAM, **cli.context_settings))


def _described(command: click.Command, context: click.Context) -> Iterator[DescribedCommand]:
    below = _commands_below(command, context)
    yield DescribedCommand(
        path=tuple(context.command_path.split()),
        summary=command.get_short_help_str(200).rstrip("."),
        arguments=" ".join(command.collect_usage_pieces(context)),
        text=inspect.cleandoc(command.help or ""),
        groups=_groups(command, context),
        commands=[(name, each.get_short_help_str(200)) for name, each in below],
        examples=_examples(command),
    )
    for name, each in below:
        yield from _described(each, click.Context(each, info_name=name, parent=context))


def _commands_below(
    command: click.Command, context: click.Context
) -> list[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        return []
    named = [(name, command.get_command(context, name)) for name in command.list_commands(context)]
    return [(name, each) for name, each in named if each is not None and not each.hidden]


def _groups(command: click.Command, context: click.Context) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = {}
    for param in command.get_params(context):
        if record := param.get_help_record(context):
            groups.setdefault(getattr(param, "group", "Other"), []).append(record)
    return {"Options": groups["Other"]} if list(groups) == ["Other"] else groups


def _examples(command: click.Command) -> str:
    """The lines below `Examples:`, which click sets as they are."""
    _, _, lines = (command.epilog or "").partition("Examples:\n")
    return inspect.cleandoc(lines)
