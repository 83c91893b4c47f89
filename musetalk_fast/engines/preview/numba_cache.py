"""Numba's compiled code on disk: kept in a folder of ours, and compiled again if it is damaged."""

from __future__ import annotations

import hashlib
import logging
import pickle
import platform
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import llvmlite
import llvmlite.binding
import numba
import numba.core.caching

from musetalk_fast.storage import find_cache_folder

_Function = TypeVar("_Function", bound=Callable[..., Any])

config: Any = numba.config
"""Its attributes come from the environment: type checkers do not see them."""
_caching: Any = numba.core.caching
"""It has no types."""

_VERSIONS = f"{numba.__version__} {platform.python_version()} {llvmlite.__version__}".encode()
_DIGEST_BYTES = 32


def compiled(function: _Function) -> _Function:
    """Compile a function that releases the GIL, and keep its code in a safe folder if there is one.

    Numba looks for the folder when a cache is made; its setting is put back afterwards, so that
    other packages of the process keep their own.
    """
    dispatcher: Any = numba.njit(nogil=True)(function)
    folder, before = _folder(), config.CACHE_DIR
    if folder is not None:
        config.CACHE_DIR = str(folder)
        try:
            dispatcher._cache = _Cache(function)  # noqa: SLF001 - as its `enable_caching` does
        finally:
            config.CACHE_DIR = before
    return cast("_Function", dispatcher)


def _folder() -> Path | None:
    """The folder of code for this machine's processor, which no other user can enter.

    Machines that share a home write the same names at the same time; Numba's index says which
    processor each code is for, but the code itself does not, and is run as it is.
    """
    kept = find_cache_folder()
    if kept is None:
        return None
    folder = kept / hashlib.sha256(_VERSIONS + _processor()).hexdigest()[:16]
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return None
    return folder


def _processor() -> bytes:
    name = config.CPU_NAME or llvmlite.binding.get_host_cpu_name()
    features = config.CPU_FEATURES
    if features is None:
        features = llvmlite.binding.get_host_cpu_features().flatten()
    return f"{name} {features}".encode()


class _Cache(_caching.FunctionCache):  # type: ignore[misc]
    """A cache whose faults mean no more than that the function is compiled again."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file = _SealedFile(
            self._cache_path, self._impl.filename_base, self._impl.locator.get_source_stamp()
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled code for a signature, or None."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # noqa: BLE001 - what unpickling may raise has no limit
            logging.getLogger(__name__).info("compiled code of %s is damaged", self._name)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep it, unless the disk is full or the folder gone."""
        with suppress(OSError):
            super().save_overload(sig, data)


class _SealedFile(_caching.IndexDataCacheFile):  # type: ignore[misc]
    """Files that begin with the SHA-256 of the versions that wrote them and of what follows.

    Numba's own are unpickled as they are, and what is executed then is whatever they contain.
    """

    def _load_index(self) -> dict[Any, str]:
        with suppress(OSError):
            stamp, overloads = _read(self._index_path)
            if stamp == self._source_stamp:
                return cast("dict[Any, str]", overloads)
        return {}

    def _save_index(self, overloads: dict[Any, str]) -> None:
        self._write(self._index_path, (self._source_stamp, overloads))

    def _load_data(self, name: str) -> Any:
        return _read(self._data_path(name))  # after an OSError it is compiled and written again

    def _save_data(self, name: str, data: Any) -> None:
        self._write(self._data_path(name), data)

    def _write(self, path: str, content: Any) -> None:
        body = self._dump(content)
        with self._open_for_write(path) as file:
            file.write(_digest(body) + body)


def _read(path: str) -> Any:
    content = Path(path).read_bytes()
    body = content[_DIGEST_BYTES:]
    if content[:_DIGEST_BYTES] != _digest(body):
        raise OSError(f"{path} is damaged, or of another version")
    return pickle.loads(body)  # noqa: S301 - nobody else may write to the folder


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(_VERSIONS + body).digest()
