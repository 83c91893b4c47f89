"""Finds videos that are already finished: the same plan, made by the same engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from musetalk_fast.batching.output_files import output_bytes, output_sha256
from musetalk_fast.batching.report import JobRecord
from musetalk_fast.errors import InputError
from musetalk_fast.planning import Plan
from musetalk_fast.types import EngineIdentity
from musetalk_fast.video.provenance import is_of


class FinishedVideos:
    """Knows a finished video by what its metadata says, else by the record of an earlier batch.

    Args:
        records: of earlier batches, by the absolute path of the output.
    """

    def __init__(self, records: Mapping[Path, JobRecord]) -> None:
        self._records = records

    def holds(self, plan: Plan, engine: EngineIdentity) -> bool:
        """Whether the video of this plan is in its place, whole and by this engine.

        What has another size than the record says was changed since.
        """
        record = self._records.get(plan.output.absolute())
        size = output_bytes(plan.output)
        if size is None or (record is not None and record.bytes not in (None, size)):
            return False
        return is_of(plan.output, engine, plan.identity) or (
            record is not None and _is_recorded(record, plan, engine)
        )


def _is_recorded(record: JobRecord, plan: Plan, engine: EngineIdentity) -> bool:
    """Of a container without metadata, or a sequence: the record knows its hash."""
    known = (record.identity, record.engine, record.model)
    if record.sha256 is None or known != (plan.identity, engine.name, engine.model):
        return False
    try:
        return output_sha256(plan.output) == record.sha256
    except InputError:
        return False
