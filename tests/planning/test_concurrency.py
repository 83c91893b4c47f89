"""How many encoders, with how many threads."""

from __future__ import annotations

from pathlib import Path

import pytest

from musetalk_fast.planning.concurrency import (
    MAX_THREADS,
    Concurrency,
    cgroup_quota,
    choose_concurrency,
    processors,
)


@pytest.mark.parametrize(
    ("segments", "count", "concurrency"),
    [
        (1, 2, Concurrency(1, 3)),  # a short clip: one encoder with x264's own number of threads
        (3, 2, Concurrency(2, 1)),
        (8, 2, Concurrency(2, 1)),
        (1, 1, Concurrency(1, 1)),
        (4, 16, Concurrency(4, 6)),
        (16, 16, Concurrency(16, 1)),
        (100, 16, Concurrency(16, 1)),
        (1, 64, Concurrency(1, MAX_THREADS)),
        (60, 24, Concurrency(16, 2)),
        (100, 32, Concurrency(16, 3)),
        (200, 64, Concurrency(16, 6)),
    ],
)
def test_segments_come_before_threads(segments: int, count: int, concurrency: Concurrency) -> None:
    assert choose_concurrency(segments, count) == concurrency


def test_a_device_gets_few_sessions() -> None:
    assert choose_concurrency(100, 16, in_software=False) == Concurrency(2, 1)
    assert choose_concurrency(1, 16, in_software=False) == Concurrency(1, 1)


def test_processors_are_those_we_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {3}, raising=False)
    assert processors() == 1


@pytest.mark.parametrize(
    ("own", "above", "quota"),
    [
        ("150000 100000", "max 100000", 1.5),
        ("max 100000", "200000 100000", 2.0),
        ("400000 100000", "100000 50000", 2.0),
        ("max 100000", "max 100000", None),
        ("nonsense", "max 100000", None),
    ],
)
def test_a_quota_of_any_group_above_counts(
    tmp_path: Path, own: str, above: str, quota: float | None
) -> None:
    membership = tmp_path / "cgroup"
    membership.write_text("1:name=old:/x\n0::/outer/inner\n")
    inner = tmp_path / "fs/outer/inner"
    inner.mkdir(parents=True)
    (inner / "cpu.max").write_text(own)
    (inner.parent / "cpu.max").write_text(above)
    assert cgroup_quota(membership, tmp_path / "fs") == quota


def test_no_control_groups_are_no_limit(tmp_path: Path) -> None:
    assert cgroup_quota(tmp_path / "absent", tmp_path) is None
    (tmp_path / "old").write_text("3:cpu:/\n4:memory:/x\n")
    assert cgroup_quota(tmp_path / "old", tmp_path) is None


@pytest.mark.parametrize(
    ("own", "above", "quota"),
    [(("150000", "100000"), ("-1", "100000"), 1.5), (("-1", "100000"), ("-1", "100000"), None),
     (("400000", "100000"), ("50000", "100000"), 0.5), (("x", "100000"), ("-1", "0"), None)],
)  # fmt: skip
def test_a_quota_of_the_first_version_counts(
    tmp_path: Path, own: tuple[str, str], above: tuple[str, str], quota: float | None
) -> None:
    membership = tmp_path / "cgroup"
    membership.write_text("5:cpu,cpuacct:/outer/inner\n0::/\n")
    inner = tmp_path / "fs/cpu/outer/inner"
    inner.mkdir(parents=True)
    for folder, values in ((inner, own), (inner.parent, above)):
        for name, value in zip(("quota", "period"), values, strict=True):
            (folder / f"cpu.cfs_{name}_us").write_text(value)
    assert cgroup_quota(membership, tmp_path / "fs") == quota
