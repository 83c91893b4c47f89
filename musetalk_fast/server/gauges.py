"""Gauges of `/metrics`: streams, queue, store, the GPU's memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric

from musetalk_fast.engines.base import EngineFigures, WorkerCount
from musetalk_fast.server.metrics import gauge
from musetalk_fast.server.services import Services
from musetalk_fast.wire.job_state import JobKind, JobStage
from musetalk_fast.wire.requests import STATUSES


def gauges(services: Services, figures: EngineFigures | None) -> Iterator[Metric]:
    """Of all parts of a server; called in the event loop.

    Args:
        figures: what the engine says of itself, if it does.
    """
    yield gauge(
        "musetalk_status", "1 for what /health says.",
        {name: float(name == services.status) for name in STATUSES}, "status",
    )  # fmt: skip
    yield from _work(services)
    yield from _store(services)
    if services.is_loaded:
        batcher = services.ready.result().batcher
        yield gauge(
            "musetalk_batch_limit_frames", "Most frames in a batch.", float(batcher.max_batch)
        )
    workers = services.workers
    if workers is not None:
        yield from _workers(workers)
    if figures is not None:
        yield from _engine(figures)


def _work(services: Services) -> Iterator[Metric]:
    states = [job.state for job in services.jobs.all]
    kinds = Counter(state.kind for state in states)
    streaming = [state for state in states if state.stage is JobStage.STREAMING]
    yield gauge(
        "musetalk_jobs", "Streams and preparations that are running.",
        {kind.value: float(kinds[kind]) for kind in JobKind}, "kind",
    )  # fmt: skip
    yield gauge("musetalk_jobs_limit", "Most at a time.", float(services.limits.max_streams))
    yield gauge(
        "musetalk_waiting_frames", "Frames and faces that were asked for and are not made.",
        float(sum(state.waiting for state in streaming)),
    )  # fmt: skip
    yield gauge(
        "musetalk_unsent_frames", "Frames that were made and wait for their clients.",
        float(sum(state.unsent for state in streaming)),
    )  # fmt: skip


def _store(services: Services) -> Iterator[Metric]:
    store, limits = services.store, services.limits
    yield gauge(
        "musetalk_store_bytes", "What assets count as, incoming ones too.", float(store.size)
    )
    yield gauge("musetalk_store_limit_bytes", "Most of them.", float(limits.store_bytes))
    yield gauge("musetalk_store_assets", "Assets in the store.", float(store.count))


def _workers(workers: WorkerCount) -> Iterator[Metric]:
    yield gauge(
        "musetalk_workers_ready", "Processes of the engine that can work.", float(workers.ready)
    )
    yield gauge("musetalk_workers", "Processes of the engine.", float(workers.total))
    yield CounterMetricFamily(
        "musetalk_worker_restarts",
        "Of its processes, since it was loaded.",
        float(workers.restarts),
    )


def _engine(figures: EngineFigures) -> Iterator[Metric]:
    memory = figures.gpu_memory
    used = {device: float(each) for device, (each, _) in memory.items()}
    total = {device: float(each) for device, (_, each) in memory.items()}
    yield gauge("musetalk_gpu_memory_used_bytes", "Memory in use, by all programs.", used, "device")
    yield gauge("musetalk_gpu_memory_total_bytes", "Memory that there is.", total, "device")
    stages = CounterMetricFamily(
        "musetalk_engine_stage_seconds", "Time inside the engine, by stage.", labels=["stage"]
    )
    for stage, secs in figures.stage_secs.items():
        stages.add_metric([stage], secs)
    yield stages
