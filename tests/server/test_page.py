"""The page at `/`: what is served, to whom, and that it asks for nothing from elsewhere."""

from __future__ import annotations

import base64
import re
import tomllib
from pathlib import Path

import av
import numpy as np
import pytest
from in_process import Answer, Server, head, server_in, wire_to
from page_in_node import FOLDER, SCRIPTS, needs_node, run_in_node
from PIL import Image
from server_process import sha256, speech

from musetalk_fast.cli.serve import _announce, _server_options
from musetalk_fast.cli.serve import serve as command
from musetalk_fast.server.routes.page import PATHS
from musetalk_fast.server.users import KeyRing

ROOT = Path(__file__).parents[2]
KEYS = KeyRing.of_one("open sesame")
FILES = {
    "/" if path.name == "index.html" else f"/page/{path.name}": path for path in FOLDER.iterdir()
}


async def _get(server: Server, path: str, host: str = "localhost", **headers: str) -> Answer:
    async with wire_to(server) as wire:
        await wire.send(head("GET", path, host, **headers))
        return await wire.answer()


async def test_it_is_served_strictly_and_opens_no_door_to_other_sites(tmp_path: Path) -> None:
    async with server_in(tmp_path, hosts=(), has_page=True) as server:
        for path, file in FILES.items():
            answer = await _get(server, path, Origin="https://evil.example")
            assert (answer.status, answer.body) == (200, file.read_bytes()), path
            policy = answer.headers["content-security-policy"].split("; ")
            assert {"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} < {*policy}
            assert {"script-src 'self'", "style-src 'self'", "connect-src 'self'"} < {*policy}
            assert not re.search(r"unsafe|\*|https?:|data:", " ".join(policy))
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"
            assert answer.headers["cache-control"] == "no-cache"
            assert not [name for name in answer.headers if name.startswith("access-control")]
        again = await _get(server, "/", If_None_Match=answer.headers["etag"])
        assert again.status == 200  # that was another file's
        same = await _get(server, "/", If_None_Match=again.headers["etag"])
        assert (same.status, same.body) == (304, b"")
        assert (await _get(server, "/", "evil.example")).status == 421
        for path in ("/page/", "/page/index.html", "/page/..%2fapp.py", "/page/.", "/page/x.js"):
            assert (await _get(server, path)).status == 404


async def test_a_key_guards_the_wire_and_not_the_page(tmp_path: Path) -> None:
    async with server_in(tmp_path, KEYS, has_page=True) as server:
        for path in FILES:
            assert (await _get(server, path)).status == 200
        for path in ("/v1/info", "/page/nothing", "/pages", "//"):
            assert (await _get(server, path)).status == 401


async def test_a_server_without_it(tmp_path: Path) -> None:
    for keys, status in ((None, 404), (KEYS, 401)):
        async with server_in(tmp_path, keys) as server:
            for path in ("/", "/page/main.js"):
                assert (await _get(server, path)).status == status
    given = command.make_context("serve", ["--no-page"]).params
    names = _server_options.__kwdefaults__ or _server_options.__annotations__
    asked = {name: given[name] for name in names if name in given}
    assert not _server_options(**asked).has_page
    assert command.make_context("serve", []).params["has_page"]


@pytest.mark.parametrize(
    ("address", "has_page", "said"),
    [
        ("http://127.0.0.1:8000", True, "to try it in a browser, open http://127.0.0.1:8000/\n"),
        ("http://127.0.0.1:8000", False, ""),
        ("unix:/tmp/socket", True, ""),
    ],
)
def test_its_address_is_said(
    address: str, has_page: bool, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _announce("musetalk", address, has_page=has_page, is_draft=False)
    assert capsys.readouterr() == (f"listening on {address}\n", said)


def test_all_of_it_is_in_the_package() -> None:
    assert set(FILES) == PATHS
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "page/*" in project["tool"]["setuptools"]["package-data"]["musetalk_fast.server"]


def test_it_asks_for_nothing_from_elsewhere_and_keeps_nothing() -> None:
    html = (FOLDER / "index.html").read_text()
    links = set(re.findall(r'(?:src|href)="([^"]*)"', html))
    assert {f"/{link}" for link in links} <= set(FILES)
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=", html)
    style = (FOLDER / "style.css").read_text()
    assert not re.search(r"url\(|@import", style)
    for name, script in SCRIPTS.items():
        for module in re.findall(r'from "([^"]*)"', script):
            assert module.removeprefix("./") in SCRIPTS
        asked = set(re.findall(r"fetch\(([^,)]*)", script))
        assert asked <= {"this.base + path", "`page/${name}`"}, name
        keeping = r"localStorage|sessionStorage|indexedDB|document\.cookie|innerHTML|eval\("
        assert not re.search(keeping, script), name
    assert SCRIPTS["wire.js"].count("\n") <= 200


def test_the_example_is_the_repository_s() -> None:
    """The recording to the sample; the portrait as good as a JPEG can be."""
    sound = [_samples(path) for path in (FOLDER / "speech.flac", ROOT / "examples/speech.wav")]
    np.testing.assert_array_equal(*sound)
    with (
        Image.open(FOLDER / "portrait.jpg") as ours,
        Image.open(ROOT / "examples/portrait.png") as png,
    ):
        difference = np.asarray(ours, np.float32) - np.asarray(png, np.float32)
    assert ours.size == png.size
    assert 10 * np.log10(255**2 / np.mean(difference**2)) > 36


def _samples(path: Path) -> np.ndarray:  # type: ignore[type-arg]
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


PROGRAM = """
import { readFileSync } from "node:fs";
import { Client, crc32c } from "./wire.js";
import { sha256 } from "./sha256.js";
import { findFaces, renderCommand, speak } from "./session.js";
const [base, streams, png, wav] = JSON.parse(readFileSync(0, "utf8"));
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const client = new Client(base, "open sesame");
const out = {};
out.sha256 = [0, 55, 56, 63, 64, 119, 1000].map((n) => sha256(new Uint8Array(n).fill(n)));
out.crc32c = crc32c(new TextEncoder().encode("123456789"));
out.faces = await findFaces(client, bytes(png));
for (const face of out.faces) face.data = [...face.data.subarray(1, 4)];
out.info = await client.info();
const asked = { png: bytes(png), wav: bytes(wav), face: out.faces[0] };
out.frames = [];
for await (const frame of speak(client, { ...asked, encodings: ["raw"], fps: 25, count: 40 })) {
  out.frames.push([frame.index, frame.rows, frame.data[0], frame.data.length]);
}
out.refused = await new Client(base, "wrong").info().catch((e) => [e.status, e.code, e.hint]);
out.gone = await new Client("http://127.0.0.1:1").info().catch((e) => e.constructor.name);
const file = (name) => ({ name, stem: name.replace(/[.].*/, "") });
out.command = renderCommand({ server: base, needsKey: true, portrait: file("-my face's.png"),
  recording: file("a.wav"), faces: [1, 2], face: out.faces[0] });
const read = async (text) => {
  const isFrames = text.includes('"index"');
  const pieces = text.match(/[^]{1,7}/g); // a line comes in many pieces
  globalThis.fetch = async () => new Response(new ReadableStream({
    pull: (to) => pieces.length ? to.enqueue(new TextEncoder().encode(pieces.shift())) : to.close(),
  }), { headers: { "Content-Type": "application/x-ndjson; charset=utf-8" } });
  const found = [];
  try {
    const asked = isFrames ? client.frames({ start: 75, stop: 76 }) : client.faces({});
    for await (const each of asked) found.push(each.index ?? each.source);
  } catch (error) {
    found.push(error.code || error.constructor.name);
  }
  return found;
};
out.streams = [];
for (const text of streams) out.streams.push(await read(text));
console.log(JSON.stringify(out));
"""


def _vectors() -> list[str]:
    """The streams of docs/protocol.md, and what a reader must refuse."""
    page = (ROOT / "docs/protocol.md").read_text()
    faces, frames, failed = re.findall(r"```ndjson \w+\n(.*?)```", page, re.DOTALL)
    lines = faces.splitlines(keepends=True)
    damaged = faces.replace('"source":0', '"source":3')
    return [faces, frames, failed, "".join(lines[:-1]), damaged, "".join(lines[1:])]


@needs_node
async def test_its_client_speaks_the_wire(tmp_path: Path) -> None:
    png, wav = (ROOT / "tests/data/grace_hopper.jpg").read_bytes(), speech(1.0)
    async with server_in(tmp_path, KEYS) as server:
        base = f"http://127.0.0.1:{server.port}"
        given = [base, _vectors(), *map(_text, (png, wav))]
        out = await run_in_node(tmp_path, PROGRAM, given)
    assert out["sha256"] == [sha256(bytes([n % 256]) * n) for n in (0, 55, 56, 63, 64, 119, 1000)]
    assert out["crc32c"] == 0xE3069283
    assert len(out["faces"]) == 8  # this engine finds a face for every number
    assert out["faces"][0]["data"] == list(b"PNG")
    assert out["info"]["crop_size"] == 256
    first, count = out["frames"][0][1]
    assert count < 256
    assert out["frames"] == [[i, [first, count], i, count * 768] for i in range(40)]
    assert out["refused"] == [401, "MTF-SERVER-AUTH", "send Authorization: Bearer KEY"]
    assert out["gone"] == "ServerGone"
    assert "-i './-my face'\\''s.png' --face 0 \\\n" in out["command"]
    faces, frames, failed, cut, damaged, headless = out["streams"]
    assert (faces, frames) == ([0, 1], [75])
    assert (failed, cut) == (["MTF-ENGINE"], [0, 1, "ServerGone"])
    assert (damaged, headless) == (["WireError"], [0, 1, "WireError"])


def _text(data: bytes) -> str:

    return base64.b64encode(data).decode()
