"""Avatar options as JSON and back."""

from __future__ import annotations

from typing import Any

from musetalk_fast.types import AvatarOptions
from musetalk_fast.wire.json_object import MAX_COORDINATE, JsonObject
from musetalk_fast.wire.message_json import as_list

_MAX_SHIFT = 1000


def options_to_json(options: AvatarOptions) -> dict[str, Any]:
    """Avatar options as members."""
    return {
        "face": options.face,
        "face_box": as_list(options.face_box),
        "face_center": as_list(options.face_center),
        "bbox_shift": options.bbox_shift,
        "extra_margin": options.extra_margin,
        "smooth": options.smooth,
    }


def options_from_json(members: JsonObject) -> AvatarOptions:
    """Avatar options; those that are not named have their defaults.

    Raises:
        ProtocolError: one is out of bounds.
    """
    default = AvatarOptions()
    limit = _MAX_SHIFT
    return AvatarOptions(
        face=members.text("face", 10, default=default.face),
        face_box=members.box("face_box") if members.has("face_box") else None,
        face_center=_point(members, "face_center") if members.has("face_center") else None,
        bbox_shift=members.integer("bbox_shift", -limit, limit, default=default.bbox_shift),
        extra_margin=members.integer("extra_margin", 0, limit, default=default.extra_margin),
        smooth=members.flag("smooth", default=default.smooth),
    )


def _point(members: JsonObject, name: str) -> tuple[int, int]:
    x, y = members.integers(name, 2, -MAX_COORDINATE, MAX_COORDINATE)
    return x, y
