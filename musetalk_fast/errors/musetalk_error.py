"""The root of all errors, and what is a fault of ours."""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "InternalError",
    "MuseTalkError",
    "error_class",
]


class MuseTalkError(Exception):
    """An expected failure, with a message for the user.

    Args:
        message: what went wrong, with limit and value where there is one.
        where: the file, server or frame it happened at.
        hint: what the user can do about it; each leaf has a default.
    """

    token: ClassVar[str] = "MTF-ERROR"
    exit_code: ClassVar[int] = 70
    default_hint: ClassVar[str | None] = None

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint if hint is not None else self.default_hint

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class BusyError(MuseTalkError):
    """Who was asked may have time later; `retry_after` is the seconds to wait, or None."""

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.retry_after = retry_after


class InternalError(MuseTalkError):
    """A fault of ours."""

    token = "MTF-INTERNAL"
    default_hint = "please report it with the output of `musetalk-fast doctor --json`"


def error_class(token: str) -> type[MuseTalkError] | None:
    """The class of a token, as another process of ours prints it; None for none of these."""
    known: list[type[MuseTalkError]] = [MuseTalkError]
    for kind in known:
        if kind.token == token:
            return kind
        known.extend(kind.__subclasses__())
    return None
