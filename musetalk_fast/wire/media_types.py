"""The wires: how messages look as bytes, each declared once.

Code that names a wire (settings, `Accept`, `/v1/info`, events, `bench`) takes it from here; another
one is another entry of `WIRES`. Its module is imported when it is first used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from musetalk_fast.wire.messages import Message


class StreamDecoder(Protocol):
    """Bytes in pieces of any size become messages."""

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes; return the messages that they complete, or raise ProtocolError."""
        ...

    def close(self) -> None:
        """The stream has no more bytes; raise StreamCutError if it was not at its end."""
        ...


class Codec(Protocol):
    """What a module of a wire of streams must have."""

    def encode(self, message: Message) -> bytes:
        """A message as bytes, or MessageSizeError."""
        ...

    def checksum_of(self, encoded: bytes) -> int:
        """The checksum that an encoded message carries."""
        ...

    @property
    def Decoder(self) -> Callable[..., StreamDecoder]:  # noqa: N802 - a class of the module
        """Its decoder; takes `limit`, the most bytes of a message, and a `picture`'s size."""
        ...


@dataclass(frozen=True, slots=True)
class Wire:
    """One way messages look as bytes.

    Attributes:
        name: as settings, events and reports call it.
        media_type: of its answers.
    """

    name: str
    media_type: str


@dataclass(frozen=True, slots=True)
class StreamWire(Wire):
    """A wire of `wire.messages`, checksummed, in the order in which they are made.

    Attributes:
        codec: gives the module that writes and reads it.
    """

    codec: Callable[[], Codec]


def _binary() -> Codec:
    from musetalk_fast.wire import binary

    return binary


def _ndjson() -> Codec:
    from musetalk_fast.wire import ndjson

    return ndjson


BINARY = StreamWire("binary", "application/vnd.musetalk.frames", _binary)
NDJSON = StreamWire("ndjson", "application/x-ndjson", _ndjson)
INFER = Wire("infer", "application/json")
"""One document of full frames, from servers that know only `POST /infer`; see `wire.infer`."""

WIRES: tuple[Wire, ...] = (BINARY, NDJSON, INFER)
"""All of them, the best one first."""

STREAM_WIRES = tuple(wire for wire in WIRES if isinstance(wire, StreamWire))
STREAM_MEDIA_TYPES = tuple(wire.media_type for wire in STREAM_WIRES)

_READABLE = NDJSON
"""What a peer gets that names no wire: it can be looked at without a program."""
_ANY = frozenset(("application/*", "*/*"))


def accepted_by(accept: str) -> StreamWire | None:
    """The best wire that an `Accept` names, `NDJSON` if it takes anything, else None.

    Weights (`q=`) are not read.
    """
    named = {part.split(";")[0].strip().lower() for part in accept.split(",")}
    best = next((wire for wire in STREAM_WIRES if wire.media_type in named), None)
    return best or (_READABLE if named & _ANY else None)


def names_of(media_types: Iterable[str]) -> str:
    """What a message calls them: `binary, ndjson`; a media type of no wire stays one."""
    names = {wire.media_type: wire.name for wire in WIRES}
    return ", ".join(names.get(each, each) for each in media_types)
