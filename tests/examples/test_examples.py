"""The programs in examples/ run as they are."""

from __future__ import annotations

import importlib
import shutil
import time
from pathlib import Path

import pytest

import musetalk_fast

EXAMPLES = Path(__file__).parents[2] / "examples"
SHORT = Path(__file__).parents[1] / "data/short.wav"
PATIENCE_SECS = 120.0


@pytest.mark.long
def test_the_service_renders_what_is_uploaded(
    preview_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    testing = pytest.importorskip(
        "fastapi.testclient", reason="no fastapi: pip install '.[test-examples]'"
    )
    pytest.importorskip("python_multipart", reason="no python-multipart")
    monkeypatch.syspath_prepend(EXAMPLES / "service")
    service = importlib.import_module("service")
    settings = musetalk_fast.Settings(server=musetalk_fast.ServerSettings(url=preview_server))
    with testing.TestClient(service.make_app(settings)) as client:

        def ask(avatar: bytes) -> dict[str, object]:
            files = {"avatar": avatar, "audio": SHORT.read_bytes()}
            number = client.post("/renders", files=files).json()["id"]
            begun = time.monotonic()
            while time.monotonic() < begun + PATIENCE_SECS:
                shown = client.get(f"/renders/{number}").json()
                if shown["state"] in ("done", "failed"):
                    return shown | {"id": number}
                time.sleep(0.05)
            raise AssertionError(shown)

        done = ask((EXAMPLES / "portrait.png").read_bytes())
        assert (done["state"], done["done"], done["total"]) == ("done", 75, 75)
        video = client.get(f"/renders/{done['id']}/video")
        assert video.content[4:8] == b"ftyp"
        failed = ask(b"no picture")
        assert failed["state"] == "failed"
        assert str(failed["error"]["token"]).startswith("MTF-")
        assert client.get(f"/renders/{failed['id']}/video").status_code == 409
        assert client.get("/renders/9").status_code == 404


@pytest.mark.long
def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient", reason="no nbclient: pip install '.[test-examples]'")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel", reason="no ipykernel")
    shutil.copy(EXAMPLES / "portrait.png", tmp_path)
    shutil.copy(SHORT, tmp_path / "speech.wav")
    notebook = nbformat.read(EXAMPLES / "first_video.ipynb", as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, resources=resources).execute()
    printed = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ())
    )
    assert "75 frames by preview" in printed
    assert "75 frames, at most 0 us beside their time" in printed
    assert (tmp_path / "notebook.mp4").exists()
