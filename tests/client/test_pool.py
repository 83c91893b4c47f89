"""How often a server is tried, how long it backs off, and when it is given up."""

from __future__ import annotations

import asyncio
import math
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from musetalk_fast import errors
from musetalk_fast.client import backoff
from musetalk_fast.client.backoff import backoff_secs
from musetalk_fast.client.pool import Member, Pool
from musetalk_fast.client.server_link import ServerLink

if TYPE_CHECKING:
    from musetalk_fast.client.negotiate import NegotiatedServer

LOST = errors.ServerUnreachableError("no connection", where="a")
REFUSED = errors.ServerRefusedError("what you sent", where="a")
FOREIGN = errors.NotAServerError("not HTTP", where="a")


class Script:
    """Connects as scripted: an error is raised, None means that it opens."""

    def __init__(self, *answers: errors.MuseTalkError | None) -> None:
        self.answers = list(answers)
        self.times: list[float] = []
        self.builtin = False

    async def __call__(self) -> NegotiatedServer:
        self.times.append(asyncio.get_running_loop().time())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is not None:
            raise answer
        return SimpleNamespace(builtin=self.builtin)  # type: ignore[return-value]


def _member(*answers: errors.MuseTalkError | None, tries: int = 3, name: str = "a") -> Member:
    return Member(name, ServerLink(Script(*answers)), tries)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "_INITIAL_SECS", 0.01)


def test_pauses_double_with_jitter_up_to_a_limit() -> None:
    for failures in range(1, 40):
        longest = min(30.0, 0.5 * 2 ** (failures - 1))
        secs = [backoff_secs(failures) for _ in range(50)]
        assert all(longest / 2 <= each <= longest for each in secs)
        assert len(set(secs)) > 1


def test_retry_after_makes_a_pause_longer_within_reason() -> None:
    assert backoff_secs(1, 2.5) == 2.5
    assert backoff_secs(7, 60.0) == 60.0
    assert backoff_secs(1, 1e12) == backoff.MAX_RETRY_AFTER_SECS


@pytest.mark.parametrize("asked", [0.0, 1e-9, 0.1])
def test_retry_after_makes_no_pause_shorter(asked: float) -> None:
    for failures in range(1, 40):
        assert backoff_secs(failures, asked) >= min(30.0, 0.5 * 2 ** (failures - 1)) / 2


async def test_a_server_that_asks_for_no_pause_gets_one() -> None:
    """It is tried as long as others work, lost or not."""
    member = _member(None, tries=0)
    waited, attempts = 0.0, 0
    while waited < 60 and attempts < 1000:
        waited += member.failed(errors.ServerBusyError("later", retry_after=0.0), math.inf)
        attempts += 1
    assert attempts < 12


async def test_failures_in_a_row_make_a_server_lost() -> None:
    member = _member(None)
    for _ in range(3):
        member.failed(LOST, math.inf)
        assert not member.lost
    member.failed(LOST, math.inf)
    assert member.lost
    assert not member.excluded, "it is still tried now and then"


async def test_frames_begin_the_row_anew() -> None:
    member = _member(None)
    for _ in range(20):
        member.failed(LOST, math.inf)
        member.worked(1, 0.1)
    assert not member.lost


async def test_streams_that_fail_together_fail_once() -> None:
    member = _member(None)
    began = asyncio.get_running_loop().time()
    for _ in range(10):
        member.failed(LOST, began)
    assert not member.lost


@pytest.mark.parametrize(
    "error",
    [
        errors.NotAuthorisedError("no"),
        errors.FacesDifferError("no"),
        errors.JobCancelledError("no"),
        errors.EngineDiffersError("no"),
        errors.NoFaceError("no"),
        errors.ServerLimitError("no"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_some_verdicts_are_final(error: errors.MuseTalkError) -> None:
    member = _member(None)
    assert member.failed(error, math.inf) == math.inf
    assert member.excluded
    again = member.again()
    assert not again.excluded, "it may not concern another render"
    assert again.link is member.link


@pytest.mark.parametrize("error", [REFUSED, FOREIGN], ids=lambda error: type(error).__name__)
async def test_others_must_be_said_twice(error: errors.MuseTalkError) -> None:
    """Damage on the way can look like them."""
    member = _member(None)
    assert member.failed(error, math.inf) < math.inf
    member.failed(LOST, math.inf)
    assert member.failed(error, math.inf) < math.inf
    assert member.failed(error, math.inf) == math.inf
    assert member.excluded


async def test_what_was_a_server_is_one() -> None:
    member = _member(None)
    await member.server()
    for _ in range(3):
        assert member.failed(FOREIGN, math.inf) < math.inf
    assert not member.excluded


@pytest.mark.usefixtures("quick")
async def test_corrupt_frames_are_counted_until_a_part_is_complete() -> None:
    member = _member(None)
    corrupt = [errors.FrameShapeError(f"frame {number}") for number in range(4)]
    for each in corrupt[:3]:
        assert member.corrupted(each) < math.inf
        member.worked(25, 1.0)  # its streams end well
    member.succeeded()
    for each in corrupt[:3]:
        assert member.corrupted(each) < math.inf
    assert member.corrupted(corrupt[3]) == math.inf
    assert member.excluded


@pytest.mark.parametrize("corrupt", [False, True])
async def test_a_fault_in_the_same_words_is_the_servers_own(corrupt: bool) -> None:
    """Its checksum says that the bytes came as they were sent; damage never looks the same."""
    member = _member(None)

    def failed(error: errors.MuseTalkError) -> float:
        return member.corrupted(error) if corrupt else member.failed(error, math.inf)

    assert failed(errors.FrameShapeError("frame 7 is no PNG")) < math.inf
    assert failed(errors.FrameShapeError("frame 8 is no PNG")) < math.inf
    assert failed(errors.MessageSizeError("frame 8 is no PNG")) < math.inf
    assert not member.excluded
    assert failed(errors.MessageSizeError("frame 8 is no PNG")) == math.inf
    assert member.excluded


async def test_damage_is_never_the_servers_last_word() -> None:
    member = _member(None, tries=5)
    for kind in (errors.ChecksumError, errors.StreamCutError):
        for _ in range(3):
            assert member.failed(kind("of a message"), math.inf) < math.inf
    assert not member.excluded


@pytest.mark.usefixtures("quick")
async def test_it_backs_off_as_long_as_retry_after_says() -> None:
    member = _member(None)
    loop = asyncio.get_running_loop()
    began = loop.time()
    busy = errors.ServerBusyError("later", retry_after=0.2)
    assert member.failed(busy, math.inf) == pytest.approx(0.2)
    await member.wait_backoff()
    assert loop.time() - began >= 0.19


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("answers", "asked"),
    [
        ((LOST, None), 2),
        ((FOREIGN, None), 2),
        ((errors.ServerBusyError("loading"), errors.ServerFailedError("502"), None), 3),
        ((errors.StreamCutError("cut"),) * 3 + (None,), 4),
    ],
)
async def test_opening_survives(answers: tuple[errors.MuseTalkError | None], asked: int) -> None:
    member = _member(*answers)
    reported: list[str] = []
    await Pool([member]).open(lambda _member, error, _secs: reported.append(error.token))
    assert reported == [error.token for error in answers if error is not None]
    assert len(member.link._connect.times) == asked  # type: ignore[attr-defined]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("error", "asked"),
    [(LOST, 2), (FOREIGN, 2), (errors.NotAuthorisedError("key"), 1),
     (errors.ServerBusyError("full"), 4)],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
async def test_opening_gives_up(error: errors.MuseTalkError, asked: int) -> None:
    member = _member(error)
    with pytest.raises(type(error)) as caught:
        await Pool([member]).open()
    assert caught.value is error
    assert len(member.link._connect.times) == asked  # type: ignore[attr-defined]


@pytest.mark.usefixtures("quick")
async def test_one_that_opens_is_enough() -> None:
    members = [_member(LOST), _member(None, name="b")]
    await Pool(members).open()
    assert members[1].opened is not None
    assert members[0].opened is None


@pytest.mark.usefixtures("quick")
async def test_each_one_lost_is_named() -> None:
    there = errors.ServerUnreachableError("no connection", where="http://b")
    members = [_member(LOST), _member(there, name="b")]
    with pytest.raises(errors.ServersLostError) as caught:
        await Pool(members).open()
    assert "a: no connection" in str(caught.value)
    assert "http://b: no connection" in str(caught.value)
    assert caught.value.exit_code == 69


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.ServerBusyError, 75),
        (errors.NotAuthorisedError, 77),
        (errors.NoFaceError, 65),
        (errors.ChecksumError, 69),
    ],
)
async def test_what_all_say_keeps_its_exit_code(
    kind: type[errors.MuseTalkError], code: int
) -> None:
    members = [_member(None, tries=0), _member(None, tries=0, name="b")]
    for member in members:
        member.failed(kind("so", where=member.name), math.inf)
    with pytest.raises(errors.MuseTalkError) as caught:
        Pool(members).check()
    assert caught.value.exit_code == code
    assert "a: so" in str(caught.value)
    assert "b: so" in str(caught.value)


async def test_the_best_pace_is_another_ones() -> None:
    slow, fast = _member(None), _member(None, name="b")
    pool = Pool([slow, fast])
    assert pool.best_throughput(slow) is None
    slow.worked(10, 1.0)
    fast.worked(100, 1.0)
    assert pool.best_throughput(slow) == 100
    assert pool.best_throughput(fast) == 10
    for _ in range(4):
        fast.failed(LOST, math.inf)
    assert pool.best_throughput(slow) is None, "one that is lost is no measure"


async def _slow_and_fast() -> tuple[Member, Member, Pool]:
    slow, fast = _member(None), _member(None, name="b")
    slow.worked(1, 1.0)
    fast.worked(100, 1.0)
    return slow, fast, Pool([slow, fast])


async def test_a_server_that_backs_off_is_no_measure() -> None:
    """Else a slow server that alone is left backs off again and again, and no frame is made."""
    slow, fast, pool = await _slow_and_fast()
    fast.lagged(errors.ServerSlowError("1 frame a second"))
    assert pool.best_throughput(slow) is None


@pytest.mark.usefixtures("quick")
async def test_a_server_that_failed_is_no_measure_until_it_works() -> None:
    """Each time its backoff ends it may be asked, and is as dead as before."""
    slow, fast, pool = await _slow_and_fast()
    fast.failed(LOST, math.inf)
    await fast.wait_backoff()
    assert pool.best_throughput(slow) is None
    fast.worked(100, 1.0)
    assert pool.best_throughput(slow) == 100


async def test_a_server_that_is_full_is_no_measure() -> None:
    slow, fast, pool = await _slow_and_fast()
    fast.stream_begins()
    fast.saturated(20.0)
    assert pool.best_throughput(slow) is None


async def test_a_child_of_ours_that_died_is_replaced() -> None:
    script = Script(None)
    script.builtin = True
    member = Member("builtin", ServerLink(script), 3)
    first = await member.server()
    member.failed(errors.StreamCutError("cut"), math.inf)
    assert await member.server() is first
    member.failed(LOST, math.inf)
    assert member.opened is first, "who still uses it finds out for himself"
    second = await member.server()
    assert second is not first
    assert await member.server() is second


async def test_who_still_sends_is_not_lost() -> None:
    member = _member(None, tries=0)
    member.streams = 1
    member.failed(errors.NotAuthorisedError("no"), math.inf)
    assert member.excluded
    Pool([member]).check()
    member.streams = 0
    with pytest.raises(errors.NotAuthorisedError):
        Pool([member]).check()


async def test_a_server_that_lags_backs_off_longer_each_time_but_is_not_lost() -> None:
    member = _member(None, tries=0)
    slow = errors.ServerSlowError("1 frame a second")
    secs = [member.lagged(slow) for _ in range(6)]
    assert secs[0] <= 0.5
    assert secs[-1] >= 8.0
    assert not member.lost


async def test_the_longest_backoff_counts() -> None:
    """Of two streams the second to fail may have a Retry-After; other failures shorten nothing."""
    member = _member(None)
    began = asyncio.get_running_loop().time()
    member.failed(LOST, began)
    busy = errors.ServerBusyError("later", retry_after=20.0)
    assert member.failed(busy, began) == pytest.approx(20.0, abs=5.0)
    assert member.failed(LOST, math.inf) > 15.0
    assert member.lagged(errors.ServerSlowError("1 frame a second")) > 15.0
    assert member.corrupted(errors.FrameShapeError("frame 7")) > 15.0
    assert member.backing_off


async def test_what_streams_say_together_is_said_once() -> None:
    """A proxy that stumbles refuses all of them at a moment."""
    member = _member(None)
    began = asyncio.get_running_loop().time()
    for _ in range(8):
        assert member.failed(REFUSED, began) < math.inf
    assert member.failed(REFUSED, math.inf) == math.inf


async def test_it_is_full_as_long_as_it_says_or_until_a_stream_has_ended() -> None:
    member = _member(None)
    member.saturated(20.0)
    assert not member.link.is_saturated, "nothing of ours runs there"
    member.again().stream_begins()  # of another render
    assert member.link.is_saturated
    waiting = asyncio.ensure_future(member.wait_backoff())
    await asyncio.sleep(0.02)
    assert not waiting.done()
    member.worked(25, 1.0)
    assert not member.link.is_saturated
    await asyncio.wait_for(waiting, 60)
