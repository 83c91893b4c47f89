"""The response of `POST /infer`: one JSON document of full frames, sent as it is made."""

from __future__ import annotations

import binascii
import time
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import orjson

from musetalk_fast.wire.media_types import INFER
from musetalk_fast.wire.messages import ErrorMessage, Frame, Message, Start


class InferEncoder:
    """The document, message by message; heartbeats and progress are line breaks in it.

    Args:
        started: `time.monotonic()` when the request came.
    """

    media_type = INFER.media_type

    def __init__(self, fps: Fraction, started: float) -> None:
        self._fps = fps
        self._started = started
        self._begun = False
        self._first = True

    def encode(self, message: Message) -> bytes:
        """The next message."""
        if isinstance(message, Start):
            self._begun = True
            head = {"total_frames": message.stop - message.start, "fps": float(self._fps)}
            return orjson.dumps(head)[:-1] + b',"frames":['
        if isinstance(message, Frame):
            comma, self._first = (b"" if self._first else b","), False
            text = binascii.b2a_base64(message.data, newline=False)
            return b'%s{"index":%d,"data":"%s"}' % (comma, message.index, text)
        if isinstance(message, ErrorMessage):
            fault = {"status": "error", "code": message.code, "message": message.message}
            return self._tail({**fault, "hint": message.hint})
        return b"\n"

    def end(self, count: int, details: Mapping[str, Any] | None = None) -> bytes:  # noqa: ARG002
        """The members after the frames."""
        spent = round(time.monotonic() - self._started, 3)
        return self._tail({"status": "success", "processing_time_secs": spent})

    def _tail(self, members: Mapping[str, Any]) -> bytes:
        return (b"]," if self._begun else b"{") + orjson.dumps(members)[1:] + b"\n"
