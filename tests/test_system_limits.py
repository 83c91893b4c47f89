"""No more open files, no temporary folder, no home: each is named at once, or done without."""

from __future__ import annotations

import errno
import os
import pwd
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from file_limit import no_more_files

from musetalk_fast.cli.error_report import describe
from musetalk_fast.client.address import parse_address
from musetalk_fast.client.connection import Connection
from musetalk_fast.config import Settings, load_settings
from musetalk_fast.config.home_paths import expanded
from musetalk_fast.errors import (
    FileLimitError,
    ImageSizeError,
    InvalidSettingError,
    MemoryLimitError,
    OutputPlaceError,
    error_class,
)
from musetalk_fast.server.store_directory import store_directory
from musetalk_fast.server_process import ServerProcess
from musetalk_fast.storage import AtomicFile, find_cache_folder, temporary_folder
from musetalk_fast.system_limits import limit_error


def _raised(work: Callable[[], object]) -> BaseException:
    try:
        work()
    except Exception as error:  # noqa: BLE001 - whatever it is
        return error
    raise AssertionError("nothing was raised")


def test_a_file_of_ours_names_the_limit(tmp_path: Path) -> None:
    with no_more_files(), pytest.raises(FileLimitError, match="ulimit -n") as caught:
        AtomicFile(tmp_path / "x")
    assert caught.value.exit_code == 78


async def test_a_server_is_not_at_fault(preview_server: str) -> None:
    async with Connection(parse_address(preview_server), 5) as connection:
        with no_more_files(), pytest.raises(FileLimitError):
            await connection.health()


async def test_a_server_of_ours_is_not_either() -> None:
    with no_more_files(), pytest.raises(FileLimitError):
        await ServerProcess().__aenter__()


def test_what_else_fails_for_it_is_no_fault_of_ours() -> None:
    with no_more_files():
        module = _raised(lambda: open(__file__))  # noqa: PTH123, SIM115 - never opened
    assert describe(module)["token"] == "MTF-FILES"
    assert describe(OSError(errno.ENFILE, "x"))["exit_code"] == 78
    assert describe(MemoryError())["token"] == "MTF-MEMORY"
    assert isinstance(limit_error(OSError(errno.ENOMEM, "x")), MemoryLimitError)
    bomb = ImageSizeError("too large")
    bomb.__cause__ = MemoryError()
    assert describe(bomb)["token"] == "MTF-IMAGE-SIZE"
    assert limit_error(OSError(errno.ENOENT, "x")) is None


async def test_what_the_built_in_server_says_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSETALK_KERNELS", "none")
    with pytest.raises(error_class("MTF-CONFIG-VALUE") or AssertionError) as caught:
        await ServerProcess().__aenter__()
    assert caught.value.where == "builtin"


async def test_no_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null")
    with pytest.raises(OutputPlaceError) as caught, temporary_folder():
        pass
    assert (caught.value.exit_code, caught.value.hint) == (
        73,
        "set TMPDIR to a folder that you may write to",
    )
    with pytest.raises(OutputPlaceError):
        await ServerProcess().__aenter__()
    with pytest.raises(OutputPlaceError), store_directory(None, None):
        pass


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """HOME is unset, and the system does not know this user."""

    def unknown(_uid: int) -> None:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("nobody")
def test_a_user_whom_the_system_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "~/.config/musetalk").mkdir(parents=True)
    (tmp_path / "~/.config/musetalk/config.toml").write_text("nonsense")
    loaded = load_settings({}, {})
    assert (loaded.settings, loaded.is_there) == (Settings(), False)
    folder = find_cache_folder()
    assert folder is not None
    assert folder.is_relative_to(tmp_path / f"musetalk-fast-{os.getuid()}")
    for path in ("~/key", "~nosuchuser/key"):
        with pytest.raises(InvalidSettingError, match="no such home folder"):
            expanded(path)


def test_a_home_that_is_no_folder() -> None:
    loaded = load_settings({}, {"XDG_CONFIG_HOME": "/dev/null/x"})
    assert (loaded.settings, loaded.is_there) == (Settings(), False)
