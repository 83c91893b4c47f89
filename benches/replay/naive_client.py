"""The client everyone writes: aiohttp, json, base64, OpenCV, PyAV's `from_ndarray`.

    python -m benches.replay.naive_client URL FOLDER FRAMES [--png] [--keep FILE]

It receives crops over NDJSON, pastes each into the picture and converts the frame to yuv420p; it
encodes nothing. With `--png` it writes each frame to a PNG file and reads the files back, as those
do who leave the encoding to a second program. `--keep` keeps the last frame's planes as `.npy`.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import aiohttp
import av
import cv2
import numpy as np

from benches.replay.workload import load_workload

SEGMENT = 250


class Paste:
    """Blends crops into one picture under the face's mask."""

    def __init__(self, picture: np.ndarray, folder: Path) -> None:
        face = load_workload(folder).face
        self._picture, self._box, self._place = picture, face.box, face.mask_box
        self._weights = (face.mask.astype(np.float32) / 255)[:, :, None]

    def __call__(self, crop: np.ndarray) -> np.ndarray:
        box = self._box
        scaled = cv2.resize(crop, (box.width, box.height))
        x, y, width, height = self._place
        own = scaled[y - box.y : y - box.y + height, x - box.x : x - box.x + width]
        full = self._picture.copy()
        part = full[y : y + height, x : x + width]
        part[:] = part + self._weights * (own.astype(np.float32) - part) + 0.5
        return full


async def crops(url: str, frames: int):
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(timeout=timeout, read_bufsize=1 << 22) as session:
        for start in range(0, frames, SEGMENT):
            stop = min(frames, start + SEGMENT)
            body = {
                "avatar": "0" * 64, "options": {}, "audio": "1" * 64, "fps": [25, 1],
                "start": start, "stop": stop, "sources": [[0, 0, stop - start]],
            }  # fmt: skip
            headers = {"Accept": "application/x-ndjson"}
            async with session.post(f"{url}/v1/frames", json=body, headers=headers) as answer:
                async for line in answer.content:
                    message = json.loads(line)
                    if message["type"] == "frame":
                        pixels = base64.b64decode(message["data"])
                        yield np.frombuffer(pixels, np.uint8).reshape(256, 256, 3)


def to_yuv(frame: av.VideoFrame) -> av.VideoFrame:
    return frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")


class Made(NamedTuple):
    """How many frames, and the last one."""

    count: int
    last: av.VideoFrame | None


async def straight(url: str, paste: Paste, frames: int) -> Made:
    made = Made(0, None)
    async for crop in crops(url, frames):
        frame = av.VideoFrame.from_ndarray(paste(crop), format="rgb24")
        made = Made(made.count + 1, to_yuv(frame))
    return made


async def by_files(url: str, paste: Paste, frames: int) -> Made:
    with tempfile.TemporaryDirectory() as folder:
        count = 0
        async for crop in crops(url, frames):
            bgr = cv2.cvtColor(paste(crop), cv2.COLOR_RGB2BGR)
            cv2.imwrite(f"{folder}/{count:08d}.png", bgr)
            count += 1
        made = Made(0, None)
        with av.open(f"{folder}/%08d.png", format="image2", options={"framerate": "25"}) as source:
            for frame in source.decode(video=0):
                made = Made(made.count + 1, to_yuv(frame))
        assert made.count == count
        return made


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("frames", type=int)
    parser.add_argument("--png", action="store_true")
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    picture = cv2.cvtColor(cv2.imread(str(asked.folder / "avatar.png")), cv2.COLOR_BGR2RGB)
    pipeline = by_files if asked.png else straight
    made = asyncio.run(pipeline(asked.url, Paste(picture, asked.folder), asked.frames))
    assert made.count == asked.frames
    if asked.keep:
        assert made.last is not None
        np.save(asked.keep, made.last.to_ndarray())


if __name__ == "__main__":
    sys.exit(main())
