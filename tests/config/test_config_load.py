"""Flag > environment > file > default; every mistake is named with its place."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from musetalk_fast import errors
from musetalk_fast.client.credentials import load_credentials
from musetalk_fast.config import ServerSettings, Settings, load_settings
from musetalk_fast.config.file import config_path


def _environ(folder: Path, text: str | bytes | None = None, **variables: str) -> dict[str, str]:
    environ = {"MUSETALK_CONFIG_PATH": str(folder / "config.toml"), **variables}
    if text is None:
        return {"XDG_CONFIG_HOME": str(folder)} | variables
    data = text if isinstance(text, bytes) else text.encode()
    (folder / "config.toml").write_bytes(data)
    return environ


def _origin(environ: dict[str, str], key: str, flags: dict[tuple[str, str], object]) -> str:
    loaded = load_settings(flags, environ)
    return next(item.origin for item in loaded.values if item.key == key)


def test_without_anything_all_is_default(tmp_path: Path) -> None:
    loaded = load_settings({}, _environ(tmp_path))
    assert loaded.settings == Settings()
    assert {item.origin for item in loaded.values} == {"default"}
    assert loaded.path == tmp_path / "musetalk/config.toml"


def test_each_layer_covers_those_below(tmp_path: Path) -> None:
    text = "[server]\nurl = 'http://file:1'\n\n[output]\nfps = 24\ncrf = 30\n"
    environ = _environ(tmp_path, text, MUSETALK_OUTPUT_FPS="50", MUSETALK_OUTPUT_CRF="40")
    loaded = load_settings({("output", "crf"): 10}, environ)
    assert loaded.settings.server.url == ("http://file:1",)
    assert loaded.settings.output.fps == Fraction(50)
    assert loaded.settings.output.crf == 10
    origins = {item.key: item.origin for item in loaded.values}
    assert origins["url"] == f"{tmp_path}/config.toml:2"
    assert origins["fps"] == "MUSETALK_OUTPUT_FPS"
    assert origins["crf"] == "flag"
    assert origins["preset"] == "default"


FACE_AND_QUALITY = "[avatar]\nface_box = '1,2,30,40'\n[output]\ncrf = 18\n"
"""A file that chooses one of each group of which one counts."""


def test_a_flag_puts_back_the_alternatives_below_it(tmp_path: Path) -> None:
    flags = {("output", "quality"): 0, ("avatar", "face"): "largest"}
    loaded = load_settings(flags, _environ(tmp_path, FACE_AND_QUALITY))
    assert (loaded.settings.output.quality, loaded.settings.output.crf) == (0, None)
    assert (loaded.settings.avatar.face, loaded.settings.avatar.face_box) == ("largest", None)
    chosen = {each.key: each.origin for each in loaded.values if each.origin != "default"}
    assert chosen == {"quality": "flag", "face": "flag"}


def test_a_variable_puts_back_the_alternatives_of_the_file(tmp_path: Path) -> None:
    variables = {"MUSETALK_AVATAR_FACE": "left", "MUSETALK_OUTPUT_LOSSLESS": "yes"}
    settings = load_settings({}, _environ(tmp_path, FACE_AND_QUALITY, **variables)).settings
    assert (settings.avatar.face, settings.avatar.face_box) == ("left", None)
    assert (settings.output.lossless, settings.output.crf) == (True, None)
    flags = {("output", "bitrate"): 800_000}
    settings = load_settings(flags, _environ(tmp_path, FACE_AND_QUALITY, **variables)).settings
    assert (settings.output.lossless, settings.output.bitrate) == (False, 800_000)


def test_what_is_off_or_none_is_no_alternative(tmp_path: Path) -> None:
    flags = {("output", "lossless"): False, ("output", "quality"): None}
    settings = load_settings(flags, _environ(tmp_path, FACE_AND_QUALITY)).settings
    assert (settings.output.crf, settings.avatar.face_box) == (18, (1, 2, 30, 40))


def test_alternatives_in_one_place_are_both_there(tmp_path: Path) -> None:
    loaded = load_settings({}, _environ(tmp_path, "[output]\ncrf = 18\nquality = 80\n"))
    assert (loaded.settings.output.crf, loaded.settings.output.quality) == (18, 80)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("fps = 25", Fraction(25)),
        ("fps = 29.97", Fraction(30000, 1001)),
        ('fps = "30000/1001"', Fraction(30000, 1001)),
    ],
)
def test_a_file_may_say_a_rate_in_three_ways(tmp_path: Path, line: str, value: Fraction) -> None:
    loaded = load_settings({}, _environ(tmp_path, f"[output]\n{line}\n"))
    assert loaded.settings.output.fps == value


def test_an_empty_variable_is_none(tmp_path: Path) -> None:
    assert _origin(_environ(tmp_path, MUSETALK_OUTPUT_FPS=""), "fps", {}) == "default"


def test_variables_of_others_are_left_alone(tmp_path: Path) -> None:
    others = {"MUSETALK_LOG_LEVEL": "debug", "MUSETALK_KERNELS": "numpy"}
    environ = _environ(tmp_path, **others, MUSETALK_HOME="/x", OUTPUT_FPS="9")
    loaded = load_settings({}, environ)
    assert (loaded.settings, loaded.warnings) == (Settings(), ())


MISTAKES = [
    ("[output]\nfps = 25\nfsp = 30\n", errors.UnknownSettingError, ":3", "did you mean fps?"),
    ("[ouput]\nfps = 25\n", errors.UnknownSettingError, ":1", "did you mean output?"),
    ("[zzz]\n", errors.UnknownSettingError, ":1", "known are: avatar, output"),
    ("[output]\nzzzzzz = 1\n", errors.UnknownSettingError, ":2", "bitrate, codec, crf"),
    ("\nfps = 25\n", errors.UnknownSettingError, ":2", "it belongs below [output]"),
    ("output.fsp = 25\n", errors.UnknownSettingError, ":1", "did you mean fps?"),
    ("output = 25\n", errors.InvalidSettingError, ":1", None),
    ("[output]\ncrf = 64\n", errors.InvalidSettingError, ":2", None),
    ("[output]\ncrf = '20'\n", errors.InvalidSettingError, ":2", None),
    ("[output]\noverwrite = 1\n", errors.InvalidSettingError, ":2", None),
    ("[output]\nfps = true\n", errors.InvalidSettingError, ":2", None),
    ("[output]\nresolution = 720\n", errors.InvalidSettingError, ":2", None),
    ("[server]\nurl = ['a', 5]\n", errors.InvalidSettingError, ":2", None),
    ("[server]\ntimeout_secs = nan\n", errors.InvalidSettingError, ":2", None),
    ("[output]\nfps = \n", errors.ConfigFileError, ":2", None),
    ("[output]\nfps = 1\nfps = 2\n", errors.ConfigFileError, ":3", None),
    ("a = " + "[" * 100_000, errors.ConfigFileError, "", None),
    ("[server]\ntimeout_secs = " + "9" * 400, errors.InvalidSettingError, ":2", None),
    ("[output]\nfps = " + "9" * 5000, errors.ConfigFileError, ":2", None),
    ("[output]\ncrf = 0x" + "f" * 5000, errors.InvalidSettingError, ":2", None),
    (b"[output]\n# \xff\n", errors.ConfigFileError, ":2", None),
    ("#" * (1 << 20) + "\n", errors.ConfigFileError, "", None),
]


@pytest.mark.parametrize(("text", "kind", "line", "hint"), MISTAKES, ids=lambda x: str(x)[:20])
def test_a_mistake_in_the_file_is_named(
    tmp_path: Path, text: str | bytes, kind: type[errors.ConfigError], line: str, hint: str | None
) -> None:
    with pytest.raises(kind) as caught:
        load_settings({}, _environ(tmp_path, text))
    assert caught.value.exit_code == 78
    assert f"{tmp_path}/config.toml{line}" in (caught.value.where or "")
    assert (hint or "") in (caught.value.hint or "")
    assert caught.value.hint


SERVICE = {
    "MUSETALK_SERVER_PORT": "tcp://10.0.0.7:8000",
    "MUSETALK_SERVER_PORT_8000_TCP": "tcp://10.0.0.7:8000",
    "MUSETALK_SERVER_PORT_8000_TCP_PROTO": "tcp",
    "MUSETALK_SERVER_PORT_8000_TCP_PORT": "8000",
    "MUSETALK_SERVER_PORT_8000_TCP_ADDR": "10.0.0.7",
    "MUSETALK_SERVER_SERVICE_HOST": "10.0.0.7",
    "MUSETALK_SERVER_SERVICE_PORT": "8000",
    "MUSETALK_SERVER_SERVICE_PORT_HTTP": "8000",
    "MUSETALK_SERVICE_HOST": "10.0.0.8",
    "MUSETALK_PORT": "udp://10.0.0.8:53",
}
"""What Kubernetes sets in every pod for services named musetalk-server and musetalk."""


def test_variables_of_kubernetes_are_left_alone(tmp_path: Path) -> None:
    loaded = load_settings({}, _environ(tmp_path, **SERVICE))
    assert (loaded.settings, loaded.warnings) == (Settings(), ())


@pytest.mark.parametrize(
    ("variable", "warning"),
    [
        ("MUSETALK_OUTPUT_FSP", "did you mean MUSETALK_OUTPUT_FPS?"),
        ("MUSETALK_OUPUT_FPS", "did you mean MUSETALK_OUTPUT_FPS?"),
        ("MUSETALK_LOGLEVEL", "did you mean MUSETALK_LOG_LEVEL?"),
        ("MUSETALK_SERVER_PORT", "no setting has this variable"),
        ("MUSETALK_OUTPUT_ZZZZ", "no setting has this variable"),
        ("MUSETALK_HOME", None),
    ],
)
def test_a_variable_that_may_be_meant_as_ours_is_a_warning(
    tmp_path: Path, variable: str, warning: str | None
) -> None:
    loaded = load_settings({}, _environ(tmp_path, **{variable: "8000"}))
    assert loaded.settings == Settings()
    assert len(loaded.warnings) == (warning is not None)
    for text in loaded.warnings:
        assert text.startswith(f"{variable} is not used")
        assert text.endswith(warning or "")


def test_a_variable_out_of_bounds_says_which(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidSettingError, match="0 to 63, not '64'") as caught:
        load_settings({}, _environ(tmp_path, MUSETALK_OUTPUT_CRF="64"))
    assert caught.value.where == "MUSETALK_OUTPUT_CRF"


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigFileError, match="no such file") as caught:
        load_settings({}, {"MUSETALK_CONFIG_PATH": str(tmp_path / "none.toml")})
    assert "MUSETALK_CONFIG_PATH" in (caught.value.hint or "")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigFileError, match="not a file"):
        load_settings({}, {"MUSETALK_CONFIG_PATH": str(tmp_path)})


def test_the_default_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert config_path({}) == (tmp_path / ".config/musetalk/config.toml", False)
    assert config_path({"MUSETALK_CONFIG_PATH": "~/x.toml"}) == (tmp_path / "x.toml", True)


def test_the_home_of_nobody_is_named() -> None:
    where = "~nobody-of-this-name/config.toml"
    with pytest.raises(errors.InvalidSettingError, match="no such home folder") as caught:
        load_settings({}, {"MUSETALK_CONFIG_PATH": where})
    assert (caught.value.exit_code, caught.value.where) == (78, where)
    for setting in ("api_key_file", "ca_file", "cert"):
        with pytest.raises(errors.InvalidSettingError, match="no such home folder"):
            load_credentials(ServerSettings(**{setting: where}))
