"""`config show` prints what a file could say, `config path` where it would stand."""

from __future__ import annotations

import json
from pathlib import Path

from musetalk_fast.cli.effective_settings import in_effect
from musetalk_fast.config import load_settings
from musetalk_fast.planning import make_plan

REPOSITORY = Path(__file__).parents[2]


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
    assert (
        "# url = # default: http://localhost:8000 if a server answers there, else builtin" in lines
    )
    assert "# face_box = # default" in lines


def _effective(**variables: str) -> dict[str, str | None]:
    loaded = load_settings({}, {"XDG_CONFIG_HOME": "/nowhere", **variables})
    return {item.key: in_effect(item, loaded.settings) for item in loaded.values}


def test_what_an_unset_value_comes_to() -> None:
    plain = _effective()
    assert (plain["fps"], plain["resolution"], plain["face_box"]) == (
        "a moving avatar's own, 25 for a still",
        "the avatar's own, scaled down to what phones play",
        None,
    )
    assert (plain["wire"], plain["sound"]) == (
        "the best one that the server has",
        "the recording, copied where it can be",
    )
    assert (plain["codec"], plain["crf"], plain["preset"]) == (
        *(
            "libx264 for mp4/mov/mkv, libvpx-vp9 for webm",
            "20 for mp4/mov/mkv, 31 for webm",
            "veryfast",
        ),
    )
    webm = _effective(MUSETALK_OUTPUT_FORMAT="webm", MUSETALK_OUTPUT_SOUND="none")
    assert (webm["codec"], webm["crf"], webm["sound"]) == ("libvpx-vp9", "31", "none")
    hevc = _effective(MUSETALK_OUTPUT_CODEC="h265", MUSETALK_OUTPUT_PRESET="slow")
    assert (hevc["codec"], hevc["crf"], hevc["preset"]) == ("libx265", "24", "slow")
    assert _effective(MUSETALK_OUTPUT_CODEC="x265")["codec"] == "no encoder is named x265"


def test_what_an_unset_value_comes_to_is_what_a_plan_has() -> None:
    plan = make_plan(
        REPOSITORY / "examples/portrait.png", REPOSITORY / "tests/data/short.wav", "o.mp4"
    )
    effective = _effective(MUSETALK_OUTPUT_FORMAT="mp4")
    assert effective["fps"] == f"a moving avatar's own, {plan.fps} for a still"
    assert plan.encoder.codec == effective["codec"]
    options = plan.encoder.options
    assert (options["crf"], options["preset"]) == (effective["crf"], effective["preset"])
    assert plan.sound


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
    assert shown["settings"]["output"]["crf"] == {
        "value": 7,
        "effective": "7",
        "origin": "MUSETALK_OUTPUT_CRF",
    }
    assert shown["settings"]["output"]["resolution"] == {
        "value": None,
        "effective": "the avatar's own, scaled down to what phones play",
        "origin": "default",
    }


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


def test_show_refuses_addresses_that_no_render_would_take(run) -> None:
    done = run("config", "show", MUSETALK_SERVER_URL="http://a:8001 http://b:8002")
    assert done.returncode == 78
    assert "is not an address" in done.stderr
    assert "where: MUSETALK_SERVER_URL" in done.stderr
    assert "put commas between them" in done.stderr
    url = "http://a:8001,http://b:8002"
    assert run("config", "show", MUSETALK_SERVER_URL=url).returncode == 0
    assert load_settings({}, {"MUSETALK_SERVER_URL": url}).settings.server.url == (
        "http://a:8001",
        "http://b:8002",
    )
