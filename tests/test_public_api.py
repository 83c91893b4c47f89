"""The public names are pinned, and importing the package loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import musetalk_fast


def test_public_names() -> None:
    assert musetalk_fast.__all__ == [
        "AvatarSettings",
        "OutputSettings",
        "Plan",
        "ProcessingSettings",
        "RenderResult",
        "Renderer",
        "ServerSettings",
        "Settings",
        "__version__",
        "errors",
        "events",
        "plan",
        "render",
        "render_async",
    ]
    for name in musetalk_fast.__all__:
        value = getattr(musetalk_fast, name)
        assert name == "__version__" or value.__doc__


def test_import_is_cheap() -> None:
    script = (
        "import sys, musetalk_fast;"
        "print(sorted({'numpy', 'av', 'aiohttp', 'numba', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_version_is_the_packages() -> None:
    from importlib.metadata import version

    assert musetalk_fast.__version__ == version("musetalk-fast")
