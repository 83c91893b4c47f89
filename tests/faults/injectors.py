"""The faults that the bench knows: each makes one answer wrong in one way."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import replace

from proxy import HEADER_BYTES, Act, Change, Fault, Piece, Raw

from musetalk_fast.wire import binary, ndjson
from musetalk_fast.wire.media_types import BINARY, NDJSON
from musetalk_fast.wire.messages import End, Frame, Message
from musetalk_fast.wire.stream_encoder import StreamEncoder

FRAMES = "/v1/frames"
AVATARS = "/v1/avatars"
ASSETS = "/v1/assets"
HEALTH = "/health"
INFO = "/v1/info"


def cut(
    number: int,
    offset: int = 0,
    act: Act = Act.RESET,
    once: Callable[[], bool] = lambda: True,
) -> Fault:
    """The response stops `offset` bytes into message `number`, once something is so."""

    def change(at: int, message: bytes) -> Iterable[Piece]:
        if at < number:
            return [message]
        return [message[:offset], once, act] if offset else [once, act]

    return Fault(f"{act.value} in message {number} at {offset}", lambda: change)


def flip(number: int, place: float, bit: int = 0, name: str = "flip") -> Fault:
    """One bit of message `number` is wrong.

    Args:
        place: a byte's number in the message, or a share of its length below 1.
    """

    def change(at: int, message: bytes) -> Iterable[Piece]:
        if at != number:
            return [message]
        byte = int(place if place >= 1 or place == 0 else place * len(message))
        damaged = bytearray(message)
        damaged[min(byte, len(message) - 1)] ^= 1 << bit
        return [bytes(damaged)]

    return Fault(f"{name} in message {number} at {place:g}", lambda: change)


def flip_header(number: int, byte: int, bit: int) -> Fault:
    """One bit of a binary header, or of the first members of a line."""
    assert byte < HEADER_BYTES
    return flip(number, byte, bit, "flipped header bit")


def broken_framing(number: int, raw: bytes) -> Fault:
    """Bytes before message `number` that are no chunk, or an incomplete one."""

    def change(at: int, message: bytes) -> Iterable[Piece]:
        return [Raw(raw), message] if at == number else [message]

    return Fault(f"broken framing before message {number}", lambda: change)


def duplicated(number: int) -> Fault:
    """A message comes twice."""

    def change(at: int, message: bytes) -> Iterable[Piece]:
        return [message, message] if at == number else [message]

    return Fault(f"message {number} twice", lambda: change)


def missing(number: int) -> Fault:
    """A message does not come."""

    def change(at: int, message: bytes) -> Iterable[Piece]:
        return [] if at == number else [message]

    return Fault(f"message {number} missing", lambda: change)


def rewritten(name: str, rewrite: Callable[[Frame], Iterable[Frame]], only: int = 3) -> Fault:
    """A server that makes mistakes: its frames are wrong, its checksums and its `end` are right.

    Args:
        only: the frame of the stream, counted from 0, that is rewritten; -1: all of them.
    """

    def begin() -> Change:
        rewriter = _Rewriter(rewrite, only)
        return rewriter.change

    return Fault(name, begin)


def wrong_index(shift: int) -> Fault:
    """A frame says that it is another one."""
    return rewritten(
        f"index {shift:+d}", lambda frame: [replace(frame, index=max(0, frame.index + shift))]
    )


def frame_twice() -> Fault:
    """A frame comes twice, in a stream that is otherwise in order."""
    return rewritten("frame twice", lambda frame: [frame, frame])


def frame_missing() -> Fault:
    """A frame does not come, in a stream that is otherwise in order."""
    return rewritten("frame missing", lambda _frame: [])


def undecodable(only: int = 3) -> Fault:
    """Correct checksums over crops that cannot be decoded."""
    return rewritten("undecodable crop", lambda frame: [replace(frame, data=b"A" * 400)], only)


def refuse(status: int, retry_after: float | None = None) -> Fault:
    """A status in the place of an answer."""
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    return Fault(f"status {status}", status=status, headers=headers)


NO_CHUNKS = (
    b"zz\r\n",
    b"-5\r\n",
    b"fffffffffffffffffff\r\n",
    b"9\r\nshort\r\n",
    b"\0" * 40,
    b"0\r\n\r\n",
)
"""Lengths that are none, that are too long, a chunk that is too short, an end too early."""

NOT_HTTP = Fault("not HTTP", raw=b"SSH-2.0-OpenSSH_9.2p1\r\n")
DAMAGED_HEAD = Fault("damaged head", raw=b"HTTP/1.1 2x0 OK\r\nContent-Length: 5\r\n\r\nhello")
HALF_A_HEAD = Fault("half a head", raw=b"HTTP/1.1 200 OK\r\nContent-Ty")
HEAD_IN_DROPS = Fault("head in drops", raw=b"HTTP/1.1 200 OK\r\nX-Long: ", drops=b"a" * 4000)
REFUSAL_IN_DROPS = Fault(
    "refusal in drops",
    raw=b"HTTP/1.1 503 No\r\nContent-Length: 4000\r\n\r\n",
    drops=b"a" * 4000,
)
NOT_JSON = Fault("not JSON", lambda: lambda _at, _message: [b'{"status": "heal'])
CORRUPTED_REQUEST = Fault("corrupted request", corrupt_request=True)
SILENT = Fault("silent", hush=True)


def slowed(secs: float, after: int = 0) -> Fault:
    """Each message from `after` on comes late."""

    def change(at: int, message: bytes) -> Iterable[Piece]:
        return [secs, message] if at >= after else [message]

    return Fault(f"slowed by {secs:g} s", lambda: change)


def held(once: Callable[[], bool], at: int = 0, name: str = "held") -> Fault:
    """Message `at` comes once something is so."""

    def change(number: int, message: bytes) -> Iterable[Piece]:
        return [once, message] if number == at else [message]

    return Fault(name, lambda: change)


def any_fault(chance: random.Random, path: str) -> Fault:
    """One that an answer of this path can suffer, for the random mix."""
    number, place = chance.randrange(28), max(chance.random(), 1e-6)
    kinds: list[Callable[[], Fault]] = [
        lambda: cut(number if path == FRAMES else 0),
        lambda: cut(0, chance.randrange(1, 30)),
        lambda: refuse(chance.choice([500, 502, 503, 429]), chance.choice([None, 0.2])),
        lambda: chance.choice([NOT_HTTP, DAMAGED_HEAD, HALF_A_HEAD]),
    ]
    if path in (FRAMES, AVATARS):
        at = number if path == FRAMES else chance.randrange(3)
        kinds += [
            lambda: cut(at, chance.randrange(1, 400), Act.CUT),
            lambda: cut(at, chance.randrange(40), Act.END),
            lambda: flip(at, place, chance.randrange(8)),
            lambda: flip_header(at, chance.randrange(HEADER_BYTES), chance.randrange(8)),
            lambda: broken_framing(at, chance.choice(NO_CHUNKS)),
            lambda: duplicated(at),
            lambda: missing(at),
        ]
    if path == FRAMES:
        kinds += [
            lambda: wrong_index(chance.choice([-3, -1, 1, 25])),
            frame_twice,
            frame_missing,
            lambda: undecodable(chance.randrange(20)),
            lambda: slowed(0.05, number),
            lambda: cut(number, 0, Act.HUSH),
        ]
    return chance.choice(kinds)()


class _Rewriter:
    """Decodes an answer and encodes it again with some frames changed."""

    def __init__(self, rewrite: Callable[[Frame], Iterable[Frame]], only: int) -> None:
        self._rewrite = rewrite
        self._only = only
        self._frames = 0
        self._wire: binary.Decoder | ndjson.Decoder | None = None
        self._encoder = StreamEncoder(BINARY)

    def change(self, number: int, message: bytes) -> Iterable[Piece]:
        if number == 0:
            is_binary = message.startswith(binary.MAGIC)
            self._wire = binary.Decoder() if is_binary else ndjson.Decoder()
            self._encoder = StreamEncoder(BINARY if is_binary else NDJSON)
        assert self._wire is not None
        for known in self._wire.feed(message):
            yield from self._again(known)

    def _again(self, message: Message) -> Iterable[Piece]:
        if isinstance(message, End):
            yield self._encoder.end(message.count, message.details)
        elif not isinstance(message, Frame):
            yield self._encoder.encode(message)
        else:
            chosen = self._only in (-1, self._frames)
            self._frames += 1
            for frame in self._rewrite(message) if chosen else [message]:
                yield self._encoder.encode(frame)
