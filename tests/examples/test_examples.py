"""The programs in examples/ run as they are."""

from __future__ import annotations

import asyncio
import importlib
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

import musetalk_fast

EXAMPLES = Path(__file__).parents[2] / "examples"
SHORT = Path(__file__).parents[1] / "data/short.wav"
PATIENCE_SECS = 900.0


def _service(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """FastAPI's test client, and the example's module."""
    testing = pytest.importorskip(
        "fastapi.testclient", reason="no fastapi: pip install '.[test-examples]'"
    )
    pytest.importorskip("python_multipart", reason="no python-multipart")
    monkeypatch.syspath_prepend(EXAMPLES / "service")
    return testing, importlib.import_module("service")


@pytest.mark.long
def test_the_service_renders_what_is_uploaded(
    preview_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    testing, service = _service(monkeypatch)
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
def test_what_the_service_refuses_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    testing, service = _service(monkeypatch)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(service, "MAX_UPLOAD", 1 << 16)
    monkeypatch.setattr(service, "CHUNK", 1 << 16)
    monkeypatch.setattr(service, "MAX_WAITING", 1)
    monkeypatch.setattr(service.Renders, "work", lambda _renders: asyncio.Event().wait())
    app = service.make_app(musetalk_fast.Settings())

    def ask(size: int) -> Any:
        return client.post("/renders", files={"avatar": b"a" * size, "audio": b"b"})

    with testing.TestClient(app) as client:
        (folder,) = tmp_path.iterdir()
        assert ask(1000).json() == {"id": 1}
        kept = list(folder.iterdir())
        assert ask(1000).status_code == 503
        assert ask((1 << 16) + 1).status_code == 413
        head = b'--x\r\nContent-Disposition: form-data; name="avatar"; filename="a"\r\n\r\n'
        never_ending = (head if each == 0 else b"c" * 1000 for each in range(1000))
        kind = {"content-type": "multipart/form-data; boundary=x"}
        refused = client.post("/renders", content=never_ending, headers=kind)
        assert refused.status_code == 413, "read to its end: it has none"
        assert list(folder.iterdir()) == kept
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(service, "MAX_KEPT", 2)
    renders = service.Renders(musetalk_fast.Settings(), tmp_path)
    folders = [renders.new_folder() for _ in range(5)]
    for each in folders:
        renders.add(each)
        renders._waiting.get_nowait()
    assert sorted(tmp_path.iterdir()) == sorted(folders[1:]), "two, one that waits, one at work"


@pytest.fixture
def service_at_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any, Path]:
    """The service's app, whose renders wait, its module, and where its files are."""
    _, service = _service(monkeypatch)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(service.Renders, "work", lambda _renders: asyncio.Event().wait())
    return service.make_app(musetalk_fast.Settings()), service, tmp_path


@pytest.mark.long
def test_a_render_that_breaks_does_not_end_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    testing, service = _service(monkeypatch)
    asked: list[Path] = []

    class Breaking(musetalk_fast.Renderer):
        async def render(self, avatar: Path, audio: Path, output: Path, **how: bool) -> Any:
            asked.append(avatar.parent)
            if len(asked) == 1:
                raise RuntimeError("nobody expected this")
            return await super().render(avatar, audio, output, **how)

    monkeypatch.setattr(musetalk_fast, "Renderer", Breaking)
    with testing.TestClient(service.make_app(musetalk_fast.Settings())) as client:
        files = {"avatar": b"no picture", "audio": b"no sound"}
        shown = []
        for _ in range(2):
            number = client.post("/renders", files=files).json()["id"]
            begun = time.monotonic()
            while (state := client.get(f"/renders/{number}").json())["state"] != "failed":
                assert time.monotonic() < begun + PATIENCE_SECS, state
                time.sleep(0.05)
            shown.append(state["error"])
        assert shown[0]["token"] == "INTERNAL"
        assert "nobody" not in shown[0]["message"]
        assert shown[1]["token"].startswith("MTF-")
        assert not any(folder.exists() for folder in asked), "a failed render keeps no file"


@pytest.mark.long
def test_a_full_disk_is_said_and_leaves_nothing(
    service_at_rest: tuple[Any, Any, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, service, place = service_at_rest
    testing, _ = _service(monkeypatch)
    real = service.Renders.new_folder

    def new_folder(renders: Any) -> Path:
        folder = real(renders)
        (folder / "audio").symlink_to("/dev/full")
        return folder

    files = {"avatar": b"a", "audio": b"b"}
    with testing.TestClient(app) as client:
        (folder,) = place.iterdir()
        with monkeypatch.context() as full:
            full.setattr(service.Renders, "new_folder", new_folder)
            refused = client.post("/renders", files=files)
            assert (refused.status_code, refused.headers["retry-after"]) == (507, "300")
            # What is too long for the memory goes into a file before the service sees it.
            full.setattr(tempfile, "tempdir", str(place / "gone"))
            assert (
                client.post("/renders", files={**files, "audio": bytes(2 << 20)}).status_code == 507
            )
        assert list(folder.iterdir()) == []
        assert client.post("/renders", files=files).json() == {"id": 1}


# Starlette leaves the file of a part without an end to the garbage collector, which says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.long
def test_uploads_that_are_none_and_clients_that_go_leave_nothing(
    service_at_rest: tuple[Any, Any, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, _, place = service_at_rest
    testing, _ = _service(monkeypatch)
    kind = {"content-type": "multipart/form-data; boundary=x"}
    head = b'--x\r\nContent-Disposition: form-data; name="avatar"; filename="a"\r\n\r\nabc'
    with testing.TestClient(app) as client:
        (folder,) = place.iterdir()
        for asked in (
            {"files": {"avatar": b"a"}},
            {"data": {"avatar": "a", "audio": "b"}},
            {"content": b"neither", "headers": {"content-type": "image/png"}},
            {"content": b"neither", "headers": {"content-type": "multipart/form-data"}},
            {"content": b"neither", "headers": kind},
            {"content": head, "headers": kind},
        ):
            answer = client.post("/renders", **asked)
            assert answer.status_code in (400, 422), answer.text
        asyncio.run(_send_half(app, head, kind["content-type"]))
        assert list(folder.iterdir()) == []
        assert client.post("/renders", files={"avatar": b"a", "audio": b"b"}).json() == {"id": 1}


async def _send_half(app: Any, body: bytes, kind: str) -> None:
    """A client that goes in the middle of its upload."""
    messages = [
        {"type": "http.request", "body": body, "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Any:
        return messages.pop(0)

    async def send(_message: Any) -> None:
        pass

    scope = {"type": "http", "method": "POST", "path": "/renders", "raw_path": b"/renders"}
    scope |= {"query_string": b"", "http_version": "1.1", "scheme": "http", "root_path": ""}
    scope |= {"headers": [(b"content-type", kind.encode())], "app": app}
    await app(scope, receive, send)


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
