"""Connections of an engine's own, as to workers of another machine, are no client's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_process import Server, head, server_in, wire_to
from numpy.typing import NDArray
from pattern_engine import PatternEngine
from server_process import until

from musetalk_fast.engines.base import CancelCheck, CropRequest
from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.types import Pcm
from musetalk_fast.wire.messages import ErrorMessage, Message


class _LosesBatches(PatternEngine):
    def infer(self, batch: Sequence[CropRequest]) -> NDArray[np.uint8]:
        if batch[-1].frame >= 8:
            raise ConnectionResetError("the machine with the workers has gone")
        return super().infer(batch)


class _FindsNobody(PatternEngine):
    def prepare_audio(self, pcm: Pcm, check: CancelCheck) -> Pcm:
        raise ConnectionRefusedError("there is no machine with workers")


async def _posted(server: Server) -> bytes:
    """All that the connection brings."""
    body = json.dumps(await server.client.frames_body(0, 12)).encode()
    kind: dict[str, Any] = {"Content_Type": "application/json", "Content_Length": len(body)}
    async with wire_to(server) as wire:
        await wire.send(head("POST", "/v1/frames", Connection="close", **kind) + body)
        return await wire.closed()


async def test_one_lost_in_a_stream_is_the_streams_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with server_in(tmp_path, engine=_LosesBatches) as server:
        *_, last = await server.client.messages("/v1/frames", await _twelve(server))
        assert isinstance(last, ErrorMessage)
        assert (last.code, last.retryable) == ("MTF-ENGINE", True)
        assert (await _posted(server)).count(b"HTTP/1.1") == 1
    assert "the machine with the workers has gone" in caplog.text


async def test_one_lost_before_a_stream_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with server_in(tmp_path, engine=_FindsNobody) as server:
        status, document = await server.client.refusal("/v1/frames", await _twelve(server))
        assert (status, document["code"]) == (500, "MTF-ENGINE")
    assert "there is no machine with workers" in caplog.text


async def test_a_fault_in_a_response_that_has_begun_cuts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_refusal: RefusalError) -> Message:
        raise ValueError("the last message cannot be made")

    monkeypatch.setattr(RefusalError, "to_message", broken)
    async with server_in(tmp_path, engine=_LosesBatches) as server:
        text = await _posted(server)
    assert text.count(b"HTTP/1.1") == 1
    assert not text.endswith(b"0\r\n\r\n")
    assert "the last message cannot be made" in caplog.text


async def test_a_client_that_goes_is_no_fault(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with server_in(tmp_path) as server:
        body = json.dumps(await server.client.frames_body(0, 100_000)).encode()
        kind: dict[str, Any] = {"Content_Type": "application/json", "Expect": "100-continue"}
        for sent in (len(body), 9):
            async with wire_to(server) as wire:
                await wire.send(head("POST", "/v1/frames", Content_Length=len(body), **kind))
                await wire.reader.readuntil(b"100 Continue\r\n\r\n")
                await wire.send(body[:sent])
                if sent == len(body):
                    await wire.reader.readexactly(1 << 20)
                wire.writer.transport.abort()
        await until(lambda: _gone(server) == 2)
    assert not caplog.records


def _gone(server: Server) -> int:
    """Requests that count as left by their clients."""
    lines = server.services.metrics.text(()).decode().splitlines()
    return sum(int(float(line.split()[-1])) for line in lines if 'status="gone"' in line)


async def _twelve(server: Server) -> dict[str, object]:
    return await server.client.frames_body(0, 12)
