"""Compile the kernels in ext/, and make man pages and completion; all else is in pyproject.toml.

MUSETALK_BUILD_EXTENSIONS decides what a missing or failing compiler means: `auto` (the default)
installs without native kernels, the NumPy references doing their work; `require` fails; `off`
compiles nothing. MUSETALK_EXTRA_CFLAGS are appended to the compiler's flags (ci/sanitize.sh).

The kernels use only Python's stable interface (abi3), so that one wheel serves 3.11 and all later.
"""

import os
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

sys.path.insert(0, str(Path(__file__).parent))  # an isolated build has no folder of its own there

from build_steps.setup_commands import COMMANDS

VARIABLE = "MUSETALK_BUILD_EXTENSIONS"
SOURCES = {
    "base64": ["base64.c"],
    "crc32c": ["crc32c.c"],
    "h264": ["h264.c", "h264_skips.c"],
    "lines": ["lines.c", "crc32c.c"],
    "paste": ["paste.c", "rows.c"],
    "patch": ["patch.c"],
    "rgb": ["rgb.c"],
    "soft_mask": ["soft_mask.c"],
    "tone_map": ["tone_map.c"],
    "yuv": ["yuv.c", "rows.c"],
}
SHARED = (
    "base64_vbmi.h",
    "cpu.h",
    "h264_bits.h",
    "h264_skips.h",
    "rows.h",
    "rows.pxd",
    "view.pxi",
    "planes.pxi",
)
HEADERS = [f"ext/{name}" for name in (*SHARED, *(f"{kernel}.h" for kernel in SOURCES))]
# Without debugging, whose paths would make two builds differ (the linker hashes them into an ID).
FLAGS = ["-O3", "-g0", "-std=c11", "-fvisibility=hidden"]
FLAGS += os.environ.get("MUSETALK_EXTRA_CFLAGS", "").split()
# Measured over the kernels of a frame: 0.5 % (binary) to 1 % (NDJSON) more than without it.
STABLE = not sysconfig.get_config_var("Py_GIL_DISABLED")  # which has no stable interface yet


def extensions(mode: str) -> list[Extension]:
    """The modules to build; `mode` is the value of `MUSETALK_BUILD_EXTENSIONS`."""
    if mode not in ("auto", "require", "off"):
        raise SystemExit(f"{VARIABLE} is {mode!r}; it takes auto, require or off")
    if mode == "off":
        return []
    from Cython.Build import cythonize

    modules = [
        Extension(
            f"musetalk_fast.kernels._{kernel}",
            [f"ext/_{kernel}.pyx", *(f"ext/{source}" for source in sources)],
            include_dirs=["ext"],
            depends=HEADERS,
            extra_compile_args=FLAGS,
            define_macros=[("Py_LIMITED_API", "0x030B0000")] if STABLE else [],
            py_limited_api=STABLE,
        )
        for kernel, sources in SOURCES.items()
    ]
    compiled = cythonize(modules, build_dir="build/cython", language_level=3)
    for module in compiled:  # cythonize returns new objects: a flag set before it is lost
        module.optional = mode == "auto"
    return compiled


setup(
    ext_modules=extensions(os.environ.get(VARIABLE, "auto")),
    cmdclass=COMMANDS,
    data_files=[("share", [])],  # which ones: setup_commands.InstallCommandFiles
    options={
        "build_ext": {"parallel": min(len(SOURCES), os.cpu_count() or 1)},
        "bdist_wheel": {"py_limited_api": "cp311" if STABLE else False},
    },
)
