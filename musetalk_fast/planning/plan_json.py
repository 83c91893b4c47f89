"""A plan as a file, and back: what a farm carries from machine to machine."""

from __future__ import annotations

import json
from pathlib import Path

from musetalk_fast.errors import PlanError, ProtocolError
from musetalk_fast.planning.plan import Plan
from musetalk_fast.planning.plan_checks import check_plan
from musetalk_fast.wire.json_object import JsonObject
from musetalk_fast.wire.records import record_from_json, record_to_json

FORMAT = 1
LONGEST = 16 << 20
"""Bytes of the file; a plan of ten hours in segments of a second has less than one."""


def plan_to_json(plan: Plan) -> bytes:
    """The document; paths are absolute, the output is where the document's folder says."""
    words = {"format": FORMAT, "identity": plan.identity, **record_to_json(plan)}
    # Not orjson: a path may hold bytes that are no UTF-8, which this writes as escapes.
    return (json.dumps(words, indent=2) + "\n").encode()


def plan_from_json(text: bytes, output: Path) -> Plan:
    """Read the document.

    Args:
        output: the video, which a folder that moved names better than the document.

    Raises:
        errors.PlanError: it is not such a document, was changed by hand, or no render has such a
            plan; the message names the member.
    """
    try:
        members = JsonObject(json.loads(text), "the plan")
        members.integer("format", FORMAT, FORMAT)
        plan = record_from_json(Plan, members, output=output)
        identity = members.hexadecimal("identity", 64)
    except (ProtocolError, ValueError, RecursionError) as error:
        raise PlanError(str(error)) from None
    check_plan(plan)
    if identity != plan.identity:
        raise PlanError("its identity is not that of its contents: it was changed by hand")
    return plan
