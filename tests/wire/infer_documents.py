"""Answers to `POST /infer` as several kinds of servers write them."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

DATA = [b"", b"\x00", b"\xff\xff", b"\xfb\xef\xbe" * 5, b"\xff\xfe\xfd\xfc" * 20]
"""Bytes whose base64 has both special characters and every padding."""


def frames(data: Sequence[bytes] = DATA) -> list[dict[str, object]]:
    return [
        {"index": index, "data": base64.b64encode(each).decode()} for index, each in enumerate(data)
    ]


def document(data: Sequence[bytes] = DATA, **members: object) -> dict[str, object]:
    return {
        "status": "success",
        "total_frames": len(data),
        "fps": 25,
        "frames": frames(data),
        "processing_time_secs": 1.25,
    } | members


def reordered(data: Sequence[bytes] = DATA) -> dict[str, object]:
    members = document(data)
    turned = [dict(reversed(list(frame.items()))) for frame in frames(data)]
    return {"frames": turned} | dict(reversed(list((members | {"frames": turned}).items())))


STRANGE: dict[str, object] = {
    "note": 'quotes " and \\ backslashes \\" é 😀',
    "nested": {"a": [1, [2, {"b": [], "c": {}}], "]}", -1.5e-3], "frames": [{"index": 9}]},
    "nothing": None,
    "yes": True,
    "empty": "",
}


def with_unknown_members(data: Sequence[bytes] = DATA) -> dict[str, object]:
    members = document(data)
    first, *others = frames(data)
    members["frames"] = [STRANGE | first, *({"secs": 0.04} | frame for frame in others)]
    return {"first": [{}, -1]} | members | {"last": STRANGE}


def slashed(text: str) -> str:
    """As PHP writes it: every slash escaped."""
    return text.replace("/", "\\/")


def coded(text: str) -> str:
    """Some characters of base64 by their numbers."""
    return text.replace("/", "\\u002f").replace("+", "\\u002B").replace("A", "\\u0041")


FORMS: dict[str, bytes] = {
    "compact": json.dumps(document(), separators=(",", ":")).encode(),
    "pretty": json.dumps(document(), indent=4).encode() + b"\n",
    "tabs and returns": json.dumps(document(), indent="\t").replace("\n", "\r\n").encode(),
    "reordered": json.dumps(reordered()).encode(),
    "with unknown members": json.dumps(with_unknown_members()).encode(),
    "with unknown members in UTF-8": json.dumps(
        with_unknown_members(), ensure_ascii=False
    ).encode(),
    "slashes escaped": slashed(json.dumps(document())).encode(),
    "characters by number": coded(json.dumps(document())).encode(),
    "heartbeats": json.dumps(document()).replace('"frames": [', '"frames": \n\n\n[').encode(),
}
