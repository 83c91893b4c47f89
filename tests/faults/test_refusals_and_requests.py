"""Refusals in storms, damaged documents and damaged requests."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import injectors
import pytest
from injectors import ASSETS, AVATARS, FRAMES, HEALTH, INFO
from proxy import Fault, Proxy
from workload import Right, Workload, parts_of, pictures

from musetalk_fast import errors
from musetalk_fast.wire.messages import Frame

NOTHING = Fault("nothing")


def _shifted(frame: Frame) -> list[Frame]:
    return [replace(frame, index=frame.index + 1)]


async def _survives(
    workload: Workload, proxy: Proxy, right: list[str], folder: Path, **members: object
) -> list[str]:
    output = folder / "out.mp4"
    recorder = await workload.render(output, proxy.url, max_retries=10, **members)
    assert pictures(output) == right
    assert proxy.heal() == 0, "a fault has not struck"
    return recorder.warnings


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("status", [500, 502, 503, 429])
async def test_a_storm(
    status: int, workload: Workload, proxy: Proxy, right: Right, tmp_path: Path
) -> None:
    for path in (HEALTH, INFO, ASSETS, AVATARS, FRAMES):
        proxy.inject(path, injectors.refuse(status), times=3)
    warnings = await _survives(workload, proxy, await right(workload), tmp_path)
    assert any(proxy.url in each and str(status) in each for each in warnings)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("fault", "paths"),
    [
        (injectors.HEAD_IN_DROPS, (INFO, ASSETS, AVATARS, FRAMES)),
        (injectors.REFUSAL_IN_DROPS, (HEALTH, AVATARS, FRAMES)),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
async def test_a_server_that_is_never_silent_but_says_nothing(
    fault: Fault,
    paths: tuple[str, ...],
    short: Workload,
    proxy: Proxy,
    right: Right,
    tmp_path: Path,
) -> None:
    for path in paths:
        proxy.inject(path, fault)
    await _survives(short, proxy, await right(short), tmp_path, timeout_secs=0.7)


@pytest.mark.parametrize("status", [503, 429])
@pytest.mark.parametrize("path", [HEALTH, AVATARS, FRAMES])
async def test_retry_after_is_obeyed(
    path: str, status: int, short: Workload, proxy: Proxy, right: Right, tmp_path: Path
) -> None:
    proxy.inject(path, injectors.refuse(status, retry_after=0.6), times=2)
    await _survives(short, proxy, await right(short), tmp_path)
    refused = [asked.at for asked in proxy.asked if asked.path == path][:3]
    assert all(later - earlier >= 0.6 for earlier, later in pairwise(refused))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "fault",
    [
        injectors.NOT_HTTP,
        injectors.DAMAGED_HEAD,
        injectors.HALF_A_HEAD,
        injectors.NOT_JSON,
        injectors.cut(0, 10),
        injectors.CORRUPTED_REQUEST,
    ],
    ids=lambda fault: fault.name,
)
async def test_damage_once(
    fault: Fault, short: Workload, proxy: Proxy, right: Right, tmp_path: Path
) -> None:
    with_body = (ASSETS, AVATARS, FRAMES)
    for path in with_body if fault.corrupt_request else (HEALTH, INFO, *with_body):
        proxy.inject(path, fault)
        await _survives(short, proxy, await right(short), tmp_path)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (injectors.refuse(500), errors.ServerFailedError),
        (injectors.refuse(503), errors.ServerBusyError),
        (injectors.refuse(422), errors.ServerRefusedError),
        (injectors.refuse(401), errors.NotAuthorisedError),
        (injectors.flip(1, 0.5), errors.ChecksumError),
        (injectors.rewritten("wrong index", _shifted, only=0), errors.FrameOrderError),
        (injectors.cut(1), errors.ServerUnreachableError),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else value.__name__,
)
async def test_what_never_ends_is_reported(
    fault: Fault,
    kind: type[errors.MuseTalkError],
    workload: Workload,
    proxy: Proxy,
    right: Right,
    tmp_path: Path,
) -> None:
    """And the parts that are there already stay, and are used by the next run."""
    output = tmp_path / "out.mp4"
    proxy.inject(FRAMES, NOTHING, times=2)
    proxy.inject(FRAMES, fault, times=10_000)
    with pytest.raises(errors.MuseTalkError) as caught:
        await workload.render(output, proxy.url)
    # A cut connection looks like either, depending on what was under way.
    assert isinstance(caught.value, kind | errors.StreamCutError)
    assert proxy.url in str(caught.value)
    kept = parts_of(output)
    assert len(kept) >= 2
    assert not output.exists()
    proxy.heal()
    again = await workload.render(output, proxy.url)
    assert again.segments(reused=True) == [int(name[:8]) for name in sorted(kept)]
    assert pictures(output) == await right(workload)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("path", [HEALTH, INFO])
async def test_flipped_bits_in_documents(
    path: str, short: Workload, proxy: Proxy, right: Right, tmp_path: Path
) -> None:
    """They carry no checksum: the video is right, or the error is one of ours."""
    chance = random.Random(path)
    ends: Counter[str] = Counter()
    for number in range(20):
        proxy.inject(path, injectors.flip(0, chance.random(), chance.randrange(8)), times=3)
        output = tmp_path / f"{number}.mp4"
        found: errors.MuseTalkError | None = None
        try:
            await short.render(output, proxy.url)
        except errors.ServerError as error:
            found = error
        if found is None:
            assert pictures(output) == await right(short)
        else:
            assert found.exit_code in (65, 69, 75)
            assert proxy.url in str(found)
        ends[found.token if found else "right"] += 1
        proxy.heal()
    print(path, dict(ends))
    assert ends["right"], "once no bit matters, or the server is asked again"
