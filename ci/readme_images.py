"""Makes docs/images/ from a video of the example: rows of mouths, and an animation of the face."""

from __future__ import annotations

import sys
from pathlib import Path

import av
from PIL import Image

IMAGES = Path(__file__).parents[1] / "docs/images"
FACE, FACE_SIDE = (132, 30, 292, 190), 320
MOUTH, MOUTH_SIZE = (174, 118, 270, 190), (192, 144)
FIRST, STEP, ACROSS, DOWN = 84, 2, 5, 2
GAP = 4


def main(video: str) -> None:
    with av.open(video) as container:
        stream = container.streams.video[0]
        millisecs = round(1000 / (stream.average_rate or 25))
        frames = [frame.to_image() for frame in container.decode(stream)]
    rows(frames).save(IMAGES / "example.png", optimize=True)
    faces = [
        frame.resize((FACE_SIDE, FACE_SIDE), Image.Resampling.LANCZOS, FACE) for frame in frames
    ]
    faces[0].save(
        IMAGES / "example.webp",
        save_all=True,
        append_images=faces[1:],
        duration=millisecs,
        loop=0,
        quality=80,
        method=6,
        minimize_size=True,
    )


def rows(frames: list[Image.Image]) -> Image.Image:
    """Every second frame of a word or two, around the mouth."""
    width, height = MOUTH_SIZE
    size = (ACROSS * (width + GAP) - GAP, DOWN * (height + GAP) - GAP)
    sheet = Image.new("RGB", size, "white")
    for number in range(ACROSS * DOWN):
        frame = frames[FIRST + STEP * number]
        mouth = frame.resize(MOUTH_SIZE, Image.Resampling.LANCZOS, MOUTH)
        down, across = divmod(number, ACROSS)
        sheet.paste(mouth, (across * (width + GAP), down * (height + GAP)))
    return sheet


if __name__ == "__main__":
    main(sys.argv[1])
