"""`models`: what it prints, and its exit codes, without torch."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback_hub import LoopbackHub, serving_hub

from musetalk_fast.models.published import MUSETALK_15


@pytest.fixture(scope="module")
def hub() -> Iterator[LoopbackHub]:
    with serving_hub() as hub:
        yield hub


def test_pull_list_verify(run, hub: LoopbackHub, tmp_path: Path) -> None:
    folder = tmp_path / ".local/share/musetalk-fast/models"
    variables = {"HF_ENDPOINT": hub.endpoint, "XDG_DATA_HOME": ""}
    hub.get_statuses = [401]
    refused = run("models", "pull", **variables, HF_TOKEN="hf_secret")
    assert refused.returncode == 77
    assert "error: answered 401 (MTF-HUB-ACCESS)" in refused.stderr
    assert "secret" not in refused.stdout + refused.stderr

    pulled = run("models", "pull", "--json", **variables)
    assert (pulled.returncode, pulled.stderr) == (0, "")
    last = json.loads(pulled.stdout.splitlines()[-1])
    assert (last["event"], len(last["brought"])) == ("pulled", len(MUSETALK_15))
    assert run("models", "path").stdout == f"{folder}\n"
    again = run("models", "pull", **variables)
    assert again.stdout == f"Weights: {folder}, complete: 6 were there\n"

    listed = run("models", "list").stdout.splitlines()
    assert listed[0] == str(folder)
    assert listed[-1].split()[:2] == ["there", "musetalkV15/unet.pth"]
    assert listed[-1].endswith(" TMElyralab/MuseTalk@2bcb936e2fdd")
    assert run("models", "verify").returncode == 0
    (folder / "musetalkV15" / "unet.pth").write_bytes(b"damaged")
    (folder / "sd-vae" / "config.json").unlink()
    found = run("models", "verify", "--json")
    assert found.returncode == 78
    report, error = map(json.loads, found.stdout.splitlines())
    states = {each["name"]: each["state"] for each in report["files"]}
    assert states["musetalkV15/unet.pth"] == "changed"
    assert states["sd-vae/config.json"] == "missing"
    assert states["whisper/config.json"] == "whole"
    assert error["token"] == "MTF-WEIGHTS-DIFFER"


def test_nothing_there(run, tmp_path: Path) -> None:
    listed = run("models", "list", "--models-dir", "nowhere")
    assert listed.returncode == 0
    assert {line.split()[0] for line in listed.stdout.splitlines()[1:]} == {"missing"}
    assert not (tmp_path / "nowhere").exists()
    for command in ("verify", "convert", "selftest"):
        assert run("models", command, "--models-dir", "nowhere").returncode == 78
    absent = run("models", "pull", HF_ENDPOINT="http://127.0.0.1:1")
    assert absent.returncode == 69
    assert "no connection" in absent.stderr
    assert "HF_ENDPOINT a mirror" in absent.stderr
    assert run("models", "pull", HF_ENDPOINT="nowhere").returncode == 78
    (tmp_path / "file").write_text("")
    assert run("models", "pull", "--models-dir", "file").returncode == 2


@pytest.mark.skipif(
    importlib.util.find_spec("torch") is not None, reason="the extra [musetalk] is installed"
)
def test_without_the_extra_it_is_named(run, tmp_path: Path) -> None:
    (tmp_path / "m" / "whisper").mkdir(parents=True)
    (tmp_path / "m" / "whisper" / "pytorch_model.bin").write_bytes(bytes(100))
    done = run("models", "convert", "--models-dir", "m")
    assert done.returncode == 2
    assert "pip install 'musetalk-fast[musetalk]'" in done.stderr
