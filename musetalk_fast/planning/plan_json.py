"""A plan as a file, and back: what a farm carries from machine to machine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from musetalk_fast.errors import PlanError, ProtocolError
from musetalk_fast.planning.plan import Plan
from musetalk_fast.planning.plan_checks import check_plan
from musetalk_fast.wire.json_object import JsonObject
from musetalk_fast.wire.records import record_from_json, record_to_json

FORMAT = 1
LONGEST = 32 << 20
"""Bytes of the file; the most runs of source frames take up to 25 each."""


def plan_to_json(plan: Plan) -> bytes:
    """The document, a member a line; paths are absolute, the output is where its folder says."""
    words = {"format": FORMAT, "identity": plan.identity, **record_to_json(plan)}
    # Not orjson: a path may hold bytes that are no UTF-8, which this writes as escapes.
    lines = (f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in words.items())
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def plan_from_json(text: bytes, place: Path) -> Plan:
    """Read the document.

    Args:
        place: the video, or the folder of a sequence, which a folder that moved names better than
            the document.

    Raises:
        errors.PlanError: it is not such a document, was changed by hand, or no render has such a
            plan; the message names the member.
    """
    try:
        members = JsonObject(json.loads(text), "the plan")
        members.integer("format", FORMAT, FORMAT)
        plan = record_from_json(Plan, members, output=place)
        if plan.frame_names is not None:
            plan = replace(plan, output=place / plan.frame_names)
        identity = members.hexadecimal("identity", 64)
    except (ProtocolError, ValueError, RecursionError) as error:
        raise PlanError(str(error)) from None
    check_plan(plan)
    if identity != plan.identity:
        raise PlanError("its identity is not that of its contents: it was changed by hand")
    return plan
