"""The public names are pinned, and importing the package loads nothing heavy."""

from __future__ import annotations

import asyncio
import doctest
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import musetalk_fast
from musetalk_fast.rendering import api


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
        "join",
        "load_settings",
        "plan",
        "render",
        "render_async",
        "segment",
        "write_plan",
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
REPOSITORY = Path(__file__).parents[1]


def test_plan_takes_texts_and_paths(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])
    output = tmp_path / "out.mp4"
    plan = musetalk_fast.plan(PORTRAIT, "tests/data/short.wav", str(output))
    again = musetalk_fast.plan(Path(PORTRAIT), Path("tests/data/short.wav"), output)
    assert plan == again
    assert plan.frames == 75
    assert list(tmp_path.iterdir()) == []


def test_a_renderer_takes_texts_and_paths(tmp_path, monkeypatch, preview_server) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])
    settings = musetalk_fast.Settings(server=musetalk_fast.ServerSettings(url=preview_server))

    async def clips() -> list[int]:
        async with musetalk_fast.Renderer(settings) as renderer:
            files = PORTRAIT, "tests/data/short.wav", str(tmp_path / "out.mp4")
            as_texts = await renderer.render(*files)
            as_paths = await renderer.render(*map(Path, files))
            return [as_texts.frames, as_paths.frames]

    assert asyncio.run(clips()) == [75, 75]


def test_a_section_of_another_kind_is_refused() -> None:
    with pytest.raises(musetalk_fast.errors.InvalidSettingError, match="ServerSettings"):
        musetalk_fast.Settings(server="builtin")


def test_every_function_has_an_example_that_runs(tmp_path, monkeypatch, preview_server) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(REPOSITORY / PORTRAIT, "portrait.png")
    shutil.copy(REPOSITORY / "tests/data/short.wav", "speech.wav")
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(verbose=False)
    functions = ("plan", "render", "render_async", "write_plan", "segment", "join", "Renderer")
    monkeypatch.setenv("MUSETALK_SERVER_URL", preview_server)
    for name in (*functions, "load_settings"):
        text = getattr(musetalk_fast, name).__doc__.replace('builtin"', f'{preview_server}"')
        example = parser.get_doctest(text, {}, name, None, None)
        assert example.examples, name
        assert runner.run(example).failed == 0, name
    assert (tmp_path / "out.mp4").exists()


async def test_render_inside_a_loop_works_in_a_loop_of_its_own(tmp_path, preview_server) -> None:
    settings = musetalk_fast.Settings(
        server=musetalk_fast.ServerSettings(url=preview_server),
        output=musetalk_fast.OutputSettings(resolution=(256, 256), preset="ultrafast"),
    )
    inputs = REPOSITORY / PORTRAIT, REPOSITORY / "tests/data/short.wav"
    threads = set()

    def listen(_event: object) -> None:
        threads.add(threading.current_thread().name)

    result = musetalk_fast.render(*inputs, tmp_path / "out.mp4", settings, on_event=listen)
    assert result.frames == 75
    assert threads == {"musetalk-render_0"}


def test_what_interrupts_a_render_beside_a_loop_ends_it(tmp_path, preview_server) -> None:
    settings = musetalk_fast.Settings(server=musetalk_fast.ServerSettings(url=preview_server))
    inputs = REPOSITORY / PORTRAIT, REPOSITORY / "tests/data/short.wav"

    def interrupt(event: object) -> None:
        if isinstance(event, musetalk_fast.events.PlanEvent):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    async def work() -> object:
        return await musetalk_fast.render_async(
            *inputs, tmp_path / "out.mp4", settings, on_event=interrupt
        )

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            api._run_in_thread(work)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("executable", ["", None, "/nonexistent/python"])
def test_a_host_without_an_interpreter_gets_an_error_of_ours(
    tmp_path, monkeypatch, executable: str | None
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    settings = musetalk_fast.Settings(server=musetalk_fast.ServerSettings(url="builtin"))
    inputs = REPOSITORY / PORTRAIT, REPOSITORY / "tests/data/short.wav"
    with pytest.raises(musetalk_fast.errors.ServerFailedError) as caught:
        musetalk_fast.render(*inputs, tmp_path / "out.mp4", settings)
    assert "builtin" in str(caught.value.where)
    assert caught.value.hint


@pytest.mark.long
@pytest.mark.long
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
