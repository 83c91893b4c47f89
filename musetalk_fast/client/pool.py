"""The servers of a render: their state, failures and backoff."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence

from musetalk_fast import errors
from musetalk_fast.client.backoff import backoff_secs
from musetalk_fast.client.negotiate import NegotiatedServer
from musetalk_fast.types import EngineIdentity

_POLL_INTERVAL_SECS = 0.25
"""How often a saturated server is checked for streams that have ended."""

_PERMANENT = (
    errors.NotAuthorisedError,
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
    """One server of a pool.

    Args:
        name: how messages call it.
        connect: opens the connection and asks what the server can do.
        tries: consecutive failures after the first before it counts as lost; it is
            still tried now and then while other servers work.

    Attributes:
        error: its last failure.
        excluded: it is not used for this render any more.
        throughput: frames a second of its last streams, or None.
        streams: running now.
        announced: its `ServerEvent` was emitted.
    """

    def __init__(
        self, name: str, connect: Callable[[], Awaitable[NegotiatedServer]], tries: int
    ) -> None:
        self.name = name
        self.error: errors.MuseTalkError | None = None
        self.excluded = False
        self.throughput: float | None = None
        self.streams = 0
        self.announced = False
        self._connect = connect
        self._connecting = asyncio.Lock()
        self._server: NegotiatedServer | None = None
        self._died = False
        self._tries = tries
        self._failures = self._corrupted = self._lagged = 0
        self._failed_at = self._resume_at = self._saturated_until = 0.0

    async def server(self) -> NegotiatedServer:
        """The connected server; opened once, and again where a child of ours has died.

        Raises:
            errors.ServerError: it does not answer, or is no MuseTalk server.
        """
        async with self._connecting:
            if self._server is None or self._died:
                self._server = await self._connect()
                self._died = False
            return self._server

    @property
    def opened(self) -> NegotiatedServer | None:
        """The server, if it ever answered."""
        return self._server

    @property
    def lost(self) -> bool:
        """Whether it is given up; never while a stream of it runs."""
        return not self.streams and (self.excluded or self._failures > self._tries)

    @property
    def backing_off(self) -> bool:
        """Whether it must not be used now."""
        return self.excluded or self._resume_at > asyncio.get_running_loop().time()

    @property
    def is_saturated(self) -> bool:
        """Whether it said that it serves as many of our streams as it can."""
        return self.streams > 0 and self._saturated_until > asyncio.get_running_loop().time()

    @property
    def available(self) -> bool:
        """Whether it may be used now, and its last request did not fail."""
        return not (self.backing_off or self.is_saturated or self._failures)

    def reset(self) -> None:
        """A new render begins: what it was excluded for may not concern this one."""
        self.excluded = False
        self._failures = self._corrupted = self._lagged = 0
        self._resume_at = self._saturated_until = 0.0

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
        if self._server is not None and self._server.builtin:
            self._died = self._died or isinstance(error, errors.ServerUnreachableError)
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
        self._saturated_until = asyncio.get_running_loop().time() + secs

    def succeeded(self) -> None:
        """A part was made of its frames: they were not corrupt."""
        self._corrupted = 0

    def worked(self, frames: int, secs: float) -> None:
        """Frames came, and their stream has ended."""
        self._failures = 0
        self._saturated_until = 0.0
        if frames and secs > 0:
            throughput = frames / secs
            self.throughput = (
                throughput if self.throughput is None else (self.throughput + throughput) / 2
            )

    def _is_definite(self, error: errors.MuseTalkError) -> bool:
        """Whether a failure repeats the last one so that another retry would fail too."""
        if type(self.error) is not type(error):
            return False
        if isinstance(error, errors.ProtocolError):
            return not isinstance(error, _DAMAGE) and str(error) == str(self.error)
        if isinstance(error, errors.NotAServerError):
            return self._server is None  # what was one still is, whatever corrupts its responses
        return isinstance(error, _PERMANENT_IF_REPEATED)

    async def wait_backoff(self) -> None:
        """Return once its backoff is over."""
        while (secs := self._left()) > 0:  # noqa: ASYNC110 - others may make it longer, or shorter
            await asyncio.sleep(secs)

    def _left(self) -> float:
        """Seconds until it should be tried."""
        now = asyncio.get_running_loop().time()
        poll = min(_POLL_INTERVAL_SECS, self._saturated_until - now) if self.is_saturated else 0.0
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
        infos = [member.opened.info for member in self.members if member.opened is not None]
        return tuple(EngineIdentity(each.engine, each.model, each.is_preview) for each in infos)

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
