"""An asset that the disk has changed is found and uploaded again; what is not ours stays."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest
from file_limit import no_more_files
from in_process import Server, head, server_in, wire_to
from server_process import Client, avatar, sha256, speech

from musetalk_fast.server.asset_verifier import AssetVerifier
from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.store import AssetStore
from musetalk_fast.server.users import User

KIB = 1 << 10


async def _status(client: Client, method: str, name: str, data: bytes = b"") -> int:
    url = f"{client.base}/v1/assets/{name}"
    async with client.session.request(method, url, data=data or None) as response:
        return response.status


def _flip(server: Server, name: str) -> None:
    with server.services.store.lease(name) as path, path.open("r+b") as file:
        byte = file.read(1)
        file.seek(0)
        file.write(bytes([byte[0] ^ 1]))


async def test_a_damaged_asset_is_uploaded_again(tmp_path: Path) -> None:
    async with server_in(tmp_path) as server:
        client, data = server.client, speech(0.2)
        name = await client.put(data)
        _flip(server, name)
        assert await _status(client, "HEAD", name) == 404
        assert not list((tmp_path / "store").iterdir())
        assert server.services.store.size == 0
        assert await _status(client, "PUT", name, data) == 201
        _flip(server, name)
        assert await _status(client, "PUT", name, data) == 201
        assert await _status(client, "PUT", name, data) == 200
        with server.services.store.lease(name) as path:
            assert path.read_bytes() == data


@pytest.mark.parametrize("member", ["avatar", "audio"])
async def test_a_damaged_asset_is_not_used(tmp_path: Path, member: str) -> None:
    """Even where its file does not look changed: its bytes are read before they are used."""
    async with server_in(tmp_path) as server:
        client = server.client
        body = await client.frames_body(0, 2)
        _flip(server, body[member])
        server.services.store._verifier.add(body[member])
        assert await _status(client, "HEAD", body[member]) == 200
        status, document = await client.refusal("/v1/frames", body)
        assert (status, document["code"]) == (404, "MTF-ASSET-UNKNOWN")
        await client.put({"avatar": avatar(), "audio": speech()}[member])
        assert len(await client.messages("/v1/frames", body)) == 4


async def test_an_asset_that_somebody_removed_is_not_there(tmp_path: Path) -> None:
    async with server_in(tmp_path) as server:
        name = await server.client.put(b"an asset")
        (tmp_path / "store" / name).unlink()
        assert await _status(server.client, "HEAD", name) == 404
        assert await _status(server.client, "PUT", name, b"an asset") == 201


async def test_an_asset_that_cannot_be_opened_now_stays(tmp_path: Path) -> None:
    async with server_in(tmp_path) as server:
        name, store = await server.client.put(b"an asset"), server.services.store
        store._verifier.forget(name)  # as after ten minutes
        async with wire_to(server) as wire:
            await wire.send(head("GET", "/health"))
            assert (await wire.answer()).status == 200
            with no_more_files():
                await wire.send(head("PUT", f"/v1/assets/{name}", Content_Length=8) + b"an asset")
                answer = await wire.answer()
        assert (answer.status, answer.document["code"]) == (503, "MTF-FILES")
        assert (tmp_path / "store" / name).exists()
        assert await _status(server.client, "HEAD", name) == 200


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
async def test_an_asset_that_cannot_be_read_any_more_is_uploaded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    opened = AssetStore(tmp_path, budget=100 * KIB, longest=100 * KIB)
    name = sha256(b"a")
    await opened.receive(name, _once(b"a"), 1, User("a"))
    opened._verifier.forget(name)

    def refuse(*_arguments: object) -> int:
        raise OSError(number, "as the disk says")

    monkeypatch.setattr(os, "open", refuse)
    assert not await opened.holds(name)
    monkeypatch.undo()
    await opened.receive(name, _once(b"a"), 1, User("a"))
    assert await opened.holds(name)


async def test_an_asset_is_read_only_where_it_may_have_changed(tmp_path: Path) -> None:
    verifier, name = AssetVerifier(tmp_path), sha256(b"an asset")
    (tmp_path / name).write_bytes(b"an asset")
    assert not verifier.is_known(name)
    assert await verifier.is_whole(name)
    assert verifier.is_known(name)
    os.utime(tmp_path / name, (1, 1))
    assert not verifier.is_known(name)
    (tmp_path / name).write_bytes(b"another one")
    assert not await verifier.is_whole(name)
    assert not verifier.is_known(name)


async def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    """Links, pipes and folders, also under names like ours, neither stop a start nor go."""
    store, outside = tmp_path / "store", tmp_path / "outside"
    store.mkdir()
    outside.mkdir()
    (outside / "notes").write_text("mine")
    names = [sha256(bytes([number])) for number in range(4)]
    (store / names[0]).symlink_to(outside / "gone")
    (store / names[1]).symlink_to(outside / "notes")
    (store / names[2]).mkdir()
    os.mkfifo(store / names[3])
    (store / "broken").symlink_to(outside / "gone")
    (store / ".draft-abcdefgh").symlink_to(outside)
    (store / ".draft-notes").mkdir()
    (store / "notes.tmp").write_text("mine")
    (store / f"{names[0]}.0badcafe.tmp").symlink_to(outside / "notes")
    os.mkfifo(store / f"{names[1]}.0badcafe.tmp")
    (store / "folder.tmp").mkdir()
    before = sorted(path.name for path in store.iterdir())
    opened = AssetStore(store, budget=100 * KIB, longest=100 * KIB)
    assert opened.size == 0
    for number, name in enumerate(names):
        assert not await opened.holds(name)
        with pytest.raises(RefusalError, match="something else has its name") as caught:
            await opened.receive(name, _once(bytes([number])), 1, User("a"))
        assert caught.value.status == 503
    assert sorted(path.name for path in store.iterdir()) == before
    assert [path.name for path in outside.iterdir()] == ["notes"]


async def test_a_pipe_in_place_of_an_asset_is_not_waited_for(tmp_path: Path) -> None:
    opened = AssetStore(tmp_path, budget=100 * KIB, longest=100 * KIB)
    name = sha256(b"a")
    await opened.receive(name, _once(b"a"), 1, User("a"))
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    async with asyncio.timeout(60):
        assert not await opened.holds(name)
    assert (tmp_path / name).is_fifo()


async def test_a_folder_in_place_of_an_asset_is_not_read(tmp_path: Path) -> None:
    opened = AssetStore(tmp_path, budget=100 * KIB, longest=100 * KIB)
    name = sha256(b"a")
    await opened.receive(name, _once(b"a"), 1, User("a"))
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    assert not await opened.holds(name)
    assert (tmp_path / name).is_dir()


async def _once(data: bytes):  # type: ignore[no-untyped-def]
    yield data
