"""Metrics in the text format of Prometheus."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from time import perf_counter

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

# Times of the wall clock that nobody asked for, one more line for each counter.
disable_created_metrics()  # type: ignore[no-untyped-call]

_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
_SECS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


class Metrics:
    """The counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "musetalk_http_requests", "Requests that were answered, by status.",
            ("method", "route", "status"), registry=registry,
        )  # fmt: skip
        self._errors = Counter(
            "musetalk_errors", "Refusals, and streams that ended with an error, by token.",
            ("code",), registry=registry,
        )  # fmt: skip
        self._received = Counter(
            "musetalk_received_bytes", "Bytes of requests' bodies.", registry=registry
        )
        self._sent = Counter("musetalk_sent_bytes", "Bytes of streams.", registry=registry)
        self._frames = Counter(
            "musetalk_frames", "Frames made, by name of the key (empty: there are no names).",
            ("user",), registry=registry,
        )  # fmt: skip
        self._batches = Histogram(
            "musetalk_batch_frames", "Frames in a batch of the engine.",
            buckets=_BATCHES, registry=registry,
        )  # fmt: skip
        self._stages = Histogram(
            "musetalk_stage_duration_seconds",
            "Time of a stage: prepare_avatar, prepare_recording, infer (a batch), encode (some "
            "crops, faces or full frames of a stream).",
            ("stage",), buckets=_SECS, registry=registry,
        )  # fmt: skip

    def answered(self, method: str, route: str, status: str) -> None:
        """A request was answered, or its client went away."""
        self._requests.labels(method, route, status).inc()

    def refused(self, code: str) -> None:
        """A request was refused, or its stream ended with an error."""
        self._errors.labels(code).inc()

    def received(self, count: int) -> None:
        """Bytes of a body came."""
        self._received.inc(count)

    def sent(self, count: int) -> None:
        """Bytes of a stream were written."""
        self._sent.inc(count)

    def made(self, users: Counts[str], secs: float) -> None:
        """A batch was made in so many seconds; from any thread.

        Args:
            users: how many of its frames were each user's; the empty name: there are no names.
        """
        self._batches.observe(users.total())
        self._stages.labels("infer").observe(secs)
        for user, count in users.items():
            self._frames.labels(user).inc(count)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage that succeeds; from any thread."""
        began = perf_counter()
        yield
        self._stages.labels(name).observe(perf_counter() - began)

    def text(self, gauges: Iterable[Metric]) -> bytes:
        """All of it, and what was looked up just now, in the text format 0.0.4."""
        return generate_latest(_Together((self._registry.collect(), gauges)))


class _Together(Collector):
    def __init__(self, parts: Iterable[Iterable[Metric]]) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        return chain.from_iterable(self._parts)


def gauge(
    name: str, text: str, values: dict[str, float] | float, label: str | None = None
) -> GaugeMetricFamily:
    """One gauge, or one for each value of a label."""
    if not isinstance(values, dict):
        return GaugeMetricFamily(name, text, value=values)
    family = GaugeMetricFamily(name, text, labels=[label or "name"])
    for each, value in values.items():
        family.add_metric([each], value)
    return family
