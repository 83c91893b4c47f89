"""Recordings are decoded inside the store, within its budget, as long as a client waits."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import resource
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from server_process import sha256

from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.infer_audio import decode_speech
from musetalk_fast.server.store import AssetStore, Draft
from musetalk_fast.server.users import User

SECS = 1800
WAV_BYTES = SECS * 32_000


def _recording() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(1)
        wav.setframerate(4000)
        wav.writeframes(bytes([128]) * (SECS * 4000))
    return file.getvalue()


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_it_becomes_an_asset(tmp_path: Path) -> None:
    store = AssetStore(tmp_path, 1 << 30, 1 << 30)
    with store.draft(User("a")) as draft:
        speech = await decode_speech(draft, _recording, SECS)
        assert store.size > WAV_BYTES
        await store.adopt(speech.wav_sha256, speech.wav, User("a"))
    assert speech.duration == SECS
    assert _names(tmp_path) == [speech.wav_sha256]
    with store.lease(speech.wav_sha256) as path:
        wav = path.read_bytes()
        assert path.stat().st_mode & 0o777 == 0o600
    assert sha256(wav) == speech.wav_sha256
    assert len(wav) <= store.size < len(wav) + 8 * 1024


async def test_who_goes_ends_it(tmp_path: Path) -> None:
    store = AssetStore(tmp_path, 1 << 30, 1 << 30)
    begun = asyncio.Event()
    with store.draft(User("a")) as draft:

        def cover(length: int) -> None:
            draft.cover(length)
            if length > WAV_BYTES // 8:
                begun.set()

        work = asyncio.ensure_future(decode_speech(Draft(draft.folder, cover), _recording, SECS))
        await begun.wait()
        work.cancel()
        await asyncio.wait([work])
        assert work.cancelled()
        assert store.size < WAV_BYTES // 2
    assert store.size == 0
    assert _names(tmp_path) == []


@pytest.mark.parametrize(("budget", "longest"), [(WAV_BYTES // 2, SECS), (1 << 30, SECS / 2)])
async def test_what_is_too_much_is_refused(tmp_path: Path, budget: int, longest: float) -> None:
    store = AssetStore(tmp_path, budget, budget)
    with store.draft(User("a")) as draft, pytest.raises(RefusalError) as caught:
        await decode_speech(draft, _recording, longest)
    assert caught.value.status == 413
    assert store.size == 0
    assert _names(tmp_path) == []


@pytest.mark.parametrize("most", [1 << 20, 20 << 20], ids=["its copy", "what it becomes"])
async def test_a_full_disk_is_a_full_store(tmp_path: Path, most: int) -> None:
    """Assets that nobody uses make way for the next try."""
    store = AssetStore(tmp_path, 1 << 30, 1 << 30)
    used, idle = [await _keep(store, name) for name in (b"used", b"idle")]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        with (
            store.lease(used),
            pytest.raises(RefusalError) as caught,
            store.draft(User("a")) as draft,
        ):
            await decode_speech(draft, _recording, SECS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (caught.value.status, caught.value.code) == (503, "MTF-STORE-FULL")
    assert str(tmp_path) not in caught.value.message
    assert idle not in store
    assert _names(tmp_path) == [used]


async def test_a_disk_that_takes_no_more_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = AssetStore(tmp_path, 1 << 30, 1 << 30)
    older, other = [await _keep(store, name) for name in (b"older", b"other")]

    def refuse(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(RefusalError) as caught, store.draft(User("a")):
        pass
    assert caught.value.status == 503
    assert (older in store, other in store) == (False, True)


async def _keep(store: AssetStore, data: bytes) -> str:
    async def once() -> AsyncIterator[bytes]:
        yield data

    await store.receive(sha256(data), once(), len(data), User("a"))
    return sha256(data)


def test_what_a_killed_server_left_goes(tmp_path: Path) -> None:
    (tmp_path / ".draft-l3ft_ear").mkdir()
    (tmp_path / ".draft-l3ft_ear" / "sound").write_bytes(b"a recording")
    assert AssetStore(tmp_path, 1 << 20, 1 << 20).size == 0
    assert _names(tmp_path) == []
