"""What would keep an output from being written is found before any work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from musetalk_fast.errors import (
    OutputExistsError,
    OutputFormatError,
    OutputPlaceError,
)
from musetalk_fast.rendering.jobdir import PLAN, locked_job_directory
from musetalk_fast.storage import is_mount_point
from musetalk_fast.video.output_path import check_output


def test_a_new_file_in_a_folder_is_fine(tmp_path: Path) -> None:
    check_output(tmp_path / "o.mp4", None, overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_replaced_if_that_is_wanted(tmp_path: Path) -> None:
    output = tmp_path / "o.mp4"
    output.write_bytes(b"old")
    check_output(output, None, overwrite=True)
    assert output.read_bytes() == b"old"
    with pytest.raises(OutputExistsError) as raised:
        check_output(output, None, overwrite=False)
    assert raised.value.where == str(output)
    assert "--overwrite" in (raised.value.hint or "")


def test_a_folder_is_no_output(tmp_path: Path) -> None:
    with pytest.raises(OutputPlaceError, match="this is a folder") as raised:
        check_output(tmp_path, "mp4", overwrite=True)
    assert str(tmp_path / "video.mp4") in (raised.value.hint or "")


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_missing_folder_is_named(tmp_path: Path, overwrite: bool) -> None:
    with pytest.raises(OutputPlaceError, match="no such folder") as raised:
        check_output(tmp_path / "gone" / "o.mp4", None, overwrite=overwrite)
    assert raised.value.where == str(tmp_path / "gone")


def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputPlaceError) as raised:
        check_output(tmp_path / "file" / "o.mp4", None, overwrite=True)
    assert str(tmp_path / "file") in (raised.value.where or "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_closed_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputPlaceError, match="no permission"):
        check_output(tmp_path / "o.mp4", None, overwrite=True)


def test_what_is_no_regular_file_stays(tmp_path: Path) -> None:
    output = tmp_path / "o.mp4"
    os.mkfifo(output)
    read, write = os.pipe()
    (tmp_path / "stdout.mp4").symlink_to(f"/proc/self/fd/{write}")  # as /dev/stdout is
    for each in (output, tmp_path / "stdout.mp4"):
        with pytest.raises(OutputPlaceError, match="not a regular file") as caught:
            check_output(each, None, overwrite=True)
        assert "-o - writes to standard output" in str(caught.value.hint)
    os.close(read)
    os.close(write)


def test_a_link_that_leads_nowhere_can_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "o.mp4").symlink_to(tmp_path / "gone.mp4")
    check_output(tmp_path / "o.mp4", None, overwrite=True)


def test_a_name_too_long_for_the_disk_is_reported(tmp_path: Path) -> None:
    with pytest.raises(OutputPlaceError, match="the name is too long"):
        check_output(tmp_path / ("x" * 300 + ".mp4"), None, overwrite=True)


def test_the_format_is_checked_first(tmp_path: Path) -> None:
    with pytest.raises(OutputFormatError, match=r"ends in '\.avi'"):
        check_output(tmp_path / "gone" / "o.avi", None, overwrite=True)


def test_an_input_is_never_the_output(tmp_path: Path) -> None:
    speech, link = tmp_path / "s.mp4", tmp_path / "l.mp4"
    speech.write_bytes(b"speech")
    link.symlink_to(speech)
    for output in (speech, link, tmp_path / "." / "s.mp4"):
        with pytest.raises(OutputPlaceError, match="one of the inputs"):
            check_output(output, None, overwrite=True, inputs=(tmp_path / "a.png", speech))
    assert check_output(tmp_path / "o.mp4", None, overwrite=True, inputs=(speech,))


def test_a_link_stands_for_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    target, link = tmp_path / "videos/o.mp4", tmp_path / "l.mp4"
    link.symlink_to(target)
    assert check_output(link, None, overwrite=True) == target
    target.write_bytes(b"")
    assert check_output(link, None, overwrite=True) == target
    with pytest.raises(OutputExistsError):
        check_output(link, None, overwrite=False)


def test_links_in_a_circle_are_no_output(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").symlink_to("b.mp4")
    (tmp_path / "b.mp4").symlink_to("a.mp4")
    with pytest.raises(OutputPlaceError, match="back to itself") as raised:
        check_output(tmp_path / "a.mp4", None, overwrite=True)
    assert "remove the link" in (raised.value.hint or "")
    with pytest.raises(OutputPlaceError, match="no such folder"):
        check_output(tmp_path / "a.mp4" / "o.mp4", None, overwrite=True)


MOUNTED = """
cd "$1" && echo old >o.mp4 && echo other >other && mount --bind other o.mp4 &&
mkdir o2.mp4.parts && mount -t tmpfs tmpfs o2.mp4.parts && exec "$2" -c '
from pathlib import Path
from musetalk_fast.errors import OutputPlaceError
from musetalk_fast.rendering.jobdir import locked_job_directory
from musetalk_fast.video.output_path import check_output
for output in map(Path, ("o.mp4", "o2.mp4")):
    try:
        check_output(output, None, overwrite=True)
        with locked_job_directory(output):
            pass
    except OutputPlaceError as error:
        print(error.exit_code, error.message)
'
"""


def test_what_is_mounted_cannot_be_replaced_nor_moved_out_of(tmp_path: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-m", "true"]).returncode:
        pytest.skip("needs the right to mount")
    command = ["unshare", "-m", "sh", "-euc", MOUNTED, "sh", str(tmp_path), sys.executable]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "73 something is mounted on this file: it cannot be replaced",
        "73 this folder is on another file system than the output",
    ], done.stderr


@pytest.fixture
def linked(tmp_path: Path) -> Iterator[Path]:
    """A link to a folder on another file system."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no other file system here")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        link = tmp_path / "link"
        link.symlink_to(folder)
        yield link


def test_in_a_linked_folder_nothing_is_mounted(
    linked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (linked / "folder").mkdir()
    (linked / "file").touch()
    assert not is_mount_point(linked / "folder")
    assert not is_mount_point(linked / "file")
    monkeypatch.chdir(linked)
    assert not is_mount_point(Path("file"))


def test_a_link_to_another_file_system_takes_videos(linked: Path) -> None:
    output = linked / "o.mp4"
    output.touch()
    (linked / "frames").mkdir()
    assert check_output(output, None, overwrite=True) == output
    assert check_output(linked / "frames/%06d.png", None, overwrite=True).parent.name == "frames"
    with locked_job_directory(output) as jobdir:
        jobdir.write(PLAN, b"moved")
        (jobdir.path / PLAN).rename(output)
    assert output.read_bytes() == b"moved"


def test_the_file_of_another_user_in_a_sticky_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "o.mp4"
    output.write_bytes(b"old")
    tmp_path.chmod(0o1777)
    check_output(output, None, overwrite=True)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    check_output(tmp_path / "new.mp4", None, overwrite=True)
    with pytest.raises(OutputPlaceError, match="another user"):
        check_output(output, None, overwrite=True)
    tmp_path.chmod(0o777)
    check_output(output, None, overwrite=True)


@pytest.mark.skipif(shutil.which("chattr") is None, reason="needs chattr")
def test_an_immutable_file(tmp_path: Path) -> None:
    output = tmp_path / "o.mp4"
    output.write_bytes(b"old")
    if subprocess.run(["chattr", "+i", output], capture_output=True).returncode:
        pytest.skip("needs the right to set attributes")
    try:
        with pytest.raises(OutputPlaceError, match="immutable"):
            check_output(output, None, overwrite=True)
    finally:
        subprocess.run(["chattr", "-i", output], check=True)


def test_a_sequence_has_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = tmp_path / "out" / "%04d.png"
    assert check_output(frames, None, overwrite=False) == frames
    assert not frames.parent.exists()
    frames.parent.mkdir()
    assert check_output(frames, None, overwrite=False) == frames
    (tmp_path / "link").symlink_to("out")
    assert check_output(tmp_path / "link" / "%d.jpg", None, overwrite=True) == (
        tmp_path / "out" / "%d.jpg"
    )
    with pytest.raises(OutputPlaceError, match="one of the inputs is in this folder"):
        check_output(frames, None, overwrite=True, inputs=(frames.parent / "0001.png",))
    (frames.parent / "0000.png").touch()
    with pytest.raises(OutputPlaceError, match=r"none of ours: 0000\.png"):
        check_output(frames, None, overwrite=True)
    with pytest.raises(OutputPlaceError, match="no such folder"):
        check_output(tmp_path / "no" / "out" / "%d.png", None, overwrite=True)
    with pytest.raises(OutputPlaceError, match="this is not a folder"):
        check_output(frames.parent / "0000.png" / "%d.png", None, overwrite=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputPlaceError, match="a sequence is a whole folder") as caught:
        check_output(Path("%d.png"), None, overwrite=True)
    assert "frames/%d.png" in str(caught.value.hint)
    for name, asked in (("o.png", None), ("frames", "jpeg"), ("%d.png/x", "png")):
        with pytest.raises(OutputFormatError, match="where in its name is the number"):
            check_output(Path(name), asked, overwrite=True)
