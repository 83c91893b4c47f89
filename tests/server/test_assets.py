"""Assets: checked against their names, atomic, evicted in order, never in use."""

from __future__ import annotations

import asyncio
import io
import os
import resource
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from server_process import Client, avatar, client_of, running, sha256, speech, until

from musetalk_fast.server.asset_index import MOST_ASSETS, AssetSizes
from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.store import AssetStore
from musetalk_fast.server.users import User

USER = User("a")
KIB = 1 << 10


async def _pieces(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for place in range(0, len(data), size):
        yield data[place : place + size]


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"lock"}


async def _add(store: AssetStore, data: bytes, size: int | None = None) -> str:
    await store.receive(sha256(data), _pieces(data), size, USER)
    return sha256(data)


async def test_upload_and_look(client: Client) -> None:
    data = os.urandom(3 << 20)
    url = f"{client.base}/v1/assets/{sha256(data)}"
    async with client.session.head(url) as response:
        assert response.status == 404
    for status in (201, 200):
        async with client.session.put(url, data=io.BytesIO(data)) as response:
            assert response.status == status
            assert (await response.json())["sha256"] == sha256(data)
        async with client.session.head(url) as response:
            assert response.status == 200


async def test_a_body_without_a_length(client: Client) -> None:
    data = os.urandom(300 * KIB)
    url = f"{client.base}/v1/assets/{sha256(data)}"
    async with client.session.put(url, data=_pieces(data)) as response:
        assert response.status == 201


async def test_other_bytes_than_the_name_says(client: Client) -> None:
    url = f"{client.base}/v1/assets/{sha256(b'one thing')}"
    async with client.session.put(url, data=b"another thing") as response:
        assert response.status == 409
        assert (await response.json())["code"] == "MTF-ASSET-DIFFERS"
    async with client.session.head(url) as response:
        assert response.status == 404


@pytest.mark.parametrize("announced", [True, False])
async def test_too_long(client: Client, announced: bool) -> None:
    data = bytes((4 << 20) + 1)
    url = f"{client.base}/v1/assets/{sha256(data)}"
    body = io.BytesIO(data) if announced else _pieces(data, 1 << 18)
    try:
        async with client.session.put(url, data=body) as response:
            assert response.status == 413
            assert str(4 << 20) in (await response.json())["message"]
    except ConnectionError:
        # The server need not read the remainder before it closes the connection.
        assert not announced


@pytest.mark.parametrize("name", ["x", "A" * 64, "g" * 64, "..%2f..%2fetc%2fpasswd", "0" * 63])
async def test_names_that_are_none(client: Client, name: str) -> None:
    async with client.session.put(f"{client.base}/v1/assets/{name}", data=b"x") as response:
        assert response.status in (400, 404)


async def test_a_client_that_goes_leaves_nothing(tmp_path: Path) -> None:
    data = os.urandom(256 * KIB)

    async def half() -> AsyncIterator[bytes]:
        yield data[: len(data) // 2]
        await asyncio.sleep(60)

    with running(options={"store_dir": str(tmp_path / "store")}) as process:
        async with client_of(process.address) as client:
            url = f"{client.base}/v1/assets/{sha256(data)}"
            upload = asyncio.ensure_future(client.session.put(url, data=half()))
            store = tmp_path / "store"
            await until(lambda: bool(_names(store)))
            upload.cancel()
            await asyncio.wait([upload])
            await until(lambda: not _names(store))


async def test_the_oldest_go_first(tmp_path: Path) -> None:
    store = AssetStore(tmp_path, budget=100 * KIB, longest=100 * KIB)
    names = [await _add(store, bytes([number]) * 30 * KIB) for number in range(3)]
    with store.lease(names[0]):
        pass  # used last now
    names.append(await _add(store, b"3" * 30 * KIB))
    assert [name in store for name in names] == [True, False, True, True]
    assert _names(tmp_path) == {names[0], names[2], names[3]}
    assert store.size == 96 * KIB  # in blocks of the disk


async def test_an_upload_of_what_is_there_counts_as_use() -> None:
    with running(limits={"store_bytes": 100 * KIB, "max_asset_bytes": 100 * KIB}) as process:
        async with client_of(process.address) as client:
            first, second = (bytes([number]) * 40 * KIB for number in range(2))
            for data in (first, second, first, bytes(30 * KIB)):
                await client.put(data)
            found = []
            for data in (first, second):
                url = f"{client.base}/v1/assets/{sha256(data)}"
                async with client.session.head(url) as response:
                    found.append(response.status)
    assert found == [200, 404]


@pytest.mark.parametrize("beyond", [1, 4, 100, 2000])
async def test_a_full_disk_is_a_full_store(tmp_path: Path, beyond: int) -> None:
    limit = 50 * KIB
    store = AssetStore(tmp_path, budget=10_000 * KIB, longest=10_000 * KIB)
    used, idle = await _add(store, b"used"), await _add(store, bytes(5 * KIB))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with store.lease(used), pytest.raises(RefusalError) as caught:
            await _add(store, os.urandom(limit + beyond * KIB))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (caught.value.status, caught.value.code) == (503, "MTF-STORE-FULL")
    # What nobody uses has made way for the next try.
    assert idle not in store
    assert _names(tmp_path) == {used}
    assert store.size == 4 * KIB


async def test_small_assets_count_as_files(tmp_path: Path) -> None:
    """As what they take of a disk, or their number would have no bound."""
    store = AssetStore(tmp_path, budget=64 * KIB, longest=64 * KIB)
    names = [await _add(store, number.to_bytes(2, "big")) for number in range(100)]
    assert [name in store for name in names] == [False] * 84 + [True] * 16
    assert _names(tmp_path) == set(names[84:])
    assert (store.size, store.count) == (64 * KIB, 16)
    assert AssetStore(tmp_path, budget=32 * KIB, longest=32 * KIB).count == 8


def test_a_large_store_has_a_bounded_number_of_assets() -> None:
    for budget in (1 << 32, 1 << 40, (1 << 40) + 12345):
        assert budget // AssetSizes(budget).counted(2) <= MOST_ASSETS
    assert AssetSizes(1 << 32).counted(100_000) == 100 * KIB


async def test_nothing_is_left_of_an_asset_that_was_used(tmp_path: Path) -> None:
    store = AssetStore(tmp_path, budget=8 * KIB, longest=8 * KIB)
    name = await _add(store, b"used")
    with store.lease(name):
        with store.lease(name), pytest.raises(RefusalError) as caught:
            await _add(store, bytes(8 * KIB), 8 * KIB)
        store._space.remove(name)  # as where it is damaged
        again = await _add(store, b"used")
        with pytest.raises(RefusalError):
            await _add(store, bytes(8 * KIB), 8 * KIB)
    assert (caught.value.status, again) == (503, name)
    await _add(store, bytes(8 * KIB), 8 * KIB)
    assert name not in store
    index = store._space.index
    assert (index.leased_bytes, index._leases) == (0, {})


async def test_an_asset_that_fits_in_no_store(tmp_path: Path) -> None:
    store = AssetStore(tmp_path, budget=9000, longest=9000)
    with pytest.raises(RefusalError, match="longer than 8192 bytes") as caught:
        await _add(store, bytes(8500), 8500)
    assert caught.value.status == 413


async def test_what_is_in_use_stays(tmp_path: Path) -> None:
    store = AssetStore(tmp_path, budget=100 * KIB, longest=100 * KIB)
    used, idle = await _add(store, b"u" * 60 * KIB), await _add(store, b"i" * 30 * KIB)
    with store.lease(used) as path:
        big = b"b" * 50 * KIB
        with pytest.raises(RefusalError) as caught:
            await _add(store, big, len(big))
        assert caught.value.status == 503
        assert idle in store  # nothing goes for what cannot be kept
        assert path.read_bytes() == b"u" * 60 * KIB
    await _add(store, big, len(big))
    assert used not in store


async def test_no_other_user_may_read_an_asset(tmp_path: Path) -> None:
    store = AssetStore(tmp_path, budget=100 * KIB, longest=100 * KIB)
    with store.lease(await _add(store, b"a face")) as path:
        assert path.stat().st_mode & 0o777 == 0o600


async def test_uploads_on_their_way_count(tmp_path: Path) -> None:
    store = AssetStore(tmp_path, budget=1000 * KIB, longest=1000 * KIB)
    gate = asyncio.Event()
    slow = b"s" * 800 * KIB

    async def chunks() -> AsyncIterator[bytes]:
        yield slow
        await gate.wait()

    upload = asyncio.ensure_future(store.receive(sha256(slow), chunks(), len(slow), USER))
    await until(lambda: store.size == 800 * KIB)
    with pytest.raises(RefusalError):
        await _add(store, b"x" * 300 * KIB, 300 * KIB)
    gate.set()
    assert await upload == 800 * KIB
    assert store.size == 800 * KIB


async def test_a_store_is_taken_up_again(tmp_path: Path) -> None:
    first = AssetStore(tmp_path, budget=100 * KIB, longest=100 * KIB)
    names = [await _add(first, bytes([number]) * 40 * KIB) for number in range(2)]
    os.utime(tmp_path / names[0], (1, 1))
    (tmp_path / f"{names[0]}.0badcafe.tmp").write_bytes(b"left by a crash")
    again = AssetStore(tmp_path, budget=50 * KIB, longest=50 * KIB)
    assert [name in again for name in names] == [False, True]
    assert _names(tmp_path) == {names[1]}


async def test_the_same_asset_twice_at_once(tmp_path: Path) -> None:
    store = AssetStore(tmp_path, budget=100 * KIB, longest=100 * KIB)
    data = b"d" * 20 * KIB
    await asyncio.gather(*(_add(store, data, len(data)) for _ in range(3)))
    assert store.size == len(data)
    assert _names(tmp_path) == {sha256(data)}


async def test_what_is_evicted_is_not_counted_as_there(tmp_path: Path) -> None:
    """The first of two uploads of an asset is evicted while a thread puts the second in place."""
    store = AssetStore(tmp_path, budget=130 * KIB, longest=130 * KIB)
    data, other = b"d" * 60 * KIB, b"o" * 60 * KIB
    gate = asyncio.Event()

    async def late() -> AsyncIterator[bytes]:
        await gate.wait()
        yield data

    second = asyncio.ensure_future(store.receive(sha256(data), late(), len(data), USER))
    await asyncio.sleep(0)
    await _add(store, data, len(data))
    gate.set()
    while not second.done() and any(name.endswith(".tmp") for name in _names(tmp_path)):
        await asyncio.sleep(0)
        time.sleep(0.02)  # noqa: ASYNC251 - the loop stands still, threads go on
    await _add(store, other, len(other))
    await second
    assert _names(tmp_path) == {name for name in map(sha256, (data, other)) if name in store}


async def test_preparations_outlive_their_assets(tmp_path: Path) -> None:
    """An evicted asset must be uploaded again; what was prepared from it is still known."""
    journal_path = tmp_path / "journal"
    limits = {"store_bytes": 100 * KIB, "max_asset_bytes": 100 * KIB}
    with running(limits=limits, engine={"journal": str(journal_path)}) as process:
        async with client_of(process.address) as client:
            body = await client.frames_body(0, 2, audio=speech(1.0))
            await client.messages("/v1/frames", body)
            await client.put(os.urandom(90 * KIB))
            status, document = await client.refusal("/v1/frames", body)
            assert (status, document["code"]) == (404, "MTF-ASSET-UNKNOWN")
            await client.put(speech(1.0))
            await client.put(avatar())
            await client.messages("/v1/frames", body)
    verbs = [line.split()[0] for line in journal_path.read_text().splitlines()]
    assert verbs.count("face") == verbs.count("audio") == 1
