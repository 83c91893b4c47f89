"""A key comes from a file or from its variable, and is shown nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from musetalk_fast import errors
from musetalk_fast.config import ServerSettings, load_settings
from musetalk_fast.config.api_key import KEY, read_key_file

SECRET = "sk-Abc_123~!"


def test_white_space_around_a_key_is_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"\n  {SECRET}\t\r\n")
    assert read_key_file(tmp_path / "key") == SECRET


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "visible ASCII"),
        (b" \n ", "visible ASCII"),
        (SECRET.encode() + b" more", "visible ASCII"),
        (SECRET.encode() + b"\nmore", "visible ASCII"),
        (SECRET.encode() + b"\0", "visible ASCII"),
        (SECRET.encode() + "é".encode(), "visible ASCII"),
        (b"k" * 1025, "visible ASCII"),
        (b"k" * 5000, "longer than 4096"),
    ],
)
def test_what_is_no_key_is_refused_unseen(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(errors.InvalidSettingError, match=message) as caught:
        read_key_file(tmp_path / "key")
    assert caught.value.where == str(tmp_path / "key")
    assert SECRET not in str(caught.value)


def test_a_key_file_must_be_readable(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(errors.InvalidSettingError, match="cannot be read"):
            read_key_file(path)


def _load(
    folder: Path,
    flags: dict[tuple[str, str], object] | None = None,
    text: str = "",
    **variables: str,
) -> ServerSettings:
    (folder / "c.toml").write_text(text)
    environ = {"MUSETALK_CONFIG_PATH": str(folder / "c.toml"), **variables}
    return load_settings(flags, environ).settings.server


def test_flag_before_variable_before_file(tmp_path: Path) -> None:
    text = "[server]\napi_key_file = 'in-file'\n"
    both = _load(tmp_path, text=text, MUSETALK_API_KEY=SECRET)
    assert (both.api_key, both.api_key_file) == (SECRET, "in-file")  # the key comes first
    flagged = _load(tmp_path, {("server", "api_key_file"): "f"}, text, MUSETALK_API_KEY=SECRET)
    assert (flagged.api_key, flagged.api_key_file) == (None, "f")
    assert _load(tmp_path, text=text).api_key_file == "in-file"


def test_a_configuration_file_holds_no_key(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidSettingError, match="does not belong") as caught:
        _load(tmp_path, text=f"[server]\napi_key = '{SECRET}'\n")
    assert "MUSETALK_API_KEY" in (caught.value.hint or "")
    assert SECRET not in str(caught.value)


def test_the_variable_has_one_name(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "MUSETALK_SERVER_API_KEY": SECRET}
    loaded = load_settings({}, environ)
    assert loaded.settings.server.api_key is None
    assert loaded.warnings == (
        "MUSETALK_SERVER_API_KEY is not used; did you mean MUSETALK_API_KEY?",
    )


@pytest.mark.parametrize("value", [f"{SECRET} x", f"{SECRET}é", 5, "k" * 2000])
def test_a_bad_key_is_not_repeated(tmp_path: Path, value: object) -> None:
    with pytest.raises(errors.InvalidSettingError) as caught:
        ServerSettings(api_key=value)  # type: ignore[arg-type]
    assert str(value) not in str(caught.value)
    assert caught.value.where == "ServerSettings.api_key"


def test_a_key_is_never_shown() -> None:
    settings = ServerSettings(api_key=SECRET)
    assert SECRET not in repr(settings)
    assert KEY.write(SECRET) == "***"
