"""The faces of an avatar, each made when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import overload

from musetalk_fast.types import Face


class FaceSequence(Sequence["Face | None"]):
    """Faces by source frame, made anew each time: those of a long video do not fit into memory.

    Args:
        count: of source frames.
        face_at: the face of a source frame; None: it has none.
    """

    def __init__(self, count: int, face_at: Callable[[int], Face | None]) -> None:
        self._count = count
        self._face_at = face_at

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, source: int) -> Face | None: ...
    @overload
    def __getitem__(self, source: slice) -> list[Face | None]: ...
    def __getitem__(self, source: int | slice) -> Face | list[Face | None] | None:
        if isinstance(source, slice):
            return [self[each] for each in range(*source.indices(len(self)))]
        if not 0 <= source < len(self):
            raise IndexError(f"there is no source frame {source}")
        return self._face_at(source)

    def __iter__(self) -> Iterator[Face | None]:
        return map(self._face_at, range(len(self)))
