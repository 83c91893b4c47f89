"""Pages of the site's reference, from the commands, the settings and the docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import MISSING, fields
from types import ModuleType
from typing import Any

import musetalk_fast
from build_steps.described_commands import DescribedCommand, Record, described_commands
from musetalk_fast.config.environment import KEY_VARIABLE, PREFIX
from musetalk_fast.config.settings import SECTIONS

PACKAGE = musetalk_fast.__name__


def commands_page() -> str:
    """Every command with its options, as its help has them."""
    texts = ["# Commands", "Exit codes are in the [recipes](../recipes.md#exit-codes)."]
    texts += [_command(command) for command in described_commands()]
    return "\n\n".join(texts) + "\n"


def _command(command: DescribedCommand) -> str:
    parts = [f"## {' '.join(command.path)}"]
    parts.append(f"```text\n{' '.join(command.path)} {command.arguments}\n```")
    parts += [_paragraph(text) for text in command.text.split("\n\n")]
    for heading, records in (*command.groups.items(), ("Commands", command.commands)):
        if records:
            parts.append(_table(f"{heading}", records))
    if command.examples:
        parts.append(f"```text\n{command.examples}\n```")
    return "\n\n".join(parts)


def _paragraph(text: str) -> str:
    if text.startswith("\b\n"):
        return f"```text\n{text[2:]}\n```"
    return _cell(text)


def _table(heading: str, records: list[Record]) -> str:
    rows = [f"| `{_bar(term)}` | {_cell(text)} |" for term, text in records]
    return "\n".join([f"| {heading} | |", "| --- | --- |", *rows])


def _cell(text: str) -> str:
    escaped = " ".join(text.split()).replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
    return _bar(escaped.replace("[", "\\["))


def _bar(text: str) -> str:
    return text.replace("|", "\\|")


def settings_page() -> str:
    """Every setting: its variable, what it takes, its default."""
    where = "[configuration](../configuration.md)"
    texts = ["# Settings", f"{where} says what they mean, and which flags name them."]
    for name, section in SECTIONS.items():
        rows = [_setting(name, item) for item in fields(section)]
        head = ["| key | variable | takes | default |", "| --- | --- | --- | --- |"]
        texts += [f"## [{name}]", "\n".join([*head, *rows])]
    return "\n\n".join(texts) + "\n"


def _setting(section: str, item: Any) -> str:
    kind = item.metadata["kind"]
    default = "" if item.default in (None, MISSING) else f"`{_bar(kind.write(item.default))}`"
    name = KEY_VARIABLE if kind.secret else f"{PREFIX}{section}_{item.name}".upper()
    key = "(none)" if kind.secret else f"`{item.name}`"
    return f"| {key} | `{name}` | {_cell(kind.wanted)} | {default} |"


def python_page() -> str:
    """What mkdocstrings is asked for: every public name, where it is made."""
    texts = ["# Python", inspect.getdoc(musetalk_fast) or ""]
    for name in musetalk_fast.__all__:
        value = getattr(musetalk_fast, name)
        if name.startswith("_"):
            continue
        module = inspect.ismodule(value)
        made = value.__name__ if module else f"{value.__module__}.{value.__qualname__}"
        heading = f"      heading: {PACKAGE}.{name}\n      toc_label: {name}"
        texts.append(f"::: {made}\n    options:\n{heading}")
    return "\n\n".join(texts) + "\n"


def python_text() -> str:
    """The same as plain Markdown: signatures and docstrings."""
    texts = ["# Python", inspect.getdoc(musetalk_fast) or ""]
    for name, value in public_names():
        signature = "" if inspect.ismodule(value) else _signature(value)
        texts.append(f"## {name}{signature}\n\n{inspect.getdoc(value) or ''}")
    return "\n\n".join(texts) + "\n"


def _signature(value: Any) -> str:
    try:
        return str(inspect.signature(value))
    except (TypeError, ValueError):
        return ""


def public_names() -> Iterator[tuple[str, Any]]:
    """The names of the interface, and those of its modules and classes."""
    for name in musetalk_fast.__all__:
        value = getattr(musetalk_fast, name)
        if name.startswith("_"):
            continue
        yield f"{PACKAGE}.{name}", value
        yield from _members(f"{PACKAGE}.{name}", value)


def _members(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    for name, member in vars(value).items() if hasattr(value, "__dict__") else ():
        if name.startswith("_"):
            continue
        if inspect.ismodule(value) and inspect.isclass(member) and _made_in(member, value.__name__):
            yield f"{path}.{name}", member
            yield from _members(f"{path}.{name}", member)
        elif inspect.isclass(value) and (
            inspect.isfunction(member) or isinstance(member, property)
        ):
            yield f"{path}.{name}", member


def _made_in(member: type, module: str) -> bool:
    """Whether a class is a module's own, or of a module inside of it."""
    return f"{member.__module__}.".startswith(f"{module}.")


def undocumented() -> list[str]:
    """Public names without a docstring of their own."""
    return [name for name, value in public_names() if not _described(value)]


def _described(value: ModuleType | Any) -> bool:
    text = value.__doc__ or ""
    # A dataclass without one gets its signature.
    return bool(text) and not (inspect.isclass(value) and text.startswith(f"{value.__name__}("))
