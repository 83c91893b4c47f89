"""The response to `POST /infer`, read while it arrives.

One JSON document, `{status, total_frames, fps, frames: [{index, data}], processing_time_secs}`;
`data` is a PNG in base64. Members may be in any order and come with others, which are ignored.
Memory holds one frame's text and what the last bytes brought, however long the document is.
"""

from __future__ import annotations

from typing import Any

from musetalk_fast.errors import FrameOrderError, ProtocolError, StreamCutError
from musetalk_fast.wire.json_object import JsonObject
from musetalk_fast.wire.json_scanner import JsonScanner, Reading
from musetalk_fast.wire.messages import ErrorMessage, FullFrame, InferEnd

_REASONS = ("message", "error", "detail")
_KEPT = ("status", "total_frames", "fps", "code", "hint", *_REASONS)
"""Members of the document that are read; the last ones explain a failure."""
_FAILURES = ("error", "failed", "failure")


def max_text_bytes(width: int, height: int) -> int:
    """Most bytes of base64 that a PNG of a frame may have.

    Twice the pixels of the largest kind (RGB with alpha, 16 bits) would be absurd already; the
    remainder is for headers, colour profiles and remarks.
    """
    return (width * height * 8 + height) * 4 // 3 + (1 << 20)


class Decoder:
    """Bytes in pieces of any size become full frames.

    Args:
        frames: how many frames are due; one more is let pass, for servers that round up.
        longest: most bytes of base64 of one frame.
    """

    def __init__(self, frames: int, longest: int) -> None:
        self._due = frames
        self._longest = longest
        self._scanner = JsonScanner()
        self._found: list[FullFrame] = []
        self._next = 0
        self._kept: dict[str, Any] = {}
        self._has_frames = False
        self._complete = False
        self._reading = self._scanner.object(self._member)
        next(self._reading)

    def feed(self, data: bytes) -> list[FullFrame]:
        """Take the next bytes; return the frames that they complete, in order.

        Raises:
            ProtocolError: the leaf that says what is wrong with them.
        """
        self._scanner.add(data)
        if not self._complete:
            self._complete = next(self._reading, True) is True
        if self._complete and not self._scanner.only_space_is_left():
            raise ProtocolError("bytes after the end of the response")
        found, self._found = self._found, []
        return found

    def close(self) -> InferEnd | ErrorMessage:
        """The response has no more bytes: what it says beside its frames, or why it failed.

        Raises:
            StreamCutError: it was not complete.
            FrameOrderError: frames are missing, or more than it says itself.
            ProtocolError: a member is missing or of another type.
        """
        if not self._complete:
            raise StreamCutError(f"the response was cut before frame {self._next} was complete")
        members = JsonObject(self._kept, "the response")
        status = members.text("status", default="")
        has_reason = any(map(members.has, _REASONS))
        if status.lower() in _FAILURES or (has_reason and not self._has_frames):
            return _failure(members)
        if not self._has_frames:
            raise ProtocolError("the response has no frames")
        status = members.text("status")
        total = members.integer("total_frames")
        if total != self._next:
            raise FrameOrderError(f"{self._next} frames came; the response says {total}")
        if total not in (self._due, self._due + 1):
            raise FrameOrderError(f"{total} frames came where {self._due} were expected")
        fps = members.number("fps", 0, 1e6) if members.has("fps") else None
        return InferEnd(count=total, status=status, fps=fps)

    def _member(self, name: str) -> Reading[None]:
        if name == "frames":
            self._has_frames = True
            yield from self._scanner.array(self._frame)
        elif name in _KEPT:
            self._kept[name] = yield from self._scanner.scalar()
        else:
            yield from self._scanner.skip()

    def _frame(self) -> Reading[None]:
        index: list[Any] = []
        data: list[memoryview] = []

        def member(name: str) -> Reading[None]:
            if name == "index":
                index.append((yield from self._scanner.scalar()))
            elif name == "data":
                data.append((yield from self._scanner.base64(self._longest)))
            else:
                yield from self._scanner.skip()

        yield from self._scanner.object(member)
        where = f"frame {self._next} of the response"
        number = JsonObject(dict(zip(("index",), index, strict=False)), where).integer("index")
        if not data:
            raise ProtocolError(f"{where} has no data")
        self._check_order(number)
        self._found.append(FullFrame(index=number, data=data[0]))

    def _check_order(self, index: int) -> None:
        if index != self._next:
            raise FrameOrderError(f"frame {index} where {self._next} was expected")
        if index > self._due:
            raise FrameOrderError(f"more frames than the {self._due} that were expected")
        self._next += 1


def _failure(members: JsonObject) -> ErrorMessage:
    reasons = (members.optional_text(name, 500) for name in _REASONS)
    return ErrorMessage(
        code=members.text("code", default=""),
        message=next(filter(None, reasons), "it answered that it failed, and not why"),
        retryable=False,
        hint=members.optional_text("hint"),
    )
