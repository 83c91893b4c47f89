"""The checks of `doctor`."""

from __future__ import annotations

import importlib
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from itertools import starmap
from typing import Any

from musetalk_fast._version import __version__
from musetalk_fast.config import BUILTIN, DEFAULT_SERVER, ServerSettings, load_settings
from musetalk_fast.errors import ConfigError, MuseTalkError, ServerBusyError

OK, NOTE, PROBLEM = "ok", "note", "problem"

PACKAGES = {
    "numpy": "numpy",
    "av": "av",
    "soxr": "soxr",
    "simplejpeg": "simplejpeg",
    "pillow": "PIL.Image",
    "orjson": "orjson",
    "aiohttp": "aiohttp",
    "uvloop": "uvloop",
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "numba": "numba",
    "prometheus_client": "prometheus_client",
    "click": "click",
    "platformdirs": "platformdirs",
}
"""Distributions and the modules they are imported by."""

Flags = dict[tuple[str, str], Any]
"""(section, key) -> value."""

_PATIENCE_SECS = 5.0
_REPORT = "fix what is named above; if nothing is, please report this line"


@dataclass(frozen=True, slots=True)
class Check:
    """What was found.

    Attributes:
        name: what was looked at.
        state: `ok`, `note` (works, but not at its best) or `problem` (a render would fail).
        detail: what is there.
        fix: one line that fixes it.
    """

    name: str
    state: str
    detail: str
    fix: str | None = None


def check_all(flags: Flags) -> Iterator[Check]:
    """Look at everything, the quick things first.

    Args:
        flags: settings from the command line.
    """
    for name, look in _LOOKS.items():
        yield from _unbroken(name, look(flags))


def _unbroken(name: str, checks: Iterator[Check]) -> Iterator[Check]:
    try:
        yield from checks
    except Exception as error:  # noqa: BLE001 - one broken check must not hide the others
        reason = str(error).partition("\n")[0]
        yield Check(name, PROBLEM, f"{type(error).__name__}: {reason}", _REPORT)


def _program(_flags: Flags) -> Iterator[Check]:
    python = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    yield Check("program", OK, f"musetalk-fast {__version__}, {python}")


def _packages(_flags: Flags) -> Iterator[Check]:
    return starmap(_package, PACKAGES.items())


def _package(name: str, module: str) -> Check:
    try:
        importlib.import_module(module)
        return Check(name, OK, metadata.version(name))
    except (ImportError, OSError) as error:
        reason = str(error).partition("\n")[0]
        fix = f"{sys.executable} -m pip install --force-reinstall {name}"
        return Check(name, PROBLEM, f"cannot be imported: {reason}", fix)


def _ffmpeg(_flags: Flags) -> Iterator[Check]:
    import av

    versions = {name: ".".join(map(str, version)) for name, version in av.library_versions.items()}
    yield Check("FFmpeg", OK, ", ".join(f"{name} {text}" for name, text in versions.items()))


def _kernels(_flags: Flags) -> Iterator[Check]:
    from musetalk_fast.kernels import native

    try:
        status = native.status()
    except ConfigError as error:
        yield Check("kernels", PROBLEM, str(error), error.hint)
        return
    detail = ", ".join(f"{kernel} {level}" for kernel, level in status.items())
    if native.NUMPY not in status.values():
        yield Check("kernels", OK, detail)
    elif native.choice() == native.NUMPY:
        yield Check("kernels", NOTE, detail, f"unset {native.VARIABLE}")
    else:
        fix = (
            "install a C compiler, then, in the folder of the sources: MUSETALK_BUILD_EXTENSIONS="
            "require pip install --force-reinstall --no-deps --no-cache-dir ."
        )
        yield Check("kernels", NOTE, detail, fix)


def _encoders(_flags: Flags) -> Iterator[Check]:
    from musetalk_fast.video.available_encoders import probe_all
    from musetalk_fast.video.containers import CONTAINERS

    defaults = {known.encoder for known in CONTAINERS.values()}
    probed = probe_all()
    yield Check("encoders", OK, ", ".join(found.codec for found in probed if found.opens) or "none")
    for found in probed:
        if not found.opens:
            needed = found.codec in defaults
            fix = f"{sys.executable} -m pip install --force-reinstall av" if needed else None
            yield Check(
                found.codec, PROBLEM if needed else NOTE, f"does not open: {found.reason}", fix
            )


def _still_rows(_flags: Flags) -> Iterator[Check]:
    """Whether the rows of a still avatar that never change can be encoded once."""
    from fractions import Fraction
    from pathlib import Path

    from musetalk_fast.config import OutputSettings
    from musetalk_fast.types import BT709
    from musetalk_fast.video.band_probe import probe_band
    from musetalk_fast.video.encoder_selection import resolve

    try:
        encoder = resolve(OutputSettings(), Path("doctor.mp4"), 128, 512, Fraction(25), BT709)
    except MuseTalkError:
        return  # `encoders` says why
    reason = probe_band(encoder)
    if reason is None:
        yield Check(
            "still rows", OK, f"{encoder.codec}: encoded once, other rows composed with them"
        )
    else:
        detail = (
            f"{encoder.codec}: encoded with every frame, at about three times the CPU: {reason}"
        )
        yield Check("still rows", NOTE, detail)


def _temporary_folder(_flags: Flags) -> Iterator[Check]:
    """Whether the built-in server has a place for its socket, and a plan for its recording."""
    try:
        yield Check("temporary folder", OK, tempfile.gettempdir())
    except OSError as error:
        fix = "set TMPDIR to a folder that you may write to"
        yield Check("temporary folder", PROBLEM, error.strerror or str(error), fix)


def _compiled_code(_flags: Flags) -> Iterator[Check]:
    """Whether the preview engine's compiled code outlives its process."""
    from musetalk_fast.storage import find_cache_folder

    kept = find_cache_folder()
    if kept is not None:
        yield Check("compiled code", OK, f"kept in {kept}")
    else:
        detail = "cannot be kept: the preview engine compiles each time it starts"
        yield Check(
            "compiled code",
            NOTE,
            detail,
            "set NUMBA_CACHE_DIR to a folder that only you may write to",
        )


def _settings(flags: Flags) -> Iterator[Check]:
    """The configuration, and the server it names."""
    try:
        loaded = load_settings(flags)
    except ConfigError as error:
        yield Check("configuration", PROBLEM, str(error), error.hint)
        return
    there = "" if loaded.is_there else " (not there: defaults)"
    yield Check("configuration", OK, f"{loaded.path}{there}")
    for warning in loaded.warnings:
        yield Check("configuration", NOTE, warning, "correct its name, or unset it")
    settings = loaded.settings.server
    for url in settings.url or (DEFAULT_SERVER,):
        yield _server(url, settings)


def _server(url: str, settings: ServerSettings) -> Check:
    if url == BUILTIN:
        return Check("server", OK, "built-in preview engine (a preview, not MuseTalk)")
    try:
        return Check("server", OK, f"{url}: {_describe(url, settings)}")
    except ServerBusyError as error:
        return Check("server", NOTE, str(error), error.hint)
    except MuseTalkError as error:
        if settings.url is None:
            detail = f"none at {url}: renders use the built-in preview engine"
            return Check("server", NOTE, detail, "start one, or choose one with -s/--server")
        return Check("server", PROBLEM, str(error), error.hint)


def _describe(url: str, settings: ServerSettings) -> str:
    from contextlib import AsyncExitStack

    from musetalk_fast.cli.signals import run
    from musetalk_fast.client.negotiate import open_server

    patient = replace(settings, timeout_secs=min(settings.timeout_secs, _PATIENCE_SECS))

    async def ask() -> str:
        async with AsyncExitStack() as stack:
            info = (await open_server(url, patient, stack)).info
            return f"engine {info.engine}, model {info.model}"

    return run(ask())


_LOOKS: dict[str, Callable[[Flags], Iterator[Check]]] = {
    "program": _program,
    "packages": _packages,
    "FFmpeg": _ffmpeg,
    "kernels": _kernels,
    "encoders": _encoders,
    "still rows": _still_rows,
    "temporary folder": _temporary_folder,
    "compiled code": _compiled_code,
    "configuration": _settings,
}
