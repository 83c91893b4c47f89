"""Click types of settings: a flag is read as the setting itself is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from musetalk_fast.errors import MuseTalkError

if TYPE_CHECKING:
    from musetalk_fast.config.value_kind import Kind


class SettingType(click.ParamType):  # type: ignore[type-arg]
    """A value as its setting reads it: the settings are asked when a value is there."""

    def __init__(self, section: str, key: str) -> None:
        self.name = f"{section}.{key}"
        self._section, self._key = section, key

    @property
    def kind(self) -> Kind:
        """The setting's kind."""
        from musetalk_fast.config.settings import SECTIONS, kinds

        return kinds(SECTIONS[self._section])[self._key]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value the text means."""
        if not isinstance(value, str):
            return value
        try:
            return self.kind.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's form
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """The words it takes, where they are few."""
        return [CompletionItem(word) for word in self.kind.choices if word.startswith(incomplete)]


class ServerType(SettingType):
    """`-s`: an invalid address is refused at once."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The addresses."""
        urls = super().convert(value, param, ctx)
        try:
            check_addresses(urls)
        except MuseTalkError as error:
            self.fail(f"{error.message}: {error.hint}", param, ctx)
        return urls


def check_addresses(urls: Iterable[str]) -> None:
    """Refuse invalid addresses.

    Raises:
        errors.InvalidSettingError: one of them is not an address.
    """
    from musetalk_fast.client.address import parse_address
    from musetalk_fast.config import BUILTIN

    for url in urls:
        if url != BUILTIN:
            parse_address(url)
