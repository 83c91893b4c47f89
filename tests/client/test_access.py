"""Keys: who gets in, and that a key is seen nowhere."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from infer_server_process import infer_server, opened, padded, pattern_server

from musetalk_fast import errors
from musetalk_fast.client.address import parse_address
from musetalk_fast.client.credentials import Credentials
from musetalk_fast.client.infer import InferRequest, open_infer
from musetalk_fast.client.negotiate import probe

SECRET = "sk-Secret_4711"
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    (tmp_path / "key").write_text(f"{SECRET}\n")
    return str(tmp_path / "key")


async def _status(address: str, path: str, **headers: str) -> tuple[int, Any, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(address + path, headers=headers) as response,
    ):
        return response.status, await response.json(), response.headers


async def test_a_key_opens_and_nothing_else_does(key_file: str) -> None:
    with pattern_server(api_key_file=key_file) as address:
        for given in ({"api_key": SECRET}, {"api_key_file": key_file}):
            async with opened(address, **given) as server:
                assert server.info.engine == "pattern"
                assert server.notes == ()
        for wrong in (None, "x", SECRET[:-1], SECRET + "x", SECRET.lower()):
            with pytest.raises(errors.NotAuthorisedError, match="missing or wrong") as caught:
                async with opened(address, api_key=wrong):
                    pass
            assert caught.value.exit_code == 77
        assert await probe(address)


@pytest.mark.parametrize("path", ["/v1/info", "/none", "/v1/assets/" + "0" * 64])
@pytest.mark.parametrize(
    "given", ["", SECRET, f"Basic {SECRET}", f"Bearer {SECRET}x", "Bearer", "Bearer ü"]
)
async def test_every_door_is_shut(guarded: str, path: str, given: str) -> None:
    status, document, headers = await _status(guarded, path, Authorization=given)
    assert status == 401
    assert headers["WWW-Authenticate"] == "Bearer"
    assert set(document) == {"code", "message", "hint"}
    assert document["code"] == "MTF-SERVER-AUTH"
    assert SECRET not in json.dumps(document)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("key") / "key"
    path.write_text(SECRET)
    with pattern_server(api_key_file=str(path)) as address:
        yield address


async def test_the_scheme_may_be_written_in_any_case(guarded: str) -> None:
    assert (await _status(guarded, "/v1/info", Authorization=f"bEARER  {SECRET} "))[0] == 200


async def test_health_is_open_and_says_nothing_more(guarded: str) -> None:
    status, document, _ = await _status(guarded, "/health")
    assert status == 200
    assert (document["status"], document["protocol"]) == ("healthy", 1)
    assert (document["version"], document["engine"]) == ("", "")
    assert document["gpu_name"] is None
    known = (await _status(guarded, "/health", Authorization=f"Bearer {SECRET}"))[1]
    assert known["engine"] == "pattern"
    assert known["version"]


async def test_uploads_are_refused_unread(guarded: str) -> None:
    url = f"{guarded}/v1/assets/{'0' * 64}"
    async with (
        aiohttp.ClientSession() as session,
        session.put(url, data=bytes(1 << 20)) as response,
    ):
        assert response.status == 401


async def test_a_redirect_is_not_followed_and_carries_no_key(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    with (
        infer_server(journal=str(there)) as other,
        infer_server(journal=str(here), redirect=other) as address,
    ):
        for wire in ("auto", "binary", "infer"):
            with pytest.raises(errors.NotAServerError) as caught:
                async with opened(address, api_key=SECRET, wire=wire):
                    pass
            assert f"redirects to {other}, and" in caught.value.message
    asked = [json.loads(line)["headers"] for line in here.read_text().splitlines()]
    assert [headers["Authorization"] for headers in asked] == [f"Bearer {SECRET}"] * 3
    assert not there.exists()


async def test_a_key_that_a_server_repeats_becomes_stars(tmp_path: Path) -> None:
    body = {"message": f"unknown key {SECRET}", "hint": f"not {SECRET}", "code": "X"}
    sound = padded(tmp_path, 1, Fraction(1, 25))
    request = InferRequest(
        png=b"", recording=sound, fps=Fraction(25), frames=1, width=64, height=64
    )
    with infer_server(body=body, status=400) as address:
        async with opened(address, api_key=SECRET) as server:
            with pytest.raises(errors.ServerRefusedError) as caught:
                async with open_infer(server.connection, request):
                    pass
    error = caught.value
    assert error.message == "unknown key ***"
    assert error.hint == "not ***"
    assert SECRET not in repr(error) + str(error)


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://gpu.example.org:8000", True),
        ("HTTP://gpu.example.org:8000", True),
        ("HTTP://LOCALHOST", False),
        ("http://10.0.0.7:8000", True),
        ("https://gpu.example.org", False),
        ("http://127.0.0.1:8000", False),
        ("http://[::1]:8000", False),
        ("http://localhost:8000", False),
        ("unix:/run/m.sock", False),
    ],
)
def test_a_key_in_the_clear_is_reported(url: str, warned: bool) -> None:
    notes = Credentials(api_key=SECRET).notes(parse_address(url))
    assert bool(notes) is warned
    assert SECRET not in "".join(notes)
    assert Credentials().notes(parse_address(url)) == ()


async def test_logs_have_no_key(guarded: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with opened(guarded, api_key=SECRET) as server:
        await server.connection.document("/v1/info")
    assert SECRET not in caplog.text


def _run(folder: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    # Only the settings are away: what the preview engine has compiled is used.
    environ = {"XDG_CONFIG_HOME": str(folder)}
    return subprocess.Popen(
        [sys.executable, "-m", "musetalk_fast", *arguments],
        cwd=REPOSITORY,
        env=os.environ | environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _arguments(pid: int) -> str:
    """The command lines of a process and of those it has started."""
    found = ""
    with suppress(OSError):  # it has ended
        found += Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            found += "".join(_arguments(int(child)) for child in children.read_text().split())
    return found


@pytest.mark.long
@pytest.mark.parametrize(
    ("form", "place"),
    [("-v", "guarded"), ("-v", "wrong"), ("--json", "wrong"), ("--json", "builtin")],
)
def test_a_render_shows_its_key_nowhere(
    tmp_path: Path, guarded: str, form: str, place: str
) -> None:
    key = SECRET + "x" if place == "wrong" else SECRET
    process = _run(
        tmp_path,
        *("render", form, "-s", "builtin" if place == "builtin" else guarded),
        *("-i", "examples/portrait.png", "-a", "tests/data/short.wav"),
        *("-o", str(tmp_path / "out.mp4")),
        MUSETALK_API_KEY=key,
        MUSETALK_LOG_LEVEL="debug",
    )
    seen = ""
    while process.poll() is None:
        seen += _arguments(process.pid)
        time.sleep(0.1)
    out, err = process.communicate()
    assert process.returncode == (77 if place == "wrong" else 0), err
    if place == "builtin" and sys.platform == "linux":
        assert "--lifeline-fd" in seen  # its command line was looked at
    for text in (out, err, seen):
        assert SECRET not in text


@pytest.mark.long
def test_serve_says_who_may_come_in(tmp_path: Path, key_file: str) -> None:
    for arguments, code in (
        (("--api-key-file", str(tmp_path / "none")), 78),
        (("--tls-key", key_file), 2),
        (("--tls-client-ca", key_file), 2),
        (("--tls-cert", key_file), 2),
        (("--tls-cert", key_file, "--unix", str(tmp_path / "s")), 2),
    ):
        process = _run(tmp_path, "serve", "--port", "0", *arguments)
        _, err = process.communicate(timeout=60)
        assert process.returncode == code, err
        assert "Traceback" not in err
        assert SECRET not in err
