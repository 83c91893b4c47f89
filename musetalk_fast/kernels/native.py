"""Which kernels are native, and with which instruction set.

`MUSETALK_KERNELS` chooses: `auto` (default) takes the best set this CPU has, `numpy` the
references, and a set's name (`baseline`, `sse4.2`, `avx2`, `avx512vbmi`) nothing beyond
that set.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
from types import ModuleType

from musetalk_fast.errors import InvalidSettingError

VARIABLE = "MUSETALK_KERNELS"
NUMPY = "numpy"
SETS = ("baseline", "sse4.2", "avx2", "avx512vbmi")
"""Instruction sets, each beyond those before it; the numbers the C sources know them by."""

KERNELS = (
    *("base64", "crc32c", "h264", "lines"),
    *("paste", "patch", "rgb", "soft_mask", "tone_map", "yuv"),
)


@functools.cache
def choice() -> str:
    """What `MUSETALK_KERNELS` asks for, checked.

    Raises:
        InvalidSettingError: a name that is no instruction set.
    """
    known = ("auto", NUMPY, *SETS)
    value = os.environ.get(VARIABLE, "auto").strip().lower() or "auto"
    if value not in known:
        raise InvalidSettingError(
            f"{VARIABLE} is {value!r}; it takes {', '.join(known)}", hint=f"unset {VARIABLE}"
        )
    return value


@functools.cache
def load(kernel: str) -> ModuleType | None:
    """The extension module of a kernel, set to the instruction set to use; None: the reference."""
    name = f"musetalk_fast.kernels._{kernel}"
    if choice() == NUMPY or importlib.util.find_spec(name) is None:
        return None
    module = importlib.import_module(name)
    wanted = choice()
    module.use(len(SETS) - 1 if wanted == "auto" else SETS.index(wanted))
    return module


def status() -> dict[str, str]:
    """Each kernel's instruction set (one of `SETS`), or `numpy`.

    A kernel stands at the best set it has a form for, at or below the one chosen.
    """
    found = {kernel: load(kernel) for kernel in KERNELS}
    return {
        kernel: NUMPY if module is None else SETS[module.used()] for kernel, module in found.items()
    }
