"""Streams that are cut, damaged, in disorder or silent end in the same video."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import injectors
import pytest
from injectors import FRAMES
from proxy import HEADER_BYTES, Act, Fault, Proxy
from workload import EventRecorder, Right, Workload, pictures

from musetalk_fast.types import CropEncoding
from musetalk_fast.wire.media_types import STREAM_WIRES

pytestmark = pytest.mark.usefixtures("quick")

MESSAGES = 27
"""Of a segment of 25 frames: start, frames, end."""


@pytest.fixture(params=[wire.name for wire in STREAM_WIRES])
def wire(request: pytest.FixtureRequest) -> str:
    """The client asks for one wire or the other."""
    return str(request.param)


async def _survives(
    workload: Workload,
    proxy: Proxy,
    right: list[str],
    folder: Path,
    faults: list[Fault],
    **members: object,
) -> None:
    for fault in faults:
        proxy.inject(FRAMES, fault)
    output = folder / "out.mp4"
    await workload.render(output, proxy.url, **members)
    assert pictures(output) == right
    assert proxy.struck() == [fault.name for fault in faults]
    assert not output.with_name("out.mp4.parts").exists()


@pytest.mark.long
@pytest.mark.parametrize("act", [Act.CUT, Act.RESET], ids=["closed", "reset"])
async def test_the_end_of_a_connection_at_every_message(
    act: Act, wire: str, short: Workload, proxy: Proxy, right: Right, tmp_path: Path
) -> None:
    for number in range(MESSAGES):
        proxy.asked.clear()
        recorder = EventRecorder()
        due = max(0, number - 1)  # `start` stands before frame 0
        fault = injectors.cut(number, 0, act, _taken(recorder, due) if act is Act.CUT else _at_once)
        await _survives(
            short, proxy, await right(short), tmp_path, [fault], wire=wire, recorder=recorder
        )
        first, *again = proxy.frames_asked()
        assert first == range(25)
        # Only what has not come is asked for again.
        if act is Act.CUT:
            assert again == ([range(due, 25)] if due < 25 else [])
        else:  # the system drops what was not read yet
            assert all(each.start <= due and each.stop == 25 for each in again)


def _at_once() -> bool:
    return True


def _taken(recorder: EventRecorder, frames: int) -> Callable[[], bool]:
    """Whether the client has read so many frames: what it has not may go with the connection."""
    return lambda: recorder.received >= frames


@pytest.mark.long
async def test_a_reset_inside_every_message(
    wire: str, short: Workload, proxy: Proxy, right: Right, tmp_path: Path
) -> None:
    for number in range(MESSAGES):
        proxy.asked.clear()
        offset = (7, 33, 60)[number % 3]
        await _survives(
            short, proxy, await right(short), tmp_path, [injectors.cut(number, offset)], wire=wire
        )


async def test_truncated_with_correct_framing(
    wire: str, workload: Workload, proxy: Proxy, right: Right, tmp_path: Path
) -> None:
    places = [(0, 0), (1, 0), (1, 40), (9, 0), (9, 20), (26, 0), (26, 30)]
    faults = [injectors.cut(*place, Act.END) for place in places]
    await _survives(workload, proxy, await right(workload), tmp_path, faults, wire=wire)


async def test_flipped_bits(
    wire: str, workload: Workload, proxy: Proxy, right: Right, tmp_path: Path
) -> None:
    header = [injectors.flip_header(2, byte, byte % 8) for byte in range(HEADER_BYTES)]
    of_start = [injectors.flip(0, share, 2) for share in (0.2, 0.5, 0.8, 0.97)]
    payload = [injectors.flip(2, share, 5) for share in (0.1, 0.5, 0.9, 0.99999)]
    await _survives(
        workload,
        proxy,
        await right(workload),
        tmp_path,
        of_start + header + payload,
        max_retries=100,
        wire=wire,
    )


async def test_disorder(
    wire: str, workload: Workload, proxy: Proxy, right: Right, tmp_path: Path
) -> None:
    faults = [
        *(injectors.wrong_index(shift) for shift in (1, -1, 1000)),
        injectors.frame_twice(),
        injectors.frame_missing(),
        *(injectors.duplicated(number) for number in (0, 5, 26)),
        *(injectors.missing(number) for number in (0, 5, 25, 26)),
    ]
    await _survives(
        workload, proxy, await right(workload), tmp_path, faults, max_retries=20, wire=wire
    )


async def test_broken_framing(
    wire: str, workload: Workload, proxy: Proxy, right: Right, tmp_path: Path
) -> None:
    faults = [
        injectors.broken_framing(number, raw) for number in (0, 9) for raw in injectors.NO_CHUNKS
    ]
    await _survives(
        workload, proxy, await right(workload), tmp_path, faults, max_retries=20, wire=wire
    )


async def test_damaged_answers(
    workload: Workload, proxy: Proxy, right: Right, tmp_path: Path
) -> None:
    faults = [injectors.NOT_HTTP, injectors.DAMAGED_HEAD, injectors.HALF_A_HEAD, injectors.NOT_JSON]
    await _survives(workload, proxy, await right(workload), tmp_path, faults, max_retries=10)


async def test_a_crop_that_cannot_be_decoded(
    wire: str, workload: Workload, proxy: Proxy, right: Right, tmp_path: Path
) -> None:
    jpeg = CropEncoding.JPEG
    await _survives(
        workload,
        proxy,
        await right(workload, jpeg),
        tmp_path,
        [injectors.undecodable()],
        encoding=jpeg,
        wire=wire,
    )


@pytest.mark.parametrize("act", [Act.HUSH, Act.DRIP], ids=["silent", "a byte a second"])
async def test_silence(
    act: Act, wire: str, short: Workload, proxy: Proxy, right: Right, tmp_path: Path
) -> None:
    places = (0, 1, 9)
    faults = [injectors.cut(number, 0, act) for number in places]
    await _survives(short, proxy, await right(short), tmp_path, faults, timeout_secs=1.2, wire=wire)


async def test_accepted_and_silent(
    short: Workload, proxy: Proxy, right: Right, tmp_path: Path
) -> None:
    await _survives(
        short, proxy, await right(short), tmp_path, [injectors.SILENT] * 2, timeout_secs=1.0
    )


async def test_answers_that_begin_in_drops(
    short: Workload, proxy: Proxy, right: Right, tmp_path: Path
) -> None:
    faults = [injectors.HEAD_IN_DROPS, injectors.REFUSAL_IN_DROPS]
    await _survives(short, proxy, await right(short), tmp_path, faults, timeout_secs=0.7)
