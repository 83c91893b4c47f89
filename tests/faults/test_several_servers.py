"""Servers that die, freeze, differ, slow down or lie, alone and beside others."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import injectors
import pytest
import trustme
from injectors import ASSETS, AVATARS, FRAMES
from proxy import Act, Proxy, proxied
from server_process import until
from workload import (
    DEADLINE_SECS,
    EventRecorder,
    Right,
    Server,
    Workload,
    parts_of,
    pictures,
    served,
)

from musetalk_fast import Renderer, errors
from musetalk_fast.client import backoff
from musetalk_fast.rendering import worker
from musetalk_fast.server.tls import server_context
from musetalk_fast.types import CropEncoding

NOWHERE = "http://nosuch.invalid:8000"


def _closed_port(proxy: Proxy) -> str:
    """An address where connections are refused."""
    proxy.close()
    return proxy.url


async def test_refused_alone(workload: Workload, proxy: Proxy, tmp_path: Path) -> None:
    with pytest.raises(errors.ServerUnreachableError, match="refused"):
        await workload.render(tmp_path / "out.mp4", _closed_port(proxy))
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - asyncio's rule forbids the other


async def test_no_such_host_alone(workload: Workload, tmp_path: Path) -> None:
    with pytest.raises(errors.ServerUnreachableError) as caught:
        await workload.render(tmp_path / "out.mp4", NOWHERE)
    assert caught.value.exit_code == 69
    assert "nosuch.invalid" in str(caught.value)


@pytest.fixture
def independent_client(server: Server, tmp_path: Path) -> Proxy:
    """Speaks https with a certificate of an unknown authority."""
    issued = trustme.CA().issue_cert("127.0.0.1")
    pem = tmp_path / "unknown.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(pem)
    with proxied(server.address, server_context(pem, None, None)) as proxy:
        yield proxy


async def test_tls_that_fails_alone(
    workload: Workload, independent_client: Proxy, tmp_path: Path
) -> None:
    with pytest.raises(errors.TlsError):
        await workload.render(tmp_path / "out.mp4", independent_client.url)


@pytest.mark.usefixtures("quick")
async def test_one_good_server_among_the_absent(
    workload: Workload,
    two: tuple[Proxy, Proxy],
    independent_client: Proxy,
    right: Right,
    tmp_path: Path,
) -> None:
    absent = [_closed_port(two[1]), NOWHERE, independent_client.url]
    output = tmp_path / "out.mp4"
    recorder = EventRecorder()
    # As long as it takes for each to be tried.
    two[0].inject(FRAMES, injectors.slowed(0.02), times=4)
    await workload.render(
        output, absent[0], two[0].url, *absent[1:], recorder=recorder, timeout_secs=3.0
    )
    assert pictures(output) == await right(workload)


@pytest.mark.usefixtures("quick")
async def test_all_are_lost(
    workload: Workload, two: tuple[Proxy, Proxy], right: Right, tmp_path: Path
) -> None:
    output = tmp_path / "out.mp4"
    for each in two:
        each.inject(FRAMES, injectors.Fault("nothing"))
        each.inject(FRAMES, injectors.cut(10, 0, Act.HUSH), times=100)

    def lose(_event: object) -> None:
        for each in two:
            each.close()

    urls = [each.url for each in two]
    with pytest.raises(errors.ServersLostError) as caught:
        await workload.render(output, *urls, recorder=EventRecorder(on_part=lose))
    assert caught.value.exit_code == 69
    assert all(url in str(caught.value) for url in urls)
    kept = parts_of(output)
    assert kept
    assert not output.exists()
    for each in two:
        each.open()
        each.asked.clear()
        each.heal()
    recorder = await workload.render(output, *urls)
    assert recorder.segments(reused=True) == [int(name[:8]) for name in sorted(kept)]
    asked = {frame for each in two for frames in each.frames_asked() for frame in frames}
    assert asked.isdisjoint(_frames(kept))
    assert pictures(output) == await right(workload)


def _frames(parts: dict[str, int]) -> set[int]:
    return {frame for name in parts for frame in range(25 * int(name[:8]), 25 * int(name[:8]) + 25)}


@pytest.mark.long
@pytest.mark.usefixtures("quick")
async def test_killed_and_started_again(
    workload: Workload, right: Right, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "_MAX_SECS", 1.0)  # a server takes its time to start
    chance = random.Random(4)
    with served(crop_secs=0.02) as (server,), proxied(server.address) as proxy:
        output = tmp_path / "out.mp4"
        kills = 0
        # No stream ends before the last kill: each comes upon some.
        proxy.inject(FRAMES, injectors.held(lambda: kills == 3, at=6), times=1000)
        render = asyncio.ensure_future(
            workload.render(output, proxy.url, max_retries=100, timeout_secs=1.5)
        )
        for _ in range(3):
            before = len(proxy.frames_asked())
            await until(
                lambda asked=before: len(proxy.frames_asked()) > asked or render.done(),
                DEADLINE_SECS,
            )
            await asyncio.sleep(chance.uniform(0.0, 0.2))
            await asyncio.to_thread(server.kill)
            proxy.upstream = await asyncio.to_thread(server.start)
            kills += 1
        await render
        assert pictures(output) == await right(workload)
        # Its store was empty: the assets were sent again.
        assert [asked.method for asked in proxy.asked].count("PUT") >= 4


@pytest.mark.usefixtures("quick")
async def test_frozen(workload: Workload, right: Right, tmp_path: Path) -> None:
    with served(crop_secs=0.02) as (server,):
        output = tmp_path / "out.mp4"
        recorder = EventRecorder()
        render = asyncio.ensure_future(
            workload.render(
                output, server.address, recorder=recorder, timeout_secs=1.0, max_retries=100
            )
        )
        await until(lambda: recorder.received > 0, DEADLINE_SECS)
        server.freeze()
        try:
            await until(lambda: any("silent" in text for text in recorder.warnings), DEADLINE_SECS)
        finally:
            server.thaw()
        await render
    assert pictures(output) == await right(workload)


@pytest.mark.usefixtures("quick")
async def test_one_of_two_frozen_for_good(
    workload: Workload, server: Server, right: Right, tmp_path: Path
) -> None:
    with served(crop_secs=0.02) as (frozen,):
        output = tmp_path / "out.mp4"
        recorder = EventRecorder(on_part=lambda _event: frozen.freeze())
        await workload.render(
            output, frozen.address, server.address, recorder=recorder, timeout_secs=1.0
        )
        frozen.thaw()
    assert pictures(output) == await right(workload)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("kind", ["wrong checksum", "undecodable"])
async def test_one_of_three_sends_corrupt_frames(
    kind: str,
    workload: Workload,
    two: tuple[Proxy, Proxy],
    server: Server,
    right: Right,
    tmp_path: Path,
) -> None:
    encoding = CropEncoding.JPEG if kind == "undecodable" else CropEncoding.RAW
    with proxied(server.address) as corrupting:
        fault = injectors.undecodable(-1) if kind == "undecodable" else injectors.flip(1, 0.5)
        corrupting.inject(FRAMES, fault, times=10_000)
        for each in two:
            each.inject(FRAMES, injectors.slowed(0.01), times=4)
        output = tmp_path / "out.mp4"
        urls = [corrupting.url, *(each.url for each in two)]
        recorder = await workload.render(output, *urls, encoding=encoding)
        assert corrupting.struck()
        assert any(corrupting.url in warning for warning in recorder.warnings)
        assert not any(each.url in warning for warning in recorder.warnings for each in two)
    assert pictures(output) == await right(workload, encoding)


@pytest.mark.usefixtures("quick")
async def test_a_single_corrupting_server_is_named(
    workload: Workload, proxy: Proxy, tmp_path: Path
) -> None:
    proxy.inject(FRAMES, injectors.undecodable(-1), times=10_000)
    with pytest.raises(errors.FrameShapeError) as caught:
        await workload.render(tmp_path / "out.mp4", proxy.url, encoding=CropEncoding.JPEG)
    assert proxy.url in str(caught.value)


@pytest.mark.long
@pytest.mark.usefixtures("quick")
async def test_servers_that_differ_are_named_and_left_out(
    workload: Workload, right: Right, tmp_path: Path
) -> None:
    with (
        served() as (first,),
        served(model="2") as (other_model,),
        served(shift=4) as (other_faces,),
        proxied(first.address) as proxy,
        proxied(other_model.address) as model_proxy,
        proxied(other_faces.address) as faces_proxy,
    ):
        odd = (model_proxy, faces_proxy)
        recorder = EventRecorder()
        # The first one establishes the manifest, and has frames left when the others are checked.
        proxy.inject(FRAMES, injectors.held(lambda: len(recorder.warnings) >= len(odd)), times=100)
        for each in odd:
            each.inject(AVATARS, injectors.held(lambda: bool(proxy.frames_asked())))
        output = tmp_path / "out.mp4"
        await workload.render(output, proxy.url, *(each.url for each in odd), recorder=recorder)
        assert not any(each.frames_asked() for each in odd)
    assert pictures(output) == await right(workload)
    (of_model,) = [text for text in recorder.warnings if model_proxy.url in text]
    (of_faces,) = [text for text in recorder.warnings if faces_proxy.url in text]
    assert "pattern 2" in of_model
    assert "faces" in of_faces
    assert all(text.endswith("excluded") for text in (of_model, of_faces))


async def test_a_server_that_slows_to_a_crawl_is_left(
    workload: Workload, two: tuple[Proxy, Proxy], right: Right, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(worker, "_GRACE_SECS", 0.5)
    monkeypatch.setattr(worker, "_POLL_INTERVAL_SECS", 0.1)
    slow, good = two
    slow.inject(FRAMES, injectors.slowed(2.0, after=3), times=100)
    good.inject(FRAMES, injectors.slowed(0.02), times=100)
    output = tmp_path / "out.mp4"
    recorder = await workload.render(output, slow.url, good.url)
    assert pictures(output) == await right(workload)
    assert any(
        slow.url in warning and "frames a second" in warning for warning in recorder.warnings
    )


async def test_a_slow_server_that_alone_is_left_is_not_paused(
    workload: Workload, two: tuple[Proxy, Proxy], right: Right, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The throughput of a server that fails is no measure for the one that works."""
    # Long after the one good stream, and before the end of a slow one.
    monkeypatch.setattr(worker, "_GRACE_SECS", 0.8)
    monkeypatch.setattr(worker, "_POLL_INTERVAL_SECS", 0.02)
    monkeypatch.setattr(worker, "_SLOW_FACTOR", 1.0)
    slow, good = two
    good.inject(FRAMES, injectors.slowed(0.001), times=1)
    good.inject(FRAMES, injectors.cut(0), times=1000)
    slow.inject(FRAMES, injectors.slowed(0.04), times=100)
    output = tmp_path / "out.mp4"
    recorder = await workload.render(output, slow.url, good.url)
    assert pictures(output) == await right(workload)
    assert any(good.url in warning for warning in recorder.warnings)
    assert not any("frames a second" in warning for warning in recorder.warnings)


async def test_the_last_segments_are_overtaken(
    workload: Workload, two: tuple[Proxy, Proxy], right: Right, tmp_path: Path
) -> None:
    slow, good = two
    slow.inject(FRAMES, injectors.slowed(0.5, after=3), times=100)
    output = tmp_path / "out.mp4"
    recorder = await workload.render(output, slow.url, good.url)
    assert pictures(output) == await right(workload)
    assert recorder.warnings == []
    # Alone the slow one would have taken 12 s for its segment.
    (lagged,) = slow.frames_asked()[:1]
    overtaking = [each for each in good.frames_asked() if each.stop == lagged.stop]
    assert overtaking
    assert overtaking[0].start > lagged.start, "frames that had come were asked for again"


async def test_each_server_is_given_what_it_lacks_once(
    workload: Workload, right: Right, tmp_path: Path
) -> None:
    with served(2, crop_secs=0.01) as servers, ExitStack() as stack:
        proxies = [stack.enter_context(proxied(each.address)) for each in servers]
        urls = [each.url for each in proxies]
        for number in range(2):
            output = tmp_path / f"{number}.mp4"
            await workload.render(output, *urls)
            assert pictures(output) == await right(workload)
        for each in proxies:
            methods = Counter(asked.method for asked in each.asked if ASSETS in asked.path)
            assert methods == {"HEAD": 4, "PUT": 2}
            assert [asked.path for asked in each.asked].count(AVATARS) == 2
            assert each.frames_asked()


@pytest.mark.usefixtures("quick")
async def test_the_next_render_asks_again_who_was_left_out(
    workload: Workload, proxy: Proxy, right: Right, tmp_path: Path
) -> None:
    proxy.inject(AVATARS, injectors.refuse(422), times=2)
    async with Renderer(workload.settings(proxy.url)) as renderer:
        with pytest.raises(errors.ServerRefusedError):
            await renderer.render(workload.avatar, workload.audio, tmp_path / "one.mp4")
        async with asyncio.timeout(DEADLINE_SECS):
            await renderer.render(workload.avatar, workload.audio, tmp_path / "two.mp4")
    assert pictures(tmp_path / "two.mp4") == await right(workload)


async def test_a_server_with_fewer_streams_than_we_would_use(
    workload: Workload, right: Right, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others use it, too: 429 beside a stream that goes on is no failure of server or segment."""
    monkeypatch.setattr(worker, "_POLL_INTERVAL_SECS", 0.05)  # all come while that one goes on
    with served(crop_secs=0.05) as (server,), proxied(server.address) as proxy:
        proxy.inject(FRAMES, injectors.Fault("nothing"))
        proxy.inject(FRAMES, injectors.refuse(429, 0.05), times=5)
        output = tmp_path / "out.mp4"
        recorder = await workload.render(output, proxy.url, max_retries=1)
    assert pictures(output) == await right(workload)
    assert recorder.warnings == []
