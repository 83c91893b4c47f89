"""A plan as a file, and back: what a farm carries from machine to machine."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

from musetalk_fast.errors import PlanError, ProtocolError
from musetalk_fast.planning.plan import Plan, Segment
from musetalk_fast.types import CropEncoding, Scaling, SourceRun
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.wire.avatar_options import options_from_json, options_to_json
from musetalk_fast.wire.json_object import JsonObject

FORMAT = 1
LONGEST = 16 << 20
"""Bytes of the file; a plan of ten hours in segments of a second has less than one."""

_MAX_SEGMENTS = 1 << 20
_MAX_PATH = 4096
_MAX_VALUE = (1 << 62) - 1


def plan_to_json(plan: Plan) -> bytes:
    """The document; paths are absolute, the output is where the document's folder says."""
    encoder = plan.encoder
    words: dict[str, Any] = {
        "format": FORMAT,
        "identity": plan.identity,
        "avatar": os.fspath(plan.avatar.absolute()),
        "audio": os.fspath(plan.audio.absolute()),
        "avatar_sha256": plan.avatar_sha256,
        "audio_sha256": plan.audio_sha256,
        "duration": _ratio(plan.duration),
        "fps": _ratio(plan.fps),
        "frames": plan.frames,
        "size": [plan.width, plan.height],
        "resolution": plan.resolution,
        "sources": [[run.first, run.step, run.count] for run in plan.sources],
        "segments": [[segment.start, segment.stop] for segment in plan.segments],
        "encoder": {**encoder.identity(), "threads": encoder.threads},
        "options": options_to_json(plan.options),
        "background": plan.background,
        "frame_encoding": plan.frame_encoding.value,
        "scaling": plan.scaling.value,
        "sound": plan.sound,
        "overwrite": plan.overwrite,
    }
    # Not orjson: a path may hold bytes that are no UTF-8, which this writes as escapes.
    return (json.dumps(words, indent=2) + "\n").encode()


def plan_from_json(text: bytes, output: Path) -> Plan:
    """Read the document.

    Args:
        output: the video, which a folder that moved names better than the document.

    Raises:
        errors.PlanError: it is not such a document, or was changed by hand.
    """
    try:
        members = JsonObject(json.loads(text), "the plan")
        plan = _plan(members, output)
        identity = members.hexadecimal("identity", 64)
    except (ProtocolError, ValueError, ZeroDivisionError, RecursionError) as error:
        raise PlanError(str(error)) from None
    if identity != plan.identity:
        raise PlanError("its identity is not that of its contents: it was changed by hand")
    return plan


def _plan(members: JsonObject, output: Path) -> Plan:
    members.integer("format", FORMAT, FORMAT)
    width, height = members.integers("size", 2, 2, 1 << 16)
    segments = members.lists("segments", 2, _MAX_SEGMENTS)
    return Plan(
        avatar=Path(_path(members, "avatar")),
        audio=Path(_path(members, "audio")),
        output=output,
        avatar_sha256=members.hexadecimal("avatar_sha256", 64),
        audio_sha256=members.hexadecimal("audio_sha256", 64),
        duration=Fraction(*members.integers("duration", 2, 0, _MAX_VALUE)),
        fps=Fraction(*members.integers("fps", 2, 1, _MAX_VALUE)),
        frames=members.integer("frames", 1),
        width=width,
        height=height,
        resolution=_size(members) if members.has("resolution") else None,
        sources=tuple(SourceRun(*run) for run in members.lists("sources", 3, _MAX_SEGMENTS)),
        segments=_segments(segments, members.integer("frames", 1)),
        encoder=_encoder(members.members("encoder")),
        options=options_from_json(members.members("options")),
        background=members.text("background"),
        frame_encoding=CropEncoding(members.text("frame_encoding")),
        scaling=Scaling(members.text("scaling")),
        sound=members.flag("sound"),
        overwrite=members.flag("overwrite"),
    )


def _segments(ranges: list[tuple[int, ...]], frames: int) -> tuple[Segment, ...]:
    segments = tuple(Segment(number, *each) for number, each in enumerate(ranges))
    starts = [segment.start for segment in segments]
    stops = [segment.stop for segment in segments]
    if starts != [0, *stops[:-1]] or stops[-1] != frames or any(s.frames < 1 for s in segments):
        raise PlanError(f"its segments do not cover its {frames} frames one after the other")
    return segments


def _encoder(members: JsonObject) -> EncoderSettings:
    options = members.mapping("options")
    return EncoderSettings(
        codec=members.text("codec"),
        format=members.text("format"),
        pix_fmt=members.text("pix_fmt"),
        options=options,
        gop=members.integer("gop", 1),
        threads=members.integer("threads", 1, 1024),
    )


def _size(members: JsonObject) -> tuple[int, int]:
    width, height = members.integers("resolution", 2, 2, 1 << 16)
    return width, height


def _path(members: JsonObject, name: str) -> str:
    path = members.exact_text(name, _MAX_PATH)
    if not path or "\0" in path:
        raise members.wrong(name, "a path")
    return path


def _ratio(value: Fraction) -> list[int]:
    return [value.numerator, value.denominator]
