"""The servers of a render: their state, failures and backoff."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence

from musetalk_fast import errors
from musetalk_fast.client.backoff import backoff_secs
from musetalk_fast.client.negotiate import NegotiatedServer
from musetalk_fast.client.server_link import ServerLink
from musetalk_fast.types import EngineIdentity

_POLL_INTERVAL_SECS = 0.25
"""How often a saturated server is checked for streams that have ended."""

_PERMANENT = (
    errors.NotAuthorisedError,
    errors.JobCancelledError,
    errors.FacesDifferError,
    errors.EngineDiffersError,
    errors.ServerLimitError,
    errors.InputError,
)
"""A retry would fail in the same way."""

_PERMANENT_IF_REPEATED = (errors.NotAServerError, errors.ServerRefusedError)
"""Likewise; but corruption in transit can look like it, so only if it is repeated."""

_DAMAGE = (errors.ChecksumError, errors.StreamCutError)
"""What a connection does to a stream. Another fault of it, met again in the same words, is the
server's own: its bytes arrive as they were sent."""

_TRANSIENT = (errors.ServerBusyError, errors.ServerFailedError, errors.ProtocolError)
"""A server that fails so at first may yet become ready."""

OnFailure = Callable[["Member", errors.MuseTalkError, float], None]
"""Called with a member, its failure, and the seconds until it is tried again."""


class Member:
    """A server as one render knows it.

    Args:
        name: how messages call it.
        link: its connection, which other renders may share.
        tries: consecutive failures after the first before it counts as lost; it is
            still tried now and then while other servers work.

    Attributes:
        error: its last failure.
        excluded: it is not used for this render any more.
        streams: of this render, running now.
    """

    def __init__(self, name: str, link: ServerLink, tries: int) -> None:
        self.name = name
        self.link = link
        self.error: errors.MuseTalkError | None = None
        self.excluded = False
        self.streams = 0
        self._tries = tries
        self._failures = self._corrupted = self._lagged = 0
        self._failed_at = self._resume_at = 0.0

    def again(self) -> Member:
        """The same server for another render: failures that concern this one do not count."""
        return Member(self.name, self.link, self._tries)

    async def server(self) -> NegotiatedServer:
        """As `ServerLink.server`."""
        return await self.link.server()

    @property
    def opened(self) -> NegotiatedServer | None:
        """The server, if it ever answered."""
        return self.link.opened

    @property
    def throughput(self) -> float | None:
        """Frames a second of its last streams, or None."""
        return self.link.throughput

    def stream_begins(self) -> None:
        """A stream of this render runs."""
        self.streams += 1
        self.link.streams += 1

    def stream_ended(self) -> None:
        """It runs no more."""
        self.streams -= 1
        self.link.streams -= 1

    @property
    def lost(self) -> bool:
        """Whether it is given up; never while a stream of it runs."""
        return not self.streams and (self.excluded or self._failures > self._tries)

    @property
    def backing_off(self) -> bool:
        """Whether it must not be used now."""
        return self.excluded or self._resume_at > asyncio.get_running_loop().time()

    @property
    def may_stream(self) -> bool:
        """Whether it serves another stream now, as far as it has said."""
        return not (self.backing_off or self.link.is_saturated or self.link.is_full)

    @property
    def available(self) -> bool:
        """Whether it may be used now, and its last request did not fail."""
        return not (self.backing_off or self.link.is_saturated or self._failures)

    def failed(self, error: errors.MuseTalkError, began: float) -> float:
        """Count a failure; streams that began before the last one fail for the same reason.

        Args:
            began: when the failed operation had begun, by the loop's clock.

        Returns:
            Seconds until it should be tried again; infinity for never.
        """
        now = asyncio.get_running_loop().time()
        is_new = began >= self._failed_at
        again = is_new and self._failures > 0 and self._is_definite(error)
        if isinstance(error, errors.ServerUnreachableError):
            self.link.lost_connection()
        self.error = error
        if isinstance(error, _PERMANENT) or again:
            self.excluded = True
            return math.inf
        asked = error.retry_after if isinstance(error, errors.ServerBusyError) else None
        if is_new:
            self._failures += 1
            self._failed_at = now
        return self._back_off(
            backoff_secs(self._failures, asked) if is_new or asked is not None else 0.0
        )

    def lagged(self, error: errors.MuseTalkError) -> float:
        """Count a stream much slower than the others'; not a failure: it may be all we have.

        Returns:
            Seconds until it should be tried again.
        """
        self.error = error
        self._lagged += 1
        return self._back_off(backoff_secs(self._lagged))

    def corrupted(self, error: errors.MuseTalkError) -> float:
        """Count a corrupt frame, detected only after its stream had ended well.

        Returns:
            Seconds until it should be tried again; infinity for never.
        """
        again = self._corrupted > 0 and self._is_definite(error)
        self.error = error
        self._corrupted += 1
        if again or self._corrupted > self._tries:
            self.excluded = True
            return math.inf
        return self._back_off(backoff_secs(self._corrupted))

    def saturated(self, secs: float) -> None:
        """It can serve no more streams for now, until one of ours ends."""
        self.link.saturated_until = asyncio.get_running_loop().time() + secs

    def succeeded(self) -> None:
        """A part was made of its frames: they were not corrupt."""
        self._corrupted = 0

    def worked(self, frames: int, secs: float) -> None:
        """Frames came, and their stream has ended."""
        self._failures = 0
        self.link.saturated_until = 0.0
        if frames and secs > 0:
            throughput, before = frames / secs, self.link.throughput
            self.link.throughput = throughput if before is None else (before + throughput) / 2

    def _is_definite(self, error: errors.MuseTalkError) -> bool:
        """Whether a failure repeats the last one so that another retry would fail too."""
        if type(self.error) is not type(error):
            return False
        if isinstance(error, errors.ProtocolError):
            return not isinstance(error, _DAMAGE) and str(error) == str(self.error)
        if isinstance(error, errors.NotAServerError):
            return self.opened is None  # what was one still is, whatever corrupts its responses
        return isinstance(error, _PERMANENT_IF_REPEATED)

    async def wait_backoff(self) -> None:
        """Return once its backoff is over."""
        while (secs := self._left()) > 0:  # noqa: ASYNC110 - others may make it longer, or shorter
            await asyncio.sleep(secs)

    def _left(self) -> float:
        """Seconds until it should be tried."""
        now = asyncio.get_running_loop().time()
        saturated = self.link.saturated_until - now if self.link.is_saturated else 0.0
        poll = min(_POLL_INTERVAL_SECS, saturated)
        return max(poll, self._resume_at - now)

    def _back_off(self, secs: float) -> float:
        """Back off for so long, or longer if it was to anyway; returns the seconds."""
        now = asyncio.get_running_loop().time()
        self._resume_at = max(self._resume_at, now + secs)
        return self._resume_at - now


class Pool:
    """All servers of a render."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = tuple(members)

    @property
    def engines(self) -> tuple[EngineIdentity, ...]:
        """Of the servers that have answered."""
        return tuple(member.link.engine for member in self.members if member.link.engine)

    def again(self) -> Pool:
        """The same servers for another render."""
        return Pool([member.again() for member in self.members])

    async def open(self, on_failure: OnFailure = lambda _member, _error, _secs: None) -> None:
        """Open every server; return once one has answered.

        Raises:
            errors.ServerError: none did; see `check`.
        """
        asked = {asyncio.ensure_future(self._ask(each, on_failure)) for each in self.members}
        try:
            while asked:
                done, asked = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
                if any(each.result() for each in done):
                    return
            raise self._lost()
        finally:
            for each in asked:
                each.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    def check(self) -> None:
        """Raise if no server is left: the only one's error, or all of them by name."""
        if all(member.lost for member in self.members):
            raise self._lost()

    def best_throughput(self, but: Member) -> float | None:
        """Frames a second of the fastest other server that is available."""
        throughputs = [
            member.throughput
            for member in self.members
            if member is not but and member.throughput is not None and member.available
        ]
        return max(throughputs, default=None)

    async def _ask(self, member: Member, on_failure: OnFailure) -> bool:
        """Open it; retried once if the response was lost, longer if it may become ready."""
        first = True
        while True:
            await member.wait_backoff()
            try:
                await member.server()
            except errors.ServerError as error:
                secs = member.failed(error, math.inf)
                if member.lost or not (first or isinstance(error, _TRANSIENT)):
                    return False
                on_failure(member, error, secs)
            else:
                return True
            first = False

    def _lost(self) -> errors.MuseTalkError:
        failures = [member.error for member in self.members if member.error is not None]
        if len(failures) == 1:
            return failures[0]
        messages = "; ".join(str(error) for error in failures)
        kind = type(failures[0])
        alike = all(type(error) is kind for error in failures)
        # An error that all of them share may have an exit code of its own.
        if alike and kind.exit_code != errors.ServersLostError.exit_code:
            return kind(f"no server is left: {messages}")
        return errors.ServersLostError(f"no server is left: {messages}")
