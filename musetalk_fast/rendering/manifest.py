"""Who makes a render's crops and for which faces: fixed once, kept beside the parts."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from musetalk_fast.errors import ProtocolError
from musetalk_fast.planning import Plan, Segment
from musetalk_fast.types import EngineIdentity, Face
from musetalk_fast.wire import binary
from musetalk_fast.wire.face_digest import PreparedFaces, faces_digest
from musetalk_fast.wire.json_object import parse_object
from musetalk_fast.wire.media_types import BINARY
from musetalk_fast.wire.messages import FaceMessage, Start
from musetalk_fast.wire.stream_encoder import StreamEncoder

_SHORT = 16
"""Digits of a hash that a label shows."""


@dataclass(frozen=True, slots=True, eq=False)
class Manifest:
    """What all servers and all parts of a render agree on."""

    engine: EngineIdentity
    faces: PreparedFaces

    @property
    def makes_full_frames(self) -> bool:
        """Whether finished pictures come: faces are told only where crops are made for them."""
        return not self.faces.faces

    def label(self, plan: Plan, segment: Segment) -> str:
        """What the part of a segment of this render says of itself."""
        identity, digest = plan.identity[:_SHORT], self.faces.digest[:_SHORT]
        return (
            f"{self.engine.name} {self.engine.model} plan {identity} faces {digest} "
            f"frames {segment.start}-{segment.stop}"
        )


def manifest_to_bytes(manifest: Manifest) -> bytes:
    """A line of JSON for the maker, then the faces as a server sends them on the binary wire."""
    encoder = StreamEncoder(BINARY)
    engine, faces = manifest.engine, manifest.faces
    count = len(faces.faces)
    start = Start(engine=engine.name, model=engine.model, faces=faces.digest, start=0, stop=count)
    messages = [orjson.dumps({"is_preview": engine.is_preview}) + b"\n", encoder.encode(start)]
    messages += [encoder.encode(_message(source, face)) for source, face in enumerate(faces.faces)]
    messages.append(encoder.end(count, {"faces": faces.digest}))
    return b"".join(messages)


def manifest_from_bytes(content: bytes) -> Manifest | None:
    """Read what was kept; None if it is damaged, and then as good as not there."""
    line, _, stream = content.partition(b"\n")
    decoder = binary.Decoder()
    try:
        is_preview = parse_object(line, "the maker").flag("is_preview")
        messages = decoder.feed(stream)
        decoder.close()
    except ProtocolError:
        return None
    start = messages[0]
    faces = tuple(_face(each) for each in messages if isinstance(each, FaceMessage))
    digest = faces_digest(faces)
    if not isinstance(start, Start) or start.faces != digest:
        return None
    return Manifest(
        EngineIdentity(start.engine, start.model, is_preview), PreparedFaces(faces, digest)
    )


def _message(source: int, face: Face | None) -> FaceMessage:
    if face is None:
        return FaceMessage(source=source)
    return FaceMessage(source=source, box=face.box, mask_box=face.mask_box, mask=face.mask)


def _face(message: FaceMessage) -> Face | None:
    if message.box is None or message.mask_box is None or message.mask is None:
        return None
    return Face(message.source, message.box, message.mask_box, message.mask)
