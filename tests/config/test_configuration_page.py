"""docs/configuration.md and the help are right about every setting."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path

import click
import pytest

import musetalk_fast
from musetalk_fast import cli
from musetalk_fast.cli.display import event_name
from musetalk_fast.cli.effective_settings import in_effect
from musetalk_fast.cli.plan import plan
from musetalk_fast.cli.render import render
from musetalk_fast.cli.setting_types import SettingType
from musetalk_fast.config import Settings, SettingValue, load_settings
from musetalk_fast.config.number_kinds import Integer
from musetalk_fast.config.settings import SECTIONS
from musetalk_fast.events import Event
from musetalk_fast.video.containers import CONTAINERS

PAGE = (Path(__file__).parents[2] / "docs/configuration.md").read_text()


def _flags() -> dict[str, click.Option]:
    found = {}
    for option in render.params:
        assert isinstance(option, click.Option)
        if isinstance(option.type, SettingType):
            found[option.type.name.partition(".")[2]] = option
        elif option.secondary_opts:
            found[str(option.name)] = option
    return found


SETTINGS = [
    (section, item) for section, settings_type in SECTIONS.items() for item in fields(settings_type)
]


@pytest.mark.parametrize(("section", "item"), SETTINGS, ids=lambda x: getattr(x, "name", x))
def test_each_setting_has_its_row(section: str, item: object) -> None:
    name, kind = item.name, item.metadata["kind"]  # type: ignore[attr-defined]
    option = _flags().get(name)
    flags = ", ".join(
        f"`{flag}`" for flag in (option.opts + option.secondary_opts if option else ())
    )
    default = item.default  # type: ignore[attr-defined]
    value = SettingValue(section, name, kind, default, "default")
    unset = in_effect(value, Settings()) or ""
    shown = unset if default is None else f"`{kind.write(default)}`"
    assert f"| `[{section}] {name}` | {flags} | {kind.wanted} | {shown} |" in PAGE


def test_no_row_too_many() -> None:
    assert len(re.findall(r"^\| `\[", PAGE, re.MULTILINE)) == len(SETTINGS)


def test_the_example_is_a_configuration_file(tmp_path: Path) -> None:
    text = PAGE.split("```toml\n")[1].split("```")[0]
    (tmp_path / "c.toml").write_text(text)
    loaded = load_settings({}, {"MUSETALK_CONFIG_PATH": str(tmp_path / "c.toml")})
    origins = [item.origin for item in loaded.values if item.origin != "default"]
    assert len(origins) == text.count(" = ")


def test_every_event_is_explained() -> None:
    names = {event_name(kind.__new__(kind)) for kind in Event.__args__}
    for path in Path(cli.__file__).parent.glob("*.py"):
        names |= set(re.findall(r"(?:\.result|_write)\(\s*\"(\w+)\"", path.read_text()))
    table = PAGE.partition("| event | when |")[2].partition("\n\n")[0]
    first = "".join(row.split("|")[1] for row in table.splitlines()[1:] if row)
    assert set(re.findall(r"`(\w+)`", first)) == names | {"error"}


@pytest.mark.parametrize("name", _flags())
def test_help_has_the_bounds_and_words_of_the_setting(name: str) -> None:
    option = _flags()[name]
    kind = next(item.metadata["kind"] for _, item in SETTINGS if item.name == name)
    help_text = option.help or ""
    if isinstance(kind, Integer):
        assert kind.wanted.partition(" from ")[2] in help_text
    few = len(kind.choices) < 5
    for word in kind.choices if few else (kind.choices[0], kind.choices[-1]):
        assert word in help_text


def test_a_flag_is_named_as_its_setting() -> None:
    for name, option in _flags().items():
        expected = "--server" if name == "url" else f"--{name.replace('_', '-')}"
        answer = {"-y", "--yes"} if name == "overwrite" else set()
        flags = [flag for flag in option.opts if flag not in answer]
        assert [flag for flag in flags if flag.startswith("--")] == [expected]
        # A short form is that of the long one, not of another option: `-f` is a format elsewhere.
        assert {flag[1] for flag in flags if not flag.startswith("--")} <= {expected[2]}


def test_files_have_one_name_in_flags_and_python() -> None:
    parameters = inspect.signature(musetalk_fast.render).parameters
    for command in (render, plan):
        files = {str(each.name): each.opts for each in command.params if each.required}
        assert list(files) == [*parameters][:3]
        assert all(long == f"--{name}" for name, (_, long) in files.items())


def test_help_has_the_endings_of_all_containers() -> None:
    help_text = next(str(option.help) for option in render.params if option.name == "output")
    known = [suffix for each in CONTAINERS.values() for suffix in each.suffixes]
    assert re.findall(r"\.\w+", help_text) == known
