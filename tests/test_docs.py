"""The README is right: its recipes run, its commands exist."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import av
import click
import pytest
from PIL import Image

from musetalk_fast.cli.main import cli
from musetalk_fast.config.file import config_path
from musetalk_fast.storage import cache_folder

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()
BLOCK = re.compile(r"^```(?P<kind>[a-z ]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


PATIENCE_SECS = 900
"""For what hangs; on a busy machine a render takes minutes."""
BUILTIN = (
    "musetalk-fast render -s builtin -i examples/portrait.png -a examples/speech.wav -o out.mp4\n"
)
SEVEN_SECONDS = "musetalk-fast segment "
"""What names segments is run on the example itself, other recipes on a shorter recording."""


def _blocks(kind: str) -> list[str]:
    _, recipes = README.split("## Recipes")
    return [match["text"] for match in BLOCK.finditer(recipes) if match["kind"] == kind]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clone's folder, as far as the recipes name it."""
    (tmp_path / "examples").mkdir()
    shutil.copy(REPOSITORY / "examples/portrait.png", tmp_path / "examples")
    shutil.copy(REPOSITORY / "tests/data/short.wav", tmp_path / "examples/speech.wav")
    return tmp_path


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config")}
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PATH": path} | environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECS,
    )


@pytest.mark.parametrize("recipe", _blocks("sh"), ids=lambda text: text.split("\n")[0][-50:])
def test_shell_recipe_runs(recipe: str, folder: Path, preview_server: str) -> None:
    if SEVEN_SECONDS in recipe:
        shutil.copy(REPOSITORY / "examples/speech.wav", folder / "examples")
    if recipe != BUILTIN:  # one of them starts it; the others are about something else
        recipe = recipe.replace("-s builtin", f"-s {preview_server}")
    done = _run(["bash", "-euc", recipe], folder)
    assert done.returncode == 0, done.stderr
    for name in re.findall(r"-o (out\.\w+)", recipe):
        dry = "render -n" in recipe or "farm export" in recipe
        assert (folder / name).exists() is not dry


def test_one_recipe_starts_the_builtin_server() -> None:
    assert BUILTIN in _blocks("sh")


@pytest.mark.parametrize("recipe", _blocks("python"), ids=["render", "render_async"])
def test_python_recipe_runs(recipe: str, folder: Path, preview_server: str) -> None:
    assert 'url="builtin"' in recipe
    done = _run([sys.executable, "-c", recipe.replace("builtin", preview_server)], folder)
    assert done.returncode == 0, done.stderr
    *progress, last = done.stdout.splitlines()
    assert last == "75 preview"
    assert progress[-1:] == ["75 of 75"] * ("render_async" in recipe)


@pytest.mark.parametrize(
    ("serving", "asking", "address"),
    [
        ("sh serve", "sh server", "http://127.0.0.1:8000"),
        ("sh serve", "sh infer", "http://127.0.0.1:8000"),
        ("sh serve", "sh jobs", "http://127.0.0.1:8000"),
        ("sh socket", "sh nearby", "unix:server.sock"),
        ("sh guard", "sh guarded", "https://127.0.0.1:8443"),
    ],
)
def test_serve_recipe_and_a_client_of_it(
    folder: Path, serving: str, asking: str, address: str
) -> None:
    (serve,), (client,) = _blocks(serving), _blocks(asking)
    if serving == "sh guard":
        (make,) = _blocks("sh certificate")
        made = _run(["bash", "-euc", make], folder)
        assert made.returncode == 0, made.stderr
        _check_strictly(folder / "ca.pem")
    with _serving(serve, folder) as chosen:
        done = _run(["bash", "-euc", client.replace(address, chosen)], folder)
    assert done.returncode == 0, done.stderr


def _check_strictly(certificate: Path) -> None:
    """As Python does from 3.13 on."""
    mine = ["openssl", "verify", "-x509_strict", "-CAfile", str(certificate), str(certificate)]
    checked = subprocess.run(mine, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.long
def test_recipe_with_several_servers(folder: Path) -> None:
    (serve,), (client,) = _blocks("sh serve"), _blocks("sh servers")
    with _serving(serve, folder) as one, _serving(serve, folder) as other:
        for number, chosen in ((8001, one), (8002, other)):
            client = client.replace(f"http://127.0.0.1:{number}", chosen)
        done = _run(["bash", "-euc", client], folder)
    assert done.returncode == 0, done.stderr
    assert all(f"server: {each} " in done.stderr for each in (one, other))


@contextmanager
def _serving(recipe: str, folder: Path) -> Iterator[str]:
    """Run a server's recipe while the context is open; gives its address."""
    path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    # The port of the recipe may be taken here: the system chooses one.
    server = subprocess.Popen(
        ["bash", "-euc", "exec " + re.sub(r"--port \d+", "--port 0", recipe)],
        cwd=folder,
        env=os.environ | path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        yield server.stdout.readline().removeprefix("listening on ").strip()
    finally:
        server.terminate()
        server.wait(60)
        server.stdout.close()


def test_the_engine_of_its_page_works(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed as `pip install .` would: a module, and a folder that names its entry point."""
    page = (REPOSITORY / "docs/how-to/write-an-engine.md").read_text()
    text = {match["kind"]: match["text"] for match in BLOCK.finditer(page)}
    project = tomllib.loads(text["toml"])["project"]
    ((group, entries),) = project["entry-points"].items()
    plugins = folder / "plugins"
    about = plugins / "bright_engine-1.dist-info"
    about.mkdir(parents=True)
    (plugins / "bright_engine.py").write_text(text["python"])
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1\n")
    lines = [f"[{group}]", *(f"{name} = {place}" for name, place in entries.items())]
    (about / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.setenv("PYTHONPATH", str(plugins))
    (serve,) = re.findall(r"^\$ (musetalk-fast serve .*)$", text["console"], re.MULTILINE)
    inputs = "-i examples/portrait.png -a examples/speech.wav -o out.mp4"
    with _serving(serve, folder) as url:
        done = _run(["bash", "-euc", f"musetalk-fast render -s {url} --lossless {inputs}"], folder)
    assert done.returncode == 0, done.stderr
    assert "engine bright bright-1" in done.stderr
    with av.open(str(folder / "out.mp4")) as video:
        light = [frame.to_ndarray(format="gray").mean() for frame in video.decode(video=0)]
    assert len(light) == 75
    assert max(light) - min(light) > 0.3, "the mouth is brighter where it is loud"


def test_every_command_has_help_and_stands_in_the_readme() -> None:
    context = click.Context(cli)
    names = cli.list_commands(context)
    assert {"render", "batch", "serve", "config", "doctor"} <= set(names)
    for name in names:
        command = cli.get_command(context, name)
        assert command is not None
        assert command.help
        assert f"musetalk-fast {name}" in README


def test_every_exit_code_is_documented() -> None:
    from musetalk_fast import errors

    table = README.split("## Exit codes")[1]
    codes = {int(code) for code in re.findall(r"\d+", table.split("## More")[0])}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    used = {kind.exit_code for kind in kinds if issubclass(kind, errors.MuseTalkError)}
    assert used <= codes
    assert not codes & {33, 137}


def test_the_animation_is_the_whole_example_and_small() -> None:
    path = REPOSITORY / "docs/images/example.webp"
    assert f"]({path.relative_to(REPOSITORY)})" in README
    assert path.stat().st_size < 1_000_000
    with Image.open(path) as picture:
        assert getattr(picture, "n_frames", 1) > 100
        assert min(picture.size) >= 256


def test_what_stays_after_uninstalling_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (REPOSITORY / "docs/configuration.md").read_text().split("## What stays")[1]
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("HOME", "/home/anna")
    for folder in cache_folder._candidates():
        shown = str(folder.parent).replace("/home/anna", "~").replace(f"-{os.getuid()}", "-UID")
        assert f"`{shown}`" in page
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert f"`{str(config_path(os.environ)[0]).replace('/home/anna', '~')}`" in page


def test_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)", README):
        assert target.startswith("http") or (REPOSITORY / target).exists(), target


PAGES = sorted((REPOSITORY / "docs").glob("tutorial/*.md")) + sorted(
    (REPOSITORY / "docs/how-to").glob("*.md")
)
ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")


@pytest.mark.long
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_runs_from_top_to_bottom(page: Path, folder: Path) -> None:
    for program in ("curl", "ffmpeg", "ffprobe"):
        if re.search(rf"^{program} ", page.read_text(), re.MULTILINE) and not shutil.which(program):
            pytest.skip(f"there is no {program}")
    shutil.copy(REPOSITORY / "examples/speech.wav", folder / "examples")
    chosen: dict[str, str] = {}
    with ExitStack() as servers:
        for block in BLOCK.finditer(page.read_text()):
            text = ADDRESS.sub(lambda found: chosen.get(found[1], found[0]), block["text"])
            if block["kind"] == "sh serve":
                port = re.findall(r"--port (\d+)", text)[0]
                chosen[port] = servers.enter_context(_serving(text, folder))
            elif block["kind"] in ("sh", "sh server"):
                done = _run(["bash", "-euo", "pipefail", "-c", text], folder)
                assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
            elif block["kind"] == "python":
                done = _run([sys.executable, "-c", text], folder)
                assert done.returncode == 0, done.stderr
