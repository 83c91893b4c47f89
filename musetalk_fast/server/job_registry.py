"""Registry of streams and preparations at work: who asked for them, and their cancellation."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.users import User
from musetalk_fast.wire.job_state import JobKind, JobStage, JobState
from musetalk_fast.wire.messages import Progress


class Job:
    """One request at work. Made by `Jobs.open`.

    Attributes:
        avatar, audio: SHA-256 of its assets, as far as they are known.
        is_cancelled: somebody has asked for its end.
    """

    def __init__(self, kind: JobKind, user: User, avatar: str | None, audio: str | None) -> None:
        self.id = secrets.token_hex(8)
        self.user = user.name
        self.avatar = avatar
        self.audio = audio
        self.is_cancelled = False
        self._kind = kind
        self._stage = JobStage.PREPARING
        self._done = self._total = 0
        self._made: Callable[[], int] = lambda: self._done
        self._since = time.monotonic()
        self._task = asyncio.current_task()

    def prepares(self, progress: Progress | None) -> Progress | None:
        """Note how far the preparation of the avatar is; returns the same."""
        if progress is not None:
            self._done, self._total = progress.done, progress.total
        return progress

    def streams(self, total: int, made: Callable[[], int] | None = None) -> None:
        """From now on so many messages are sent.

        Args:
            made: how many were made; None: each as it is sent.
        """
        self._stage, self._done, self._total = JobStage.STREAMING, 0, total
        self._made = made or self._made

    def sent(self, count: int) -> None:
        """So many more were taken by the client."""
        self._done += count

    @property
    def made(self) -> int:
        """How many messages of its stream were made."""
        return self._made() if self._stage is JobStage.STREAMING else 0

    @property
    def state(self) -> JobState:
        """What `GET /v1/jobs` says of it."""
        made = max(self._done, self.made)
        return JobState(
            id=self.id,
            kind=self._kind,
            user=self.user,
            avatar=self.avatar,
            audio=self.audio,
            stage=self._stage,
            done=self._done,
            total=self._total,
            unsent=made - self._done,
            waiting=self._total - made,
            running_secs=round(time.monotonic() - self._since, 3),
        )

    def cancel(self) -> None:
        """End it; its client gets a refusal that says so."""
        if not self.is_cancelled and self._task is not None:
            self.is_cancelled = True
            self._task.cancel()

    def take_cancellation(self) -> bool:
        """Whether a cancellation of its task was ours alone, which is then done with."""
        # As in asyncio.timeout: the client may have gone in the same moment.
        return self.is_cancelled and self._task is not None and self._task.uncancel() == 0


class Jobs:
    """The jobs of a server."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    @contextmanager
    def open(
        self, kind: JobKind, user: User, avatar: str | None = None, audio: str | None = None
    ) -> Iterator[Job]:
        """What the current task does while the context is open.

        Raises:
            RefusalError: 410, the job was cancelled.
        """
        job = Job(kind, user, avatar, audio)
        self._jobs[job.id] = job
        try:
            yield job
        except asyncio.CancelledError:
            if not job.take_cancellation():
                raise
            raise RefusalError(
                410,
                "MTF-JOB-CANCELLED",
                "this job was cancelled on the server",
                "ask the server's owner, or run it again if you cancelled it yourself",
            ) from None
        finally:
            del self._jobs[job.id]

    @property
    def all(self) -> list[Job]:
        """Every job, the oldest first."""
        return list(self._jobs.values())

    def seen_by(self, user: User) -> list[Job]:
        """The jobs that a user may see and cancel, the oldest first."""
        return [job for job in self._jobs.values() if user.is_admin or job.user == user.name]

    def cancel(self, job_id: str, user: User) -> None:
        """Cancel a job.

        Raises:
            RefusalError: 404, there is none that the user may see.
        """
        for job in self.seen_by(user):
            if job.id == job_id:
                job.cancel()
                return
        raise RefusalError(
            404, "MTF-JOB-UNKNOWN", "no such job", "GET /v1/jobs lists those that you may see"
        )
