"""Disks that are full, folders that are closed or gone: the right error, and parts kept."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import injectors
import pytest
from injectors import FRAMES
from proxy import Proxy
from workload import EventRecorder, Right, Workload, parts_of, pictures, unfinished

from musetalk_fast import errors


def _mount(folder: Path, options: str) -> bool:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with little space."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not _mount(folder, "size=400k"):
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)


def _fill(folder: Path, leave: int) -> Path:
    """Fill the disk but for some bytes."""
    left = os.statvfs(folder)
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(max(0, left.f_bavail * left.f_frsize - leave)))
    return ballast


async def test_a_full_disk(
    workload: Workload, proxy: Proxy, right: Right, small_disk: Path
) -> None:
    output = small_disk / "out.mp4"
    ballast: list[Path] = []

    def fill(_event: object) -> None:
        if not ballast:
            ballast.append(_fill(small_disk, 4096))

    proxy.inject(FRAMES, injectors.slowed(0.01), times=100)
    with pytest.raises(errors.OutputWriteError) as caught:
        await workload.render(output, proxy.url, recorder=EventRecorder(on_part=fill))
    assert caught.value.exit_code == 74
    assert "space" in str(caught.value)
    kept = parts_of(output)
    assert kept
    assert unfinished(small_disk) == []
    assert not output.exists()
    ballast[0].unlink()
    recorder = await workload.render(output, proxy.url)
    assert set(recorder.segments(reused=True)) == {int(name[:8]) for name in kept}
    assert pictures(output) == await right(workload)


async def test_a_disk_that_has_become_read_only(
    workload: Workload, proxy: Proxy, right: Right, small_disk: Path
) -> None:
    output = small_disk / "out.mp4"
    proxy.inject(FRAMES, injectors.Fault("nothing"), times=2)
    proxy.inject(FRAMES, injectors.refuse(401), times=100)
    with pytest.raises(errors.NotAuthorisedError):
        await workload.render(output, proxy.url)
    proxy.heal()
    kept = parts_of(output)
    _remount(small_disk, "ro")
    with pytest.raises(errors.OutputError) as caught:
        await workload.render(output, proxy.url)
    assert caught.value.exit_code in (73, 74)
    _remount(small_disk, "rw")
    assert parts_of(output) == kept
    recorder = await workload.render(output, proxy.url)
    assert set(recorder.segments(reused=True)) == {int(name[:8]) for name in kept}
    assert pictures(output) == await right(workload)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_parts_folder_without_permission(
    workload: Workload, proxy: Proxy, tmp_path: Path
) -> None:
    folder = tmp_path / "out.mp4.parts"
    folder.mkdir(mode=0o500)
    with pytest.raises(errors.OutputWriteError):
        await workload.render(tmp_path / "out.mp4", proxy.url)


async def test_the_output_folder_is_removed_meanwhile(
    workload: Workload, proxy: Proxy, tmp_path: Path
) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()

    def remove(_event: object) -> None:
        # At once: a thread that writes meanwhile would keep a folder that is emptied bit by bit.
        with suppress(FileNotFoundError):
            folder.rename(tmp_path / "gone")

    recorder = EventRecorder(on_part=remove)
    proxy.inject(FRAMES, injectors.slowed(0.01), times=100)
    with pytest.raises(errors.OutputWriteError) as caught:
        await workload.render(folder / "out.mp4", proxy.url, recorder=recorder)
    assert caught.value.exit_code == 74
    assert str(folder) in str(caught.value)
    assert not folder.exists()
