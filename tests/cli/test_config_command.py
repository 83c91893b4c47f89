"""`config show` prints what a file could say, `config path` where it would stand."""

from __future__ import annotations

import json
from pathlib import Path


def test_show_names_every_origin(run, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[output]\ncrf = 23\n")
    done = run("config", "show", MUSETALK_CONFIG_PATH=str(file), MUSETALK_OUTPUT_FPS="29.97")
    assert done.returncode == 0
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert f"# {file}" in lines
    assert f"crf = 23 # {file}:2" in lines
    assert 'fps = "30000/1001" # MUSETALK_OUTPUT_FPS' in lines
    assert "face_check = true # default" in lines
    assert "# url = # default" in lines


def test_what_is_shown_is_a_file_of_the_same_meaning(run, tmp_path: Path) -> None:
    variables = {
        "MUSETALK_OUTPUT_FPS": "29.97",
        "MUSETALK_OUTPUT_RESOLUTION": "640x480",
        "MUSETALK_AVATAR_FACE_BOX": "1,2,30,40",
        "MUSETALK_AVATAR_BACKGROUND": "#00ff00",
        "MUSETALK_OUTPUT_OVERWRITE": "no",
        "MUSETALK_SERVER_TIMEOUT_SECS": "2.5",
    }
    file = tmp_path / "shown.toml"
    file.write_text(run("config", "show", **variables).stdout)

    def values(**variables: str) -> dict[str, object]:
        sections = json.loads(run("config", "show", "--json", **variables).stdout)["settings"]
        return {
            key: item["value"] for section in sections.values() for key, item in section.items()
        }

    assert values(MUSETALK_CONFIG_PATH=str(file)) == values(**variables)


def test_show_as_json(run, tmp_path: Path) -> None:
    shown = json.loads(run("config", "show", "--json", MUSETALK_OUTPUT_CRF="7").stdout)
    assert shown["path"] == str(tmp_path / "config/musetalk/config.toml")
    assert shown["settings"]["output"]["crf"] == {"value": 7, "origin": "MUSETALK_OUTPUT_CRF"}
    assert shown["settings"]["server"]["url"] == {"value": None, "origin": "default"}


def test_show_has_stars_for_a_key(run) -> None:
    for form in ((), ("--json",)):
        done = run("config", "show", *form, MUSETALK_API_KEY="sk-secret")
        assert "sk-secret" not in done.stdout + done.stderr
        assert "***" in done.stdout
        assert "MUSETALK_API_KEY" in done.stdout


def test_path(run, tmp_path: Path) -> None:
    assert run("config", "path").stdout == f"{tmp_path}/config/musetalk/config.toml\n"
    assert run("config", "path", MUSETALK_CONFIG_PATH="/x/y.toml").stdout == "/x/y.toml\n"


def test_a_bad_file_stops_show(run, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text("[output\n")
    done = run("config", "show", MUSETALK_CONFIG_PATH=str(file))
    assert done.returncode == 78
    assert f"where: {file}:1" in done.stderr
