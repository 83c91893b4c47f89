"""The public names are pinned, and importing the package loads nothing heavy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
    assert dir(musetalk_fast) == musetalk_fast.__all__


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


PORTRAIT = "examples/portrait.png"


def test_plan_takes_texts_and_paths(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])
    output = tmp_path / "out.mp4"
    plan = musetalk_fast.plan(PORTRAIT, "tests/data/short.wav", str(output))
    again = musetalk_fast.plan(Path(PORTRAIT), Path("tests/data/short.wav"), output)
    assert plan == again
    assert plan.frames == 75
    assert list(tmp_path.iterdir()) == []


def test_a_section_of_another_kind_is_refused() -> None:
    with pytest.raises(musetalk_fast.errors.InvalidSettingError, match="ServerSettings"):
        musetalk_fast.Settings(server="builtin")


async def test_render_inside_a_loop_says_what_to_call(tmp_path) -> None:
    with pytest.raises(musetalk_fast.errors.UsageError) as caught:
        musetalk_fast.render(PORTRAIT, "tests/data/short.wav", tmp_path / "out.mp4")
    assert "render_async" in (caught.value.hint or "")


def test_a_misspelt_name_does_not_pass_a_type_checker(tmp_path) -> None:
    script = tmp_path / "user.py"
    script.write_text(
        "import musetalk_fast\n"
        "settings = musetalk_fast.Settings(output=musetalk_fast.OutputSettings(fps=30))\n"
        "print(musetalk_fast.render('a.png', 'b.wav', 'c.mp4', settings).frames + 1)\n"
        "print(musetalk_fast.Setings)\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache")]
    # It is about our names, not NumPy's and aiohttp's, whose reading takes long.
    command += ["--no-site-packages", "--ignore-missing-imports"]
    done = subprocess.run(
        [*command, str(script)],
        cwd=tmp_path,
        env=os.environ | {"MYPYPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    complaints = [line for line in done.stdout.splitlines() if line.startswith("user.py")]
    assert len(complaints) == 1, done.stdout
    assert complaints[0].startswith("user.py:4: error: Module has no attribute")
