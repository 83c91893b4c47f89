"""The sample by the real model and by the preview, for a person to judge: no range is invented."""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from musetalk_fast.config import BUILTIN, ProcessingSettings, ServerSettings, Settings
from musetalk_fast.engines.musetalk.model_folder import find_models
from musetalk_fast.errors import OutputPlaceError
from musetalk_fast.events import MouthFigures, OnEvent, ProgressEvent
from musetalk_fast.models.side_by_side import (
    MouthPicture,
    mouth_picture,
    mouth_place,
    write_sheet,
    write_side_by_side,
)
from musetalk_fast.rendering import RenderResult, render_async
from musetalk_fast.server_process import LOAD_SECS, ServerProcess
from musetalk_fast.storage import AtomicFile, write_errors
from musetalk_fast.threads import run_in_thread

_SAMPLE = Path(__file__).parents[1] / "server/page"
"""The page offers it too: in a wheel there are no `examples`."""

_AGAIN = re.compile(r"(\d+) crops were no numbers")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFigures:
    """What one engine has made.

    Attributes:
        engine, model: as it describes itself.
        frames: of the video.
        fps: frames a second while they were generated and encoded, the first one's warm-up
            included.
        prepare_secs: of the avatar and the recording.
        mouth: how far it moves, and how that follows the speech.
        picture: of the mouth's place; None: the two videos are alike.
    """

    engine: str
    model: str
    frames: int
    fps: float
    prepare_secs: float
    mouth: MouthFigures | None
    picture: MouthPicture | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """Both engines on the same avatar and recording.

    Attributes:
        load_secs: until the engine served.
        made_again: crops that were no numbers in 16 bits, and were made again in 32, as far as the
            engine's log says.
        said: the last lines of that log.
        video, sheet, report: files.
    """

    musetalk: EngineFigures
    preview: EngineFigures
    load_secs: float
    made_again: int
    said: tuple[str, ...]
    video: str
    sheet: str
    report: str


def sample() -> tuple[Path, Path]:
    """The portrait and the recording that come with the package."""
    return _SAMPLE / "portrait.jpg", _SAMPLE / "speech.flac"


async def run_selftest(
    models_dir: Path,
    inputs: tuple[Path, Path],
    output: Path,
    on_event: OnEvent,
    *,
    options: tuple[str, ...] = (),
    duration: float | None = None,
) -> SelfTest:
    """Render with both engines and compare.

    Args:
        inputs: avatar and recording.
        output: folder of what is made; files of the same names in it are replaced.
        options: more of `serve`, for the engine.
        duration: seconds of the recording; None: all.

    Raises:
        errors.MuseTalkError: the leaf that says what went wrong.
    """
    find_models(models_dir)  # what is missing is said at once
    _make_folder(output)

    async def make(url: str, name: str) -> RenderResult:
        settings = Settings(
            server=ServerSettings(url=(url,)), processing=ProcessingSettings(duration=duration)
        )
        return await render_async(*inputs, output / name, settings, fresh=True, on_event=on_event)

    preview = await make(BUILTIN, "preview.mp4")
    on_event(ProgressEvent(stage="load", done=0, total=1))
    began = time.monotonic()
    engine = ("--engine", "musetalk", "--models-dir", str(models_dir), *options)
    async with ServerProcess(engine, start_secs=LOAD_SECS) as server:
        load_secs = time.monotonic() - began
        real = await make(server.address, "musetalk.mp4")
        said = server.log
    return await run_in_thread(lambda: _compare(real, preview, output, load_secs, said))


def _make_folder(output: Path) -> None:
    """Make the folder.

    Raises:
        errors.OutputPlaceError: a file is there.
        errors.OutputWriteError: it cannot be made.
    """
    with write_errors(output):
        if output.exists() and not output.is_dir():
            raise OutputPlaceError("no folder", where=str(output), hint="name another one with -o")
        output.mkdir(parents=True, exist_ok=True)


def _compare(
    real: RenderResult, preview: RenderResult, output: Path, load_secs: float, said: tuple[str, ...]
) -> SelfTest:
    place = mouth_place(real.output, preview.output)
    video, sheet = output / "side-by-side.mp4", output / "sheet.png"
    write_side_by_side(preview.output, real.output, video)
    write_sheet({"preview": preview.output, "musetalk": real.output}, place, sheet)

    def figures(result: RenderResult) -> EngineFigures:
        return EngineFigures(
            engine=result.engine,
            model=result.model,
            frames=result.frames,
            fps=round(result.fps, 2),
            prepare_secs=round(result.stages.get("prepare", 0.0), 2),
            mouth=result.mouth,
            picture=mouth_picture(result.output, place) if place else None,
        )

    found = SelfTest(
        musetalk=figures(real),
        preview=figures(preview),
        load_secs=round(load_secs, 1),
        made_again=sum(int(each) for line in said for each in _AGAIN.findall(line)),
        said=said,
        video=str(video),
        sheet=str(sheet),
        report=str(output / "report.json"),
    )
    with AtomicFile(output / "report.json") as file:
        file.write(json.dumps(asdict(found), indent=1).encode())
        file.commit()
    return found
