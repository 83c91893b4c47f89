"""The command that runs a module of this very package in a Python process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

_PACKAGE = Path(__file__).absolute().with_name("__init__.py")
_LAUNCH = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("musetalk_fast", sys.argv.pop(1))
package = sys.modules["musetalk_fast"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package)
importlib.import_module(sys.argv.pop(1)).main()
"""


def python_command(module: str) -> tuple[str, ...]:
    """The beginning of a command line; the arguments that follow are the module's own.

    Not `-m`: that imports what lies in the working folder, which holds the user's files. `-P` keeps
    that folder out; `PYTHONPATH` and installed packages stay.

    Args:
        module: its full name; its `main()` is called.
    """
    return (sys.executable, "-P", "-c", _LAUNCH, str(_PACKAGE), module)
