"""The state of requests at work, as JSON and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from musetalk_fast.errors import ProtocolError
from musetalk_fast.wire.json_object import MAX_INDEX, JsonObject

_MAX_JOBS = 4096
_MAX_SECS = 1e9
ID_DIGITS = 16
"""Hexadecimal digits of a job's id."""


class JobKind(StrEnum):
    """What was asked for: the last part of the path."""

    AVATARS = "avatars"
    FRAMES = "frames"
    INFER = "infer"


class JobStage(StrEnum):
    """What is done for it now."""

    PREPARING = "preparing"
    STREAMING = "streaming"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """One request at work.

    Attributes:
        id: 16 hexadecimal digits.
        kind: a `JobKind`; a newer server may have others.
        user: name of the key, or an address.
        avatar, audio: SHA-256 of the assets, where they are known.
        stage: a `JobStage`.
        done, total: source frames while preparing (total 0: not begun), then messages sent.
        unsent: made, and waiting for the client to take them.
        waiting: not made yet.
        running_secs: since it began.
    """

    id: str
    kind: str
    user: str
    avatar: str | None
    audio: str | None
    stage: str
    done: int
    total: int
    unsent: int
    waiting: int
    running_secs: float

    def to_json(self) -> dict[str, Any]:
        """The object."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, document: object) -> JobState:
        """Read the object.

        Raises:
            ProtocolError: a member is missing or out of bounds.
        """
        members = JsonObject(document, "a job")
        return cls(
            id=members.hexadecimal("id", ID_DIGITS),
            kind=members.text("kind"),
            user=members.text("user"),
            avatar=members.hexadecimal("avatar", 64) if members.has("avatar") else None,
            audio=members.hexadecimal("audio", 64) if members.has("audio") else None,
            stage=members.text("stage"),
            done=members.integer("done"),
            total=members.integer("total", 0, MAX_INDEX),
            unsent=members.integer("unsent"),
            waiting=members.integer("waiting"),
            running_secs=members.number("running_secs", 0, _MAX_SECS),
        )


def jobs_to_json(states: Sequence[JobState]) -> dict[str, Any]:
    """`GET /v1/jobs`."""
    return {"jobs": [state.to_json() for state in states]}


def jobs_from_json(document: object) -> tuple[JobState, ...]:
    """Read it.

    Raises:
        ProtocolError: it is no list of jobs.
    """
    members = document.get("jobs") if isinstance(document, dict) else None
    if not isinstance(members, list) or len(members) > _MAX_JOBS:
        raise ProtocolError(f"the response to /v1/jobs must have a list of at most {_MAX_JOBS}")
    return tuple(JobState.from_json(each) for each in members)
