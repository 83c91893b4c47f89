"""The program, which encodes the rows that move, beside an encoder of whole pictures.

Two portraits in two framings each, with mouths of the preview engine and with mouths that flicker
in all of the mask, as those of a neural renderer do. The rival is the stock encoder alone, fed with
the same frames from memory, at the CRF where its mouth has the PSNR of ours. CPU time a frame, the
difference of a long and a short run; one round for each scene. Minutes for each scene.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from statistics import median

import av
import numpy as np
import pytest
from PIL import Image

from benches.conftest import spread
from benches.replay.encoder_alone import compose_all, encode, setup_of
from benches.replay.process import (
    CPUS,
    ROOT,
    Command,
    Spent,
    program,
    replaying,
    side_by_side,
    spent,
)
from benches.replay.workload import CROPS, Workload
from musetalk_fast.types import Box

sys.path.insert(0, str(ROOT / "ci" / "still_rows"))

from scenes import PORTRAITS, Framing, framed, make_scenes

FRAMINGS = {
    "1080p": (Framing(1920, 1080, 1.0), Framing(1920, 1080, 0.8)),
    "1080x1920": (Framing(1080, 1920, 1.0), Framing(1080, 1920, 0.8)),
    "512": (Framing(512, 512, 1.0), Framing(512, 512, 0.7)),
}
SHORT = 500
"""Frames: a segment for each encoder."""
LONG = {"512": 4500, "medium": 1000}
"""By size or preset, else 1500: what start-up differs by from run to run must not count."""
COMPARED = 2 * CROPS
"""Frames whose PSNR is taken."""
SEGMENT = 250
"""Frames of a segment."""
SAME_DB = 0.1
"""By which the rival's mouth may be better or worse than ours."""


@dataclass(frozen=True)
class Measured:
    """Microseconds of CPU a frame, and what came of it."""

    ours_us: float
    rival_us: float
    bytes_ratio: float
    decibel: float
    rival_decibel: float
    rival_crf: float


@pytest.mark.parametrize("preset", ["veryfast", "medium"])
@pytest.mark.parametrize("size", FRAMINGS)
def test_rows_that_move(
    size: str,
    preset: str,
    tmp_path: Path,
    add_row: Callable[..., None],
    note: Callable[[str], None],
) -> None:
    measured = []
    for portrait, framing in product(PORTRAITS, FRAMINGS[size]):
        for name, workload in _workloads(tmp_path, portrait, framing):
            each = _measure(workload, preset, LONG.get(size, LONG.get(preset, 1500)))
            measured.append(each)
            note(
                f"{name} {preset}: {each.rival_us / each.ours_us:.2f} at {each.decibel:.2f} dB "
                f"(rival: CRF {each.rival_crf:.1f}, {each.rival_decibel:.2f} dB); "
                f"bytes {each.bytes_ratio:.2f} of the rival's"
            )
    ours, rivals = [each.ours_us for each in measured], [each.rival_us for each in measured]
    add_row(
        name=f"still-rows/{size}-{preset}",
        input=f"{len(measured)} scenes, {preset}, CRF 20, at equal mouth PSNR; CPU, {CPUS} CPUs",
        ours_us=median(ours),
        rival="the encoder alone, of whole pictures",
        rival_us=median(rivals),
        spread=spread(ours, rivals),
    )


def _workloads(folder: Path, portrait: str, framing: Framing) -> Iterator[tuple[str, Workload]]:
    picture = framed(PORTRAITS[portrait], framing)
    for scene in make_scenes(portrait, PORTRAITS[portrait], framing, CROPS):
        place = folder / scene.name.replace(" ", "-")
        place.mkdir()
        Image.fromarray(picture).save(place / "avatar.png")
        np.save(place / "crops.npy", np.stack(scene.crops))
        face = scene.face
        np.savez(place / "workload.npz", box=face.box, mask_box=face.mask_box, mask=face.mask)
        yield scene.name, Workload(place, face, np.stack(scene.crops))


def _measure(workload: Workload, preset: str, long: int) -> Measured:
    with replaying(workload.folder) as url:

        def ours(frames: int) -> Command:
            return program(
                *("ours", "render", "-q", "-s", url, "-i", workload.avatar, "--no-face-check"),
                *("-a", workload.speech(frames), "-o", workload.folder / "out.mp4"),
                *("--crf", "20", "--preset", preset, "--sound", "none"),
            )

        spent(*ours(SHORT))
        decibel, size = _of_file(workload)
        crf, rival_decibel, rival_size = _equal(workload, preset, decibel)
        assert abs(rival_decibel - decibel) <= SAME_DB

        def both(frames: int) -> list[Spent]:
            options = ("--preset", preset, "--crf", f"{crf:g}")
            alone = program("encoder_alone", workload.folder, str(frames), *options)
            return side_by_side(ours(frames), alone)

        pairs = zip(both(SHORT), both(long), strict=True)
        ours_us, rival_us = ((many.cpu - few.cpu) / (long - SHORT) * 1e6 for few, many in pairs)
    return Measured(
        ours_us=ours_us,
        rival_us=rival_us,
        bytes_ratio=size / rival_size,
        decibel=decibel,
        rival_decibel=rival_decibel,
        rival_crf=crf,
    )


def _of_file(workload: Workload) -> tuple[float, int]:
    """PSNR of the mouth in the last render, and the bytes of the first segment's pictures."""
    with av.open(str(workload.folder / "out.mp4")) as video:
        frames = islice(video.decode(video=0), COMPARED)
        decibel = _psnr(workload, [frame.to_ndarray() for frame in frames])
    with av.open(str(workload.folder / "out.mp4")) as video:
        packets = [packet.size for packet in video.demux(video=0) if packet.size]
    assert len(packets) == SHORT
    return decibel, sum(packets[:SEGMENT])


def _equal(workload: Workload, preset: str, decibel: float) -> tuple[float, float, int]:
    """The rival's CRF at which the mouth is as good, its PSNR then, and its bytes."""
    tried: list[tuple[float, float, int]] = []
    crf = 20.0
    for _ in range(6):
        tried.append((crf, *_alone(workload, preset, crf)))
        best = min(tried, key=lambda each: abs(each[1] - decibel))
        if abs(best[1] - decibel) <= SAME_DB / 2:
            break
        slope = -0.8
        if len(tried) > 1 and tried[-1][0] != tried[-2][0]:
            slope = min(-0.2, (tried[-1][1] - tried[-2][1]) / (tried[-1][0] - tried[-2][0]))
        crf = round(best[0] + (decibel - best[1]) / slope, 2)
    return best


def _alone(workload: Workload, preset: str, crf: float) -> tuple[float, int]:
    setup = setup_of(workload, SHORT, preset=preset, crf=crf)
    frames = compose_all(workload, setup.encoder, CROPS)
    packets = list(encode(setup.segments[0], setup.encoder, frames))
    decoder = av.CodecContext.create("h264", "r")
    decoded = (frame for packet in packets for frame in decoder.decode(packet))
    shown = [frame.to_ndarray() for frame in islice(decoded, COMPARED)]
    return _psnr(workload, shown), sum(packet.size for packet in packets)


def _psnr(workload: Workload, shown: list[np.ndarray]) -> float:
    """Of the luma in the mask's rectangle, over all frames."""
    encoder = setup_of(workload, SHORT).encoder
    box: Box = workload.face.mask_box
    place = slice(box.y, box.y + box.height), slice(box.x, box.x + box.width)
    truth = [
        frame.to_ndarray()[place].astype(np.float32)
        for frame in compose_all(workload, encoder, CROPS)
    ]
    errors = [
        np.square(picture[place] - truth[index % CROPS]).mean()
        for index, picture in enumerate(shown)
    ]
    return float(10 * np.log10(255**2 / np.mean(errors)))
