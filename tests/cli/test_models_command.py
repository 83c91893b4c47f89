"""`models`: what it prints, and its exit codes, without torch."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loopback_hub import LoopbackHub, serving_hub

from musetalk_fast.cli.main import main
from musetalk_fast.models.published_files import DRAFT, MUSETALK_15, OPTIONAL

Models = Callable[..., tuple[int, str, str]]


@pytest.fixture
def models(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Models:
    """Runs `models` in this process, in an empty folder: its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "HF_TOKEN", "MUSETALK_PROGRESS"):
        monkeypatch.delenv(name, raising=False)

    def models(*arguments: str, **variables: str) -> tuple[int, str, str]:
        with monkeypatch.context() as patch:
            patch.setattr("sys.argv", ["musetalk-fast", "models", *arguments])
            for name, value in variables.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main()
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err

    return models


@pytest.fixture(scope="module")
def hub() -> Iterator[LoopbackHub]:
    with serving_hub() as hub:
        yield hub


def test_pull_list_verify(models: Models, hub: LoopbackHub, tmp_path: Path) -> None:
    folder = tmp_path / ".local/share/musetalk-fast/models"
    hub.get_statuses = [401]
    code, out, err = models("pull", HF_ENDPOINT=hub.endpoint, HF_TOKEN="hf_secret")
    assert code == 77
    assert "error: answered 401 (MTF-HUB-ACCESS)" in err
    assert "secret" not in out + err

    code, out, err = models("pull", "--json", HF_ENDPOINT=hub.endpoint)
    assert (code, err) == (0, "")
    last = json.loads(out.splitlines()[-1])
    assert (last["event"], len(last["brought"])) == ("pulled", len(MUSETALK_15))
    assert models("path") == (0, f"{folder}\n", "")
    again = models("pull", "-q", HF_ENDPOINT=hub.endpoint)
    assert again == (0, "", "")

    code, out, err = models("list")
    assert (code, out.splitlines()[0]) == (0, str(folder))
    unet, *more = out.splitlines()[-1 - len(OPTIONAL) :]
    assert unet.split()[:2] == ["there", "musetalkV15/unet.pth"]
    assert unet.endswith(" TMElyralab/MuseTalk@2bcb936e2fdd")
    assert [each.split()[:2] for each in more] == [["optional", file.name] for file in OPTIONAL]
    assert models("verify")[0] == 0
    (folder / "musetalkV15" / "unet.pth").write_bytes(b"damaged")
    (folder / "sd-vae" / "config.json").unlink()
    code, out, err = models("verify", "--json")
    assert code == 78
    report, error = map(json.loads, out.splitlines())
    states = {each["name"]: each["state"] for each in report["files"]}
    assert states["musetalkV15/unet.pth"] == "changed"
    assert states["sd-vae/config.json"] == "missing"
    assert states["whisper/config.json"] == "whole"
    assert error["token"] == "MTF-WEIGHTS-DIFFER"


def test_pull_what_is_optional(models: Models, hub: LoopbackHub) -> None:
    code, out, _ = models("pull", "--draft", "--json", HF_ENDPOINT=hub.endpoint)
    assert code == 0
    brought = json.loads(out.splitlines()[-1])["brought"]
    assert brought[: len(DRAFT)] == [file.name for file in DRAFT]
    assert len(brought) == len(DRAFT) + len(MUSETALK_15)
    code, out, _ = models("pull", "--face-parser", HF_ENDPOINT=hub.endpoint)
    assert (code, "complete: 1 file came" in out) == (0, True)
    code, out, _ = models("verify")
    assert (code, {line.split()[0] for line in out.splitlines()}) == (0, {"whole"})
    assert len(out.splitlines()) == len(OPTIONAL) + len(MUSETALK_15)


def test_nothing_there(models: Models, tmp_path: Path) -> None:
    code, out, _ = models("list", "--models-dir", "nowhere")
    assert code == 0
    assert {line.split()[0] for line in out.splitlines()[1:]} == {"missing", "optional"}
    assert not (tmp_path / "nowhere").exists()
    for command in ("verify", "convert", "selftest"):
        code, _, err = models(command, "--models-dir", "nowhere")
        assert code == 78
        assert "(MTF-WEIGHTS-MISSING)" in err
    code, _, err = models("pull", HF_ENDPOINT="http://127.0.0.1:1")
    assert code == 69
    assert "no connection" in err
    assert "HF_ENDPOINT a mirror" in err
    assert models("pull", HF_ENDPOINT="nowhere")[0] == 78
    (tmp_path / "file").write_text("")
    assert models("pull", "--models-dir", "file")[0] == 2


@pytest.mark.skipif(
    importlib.util.find_spec("torch") is not None, reason="the extra [musetalk] is installed"
)
def test_without_the_extra_it_is_named(models: Models, tmp_path: Path) -> None:
    (tmp_path / "m" / "whisper").mkdir(parents=True)
    (tmp_path / "m" / "whisper" / "pytorch_model.bin").write_bytes(bytes(100))
    code, _, err = models("convert", "--models-dir", "m")
    assert code == 2
    assert "pip install 'musetalk-fast[musetalk]'" in err
