"""What all servers and parts of a render agree on: stored once, in the face table's header."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from musetalk_fast.errors import ProtocolError
from musetalk_fast.planning import Plan, Segment
from musetalk_fast.types import EngineIdentity
from musetalk_fast.wire.json_object import parse_object

_SHORT = 16
"""Digits of a hash that a label shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Who makes a render's crops, and for which faces.

    Attributes:
        digest: of the faces; see `wire.face_digest`.
        source_frames: how many faces there are, or of source frames without one.
        makes_full_frames: finished frames come instead of crops, from a server that says nothing
            of faces.
    """

    engine: EngineIdentity
    digest: str
    source_frames: int
    makes_full_frames: bool = False

    def label(self, plan: Plan, segment: Segment) -> str:
        """The label of a segment's part of this render."""
        identity, digest = plan.identity[:_SHORT], self.digest[:_SHORT]
        return (
            f"{self.engine.name} {self.engine.model} plan {identity} faces {digest} "
            f"frames {segment.start}-{segment.stop}"
        )


def manifest_to_bytes(manifest: Manifest) -> bytes:
    """A JSON object, of less than 2 KB for an engine's and model's names of 200 characters."""
    engine = manifest.engine
    return orjson.dumps(
        {
            "engine": engine.name,
            "model": engine.model,
            "is_preview": engine.is_preview,
            "faces": manifest.digest,
            "source_frames": manifest.source_frames,
            "full_frames": manifest.makes_full_frames,
        }
    )


def manifest_from_bytes(content: bytes) -> Manifest | None:
    """Read what was stored; None if it is damaged, which counts as absent."""
    try:
        members = parse_object(content, "the manifest")
        manifest = Manifest(
            engine=EngineIdentity(
                members.text("engine"), members.text("model"), members.flag("is_preview")
            ),
            digest=members.hexadecimal("faces", 64),
            source_frames=members.integer("source_frames"),
            makes_full_frames=members.flag("full_frames"),
        )
    except ProtocolError:
        return None
    return None if manifest.makes_full_frames == bool(manifest.source_frames) else manifest
