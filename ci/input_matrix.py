"""Every kind of avatar that people bring, rendered; what came of each, as a table.

    python ci/input_matrix.py [FOLDER] [--only WORD]

Makes the inputs of `avatar_inputs` and `strange_avatars` in FOLDER (default build/input-matrix),
renders each with the built-in preview, and prints the video that came, with its warnings, or the
error. Of each video three frames are laid beside one another in FOLDER/NAME.png, to be looked at;
transparent ones over squares. Exit code 1 if one does not come out as it should.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from avatar_inputs import CASES, ROOT, Case
from PIL import Image
from strange_avatars import STRANGE_CASES

from musetalk_fast import ServerSettings, Settings, render_async
from musetalk_fast.errors import MuseTalkError
from musetalk_fast.events import FacelessEvent, WarningEvent
from musetalk_fast.server_process import ServerProcess

SPEECH_SECS = 0.8
"""Longer than the clips: they turn, and play backward."""


def main() -> int:
    """Render all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "build/input-matrix")
    parser.add_argument("--only", default="", help="names with this in them")
    asked = parser.parse_args()
    shutil.rmtree(asked.folder, ignore_errors=True)
    asked.folder.mkdir(parents=True)
    every = {**CASES, **{f"strange: {name}": case for name, case in STRANGE_CASES.items()}}
    cases = {name: case for name, case in every.items() if asked.only in name}
    return asyncio.run(_all(cases, asked.folder))


async def _all(cases: dict[str, Case], folder: Path) -> int:
    speech, wrong = _speech(folder / "speech.wav"), 0
    print("| input | what came | as it should |\n|---|---|---|")
    async with ServerProcess() as server:
        for name, case in cases.items():
            found, is_right = await _one(folder, name, case, speech, server.address)
            wrong += not is_right
            print(f"| {name} | {found} | {'yes' if is_right else 'NO'} |", flush=True)
    return int(wrong > 0)


async def _one(folder: Path, name: str, case: Case, speech: Path, address: str) -> tuple[str, bool]:
    """What came of an input, and whether that is right."""
    plain = re.sub(r"\W+", "-", name).strip("-")
    output, notes = folder / f"{plain}-out{case.output}", list[str]()

    def note(event: object) -> None:
        if isinstance(event, WarningEvent):
            notes.append(event.message)
        elif isinstance(event, FacelessEvent):
            notes.append(f"no face in {event.frames} of {event.total}: {event.shown}")

    try:
        made = case.make(folder / plain)
        await render_async(made, speech, output, _settings(case, address), on_event=note)
    except MuseTalkError as error:
        message = f"{type(error).__name__}: {error}; {error.hint or 'no hint'}"
        return _cell(message), type(error).__name__ == case.wanted and bool(error.hint)
    frames = _frames(output)
    _sheet(frames, folder / f"{plain}.png")
    is_noted = case.note in " ".join(notes)
    return _cell("; ".join([_facts(output, len(frames)), *notes])), not case.wanted and is_noted


def _settings(case: Case, address: str) -> Settings:
    settings = Settings(server=ServerSettings(url=address))
    for name, value in case.settings.items():
        section, _, member = name.partition(".")
        changed: Any = replace(getattr(settings, section), **{member: value})
        settings = replace(settings, **{section: changed})
    return settings


def _speech(path: Path) -> Path:
    with wave.open(str(ROOT / "tests/data/short.wav")) as given, wave.open(str(path), "wb") as out:
        out.setparams(given.getparams())
        given.setpos(given.getframerate() // 2)
        out.writeframes(given.readframes(int(SPEECH_SECS * given.getframerate())))
    return path


def _frames(path: Path) -> list[Image.Image]:
    """All frames, by libvpx where they may have alpha."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        if stream.codec_context.name != "vp9":
            return [frame.to_image() for frame in file.decode(stream)]
        decoder: Any = av.CodecContext.create("libvpx-vp9", "r")
        decoder.extradata = stream.codec_context.extradata
        shown = []
        for packet in file.demux(stream):
            data = packet if packet.size else None
            for frame in decoder.decode(data):
                rgba = frame.reformat(format="rgba", src_colorspace=1).to_ndarray()
                shown.append(Image.fromarray(rgba))
        return shown


def _sheet(frames: list[Image.Image], path: Path) -> None:
    """The first, a middle and the last frame."""
    some = [frames[0], frames[len(frames) // 2], frames[-1]]
    width, height = some[0].size
    y, x = np.mgrid[0:height, 0 : 3 * width]
    squares = np.where((x // 16 + y // 16) % 2, 190, 110).astype(np.uint8)
    sheet = Image.fromarray(squares).convert("RGB")
    for place, frame in enumerate(some):
        sheet.paste(frame, (place * width, 0), frame if frame.mode == "RGBA" else None)
    sheet.save(path)


def _facts(path: Path, frames: int) -> str:
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        context = stream.codec_context
        tags = (
            context.colorspace,
            context.color_range,
            context.color_primaries,
            context.color_trc,
        )
        rate = stream.average_rate
        return (
            f"{context.name} {context.width}x{context.height} {context.pix_fmt}, {frames} frames "
            f"at {float(rate or 0):.5g}, tags {'/'.join(str(int(tag)) for tag in tags)}"
        )


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")


if __name__ == "__main__":
    raise SystemExit(main())
