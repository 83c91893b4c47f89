"""Animated pictures, one frame after the other: GIF, APNG and WebP, composited by Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from musetalk_fast.errors import ImageFormatError, ImageSizeError
from musetalk_fast.media.input_file import open_input, read_errors
from musetalk_fast.media.picture.picture_file import broken, check_size, quiet

if TYPE_CHECKING:
    from PIL import ImageFile

MAX_FRAMES = 36_000
"""Of an animation or a sequence: 24 minutes at 25 frames a second."""

_MAX_BYTES = 1 << 28
"""Of the file; as of a still."""
_HEAD = 1 << 16
"""Bytes among which a PNG says that it moves; what may come before it is a profile or a text."""
_PNG, _GIF = b"\x89PNG\r\n\x1a\n", (b"GIF87a", b"GIF89a")
_WEBP_MOVES = 2
"""The flag of animations in a WebP's header (RFC 9649, section 2.7)."""
_SHORTEST_MS, _USUAL_MS = 20, 100
"""Frames that ask for less than 20 ms are shown for 100, as every browser does."""


def animated_format(path: Path) -> str | None:
    """`GIF`, `PNG` or `WebP` where the file holds more than one frame of it, by its first bytes.

    Raises:
        errors.InputNotFoundError, errors.InputUnreadableError: there is no file to read.
        errors.ImageFormatError, errors.ImageSizeError: a GIF that is damaged, or too large.
    """
    with open_input(path) as file, read_errors(path):
        head = file.read(_HEAD)
        if head.startswith(_PNG):
            return "PNG" if b"acTL" in head[: head.find(b"IDAT")] else None
        if head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X":
            return "WebP" if head[20:21] and head[20] & _WEBP_MOVES else None
        if head.startswith(_GIF):
            with _opened(file, "GIF", path) as image:
                return "GIF" if image.is_animated else None  # type: ignore[attr-defined]
    return None


class ListedPicture(NamedTuple):
    """One of several pictures.

    Attributes:
        path: of its file; it may be overwritten when the next one is asked for.
        ticks: for how many ms it is shown.
        total: how many there are.
    """

    path: Path
    ticks: int
    total: int


def animation_frames(path: Path, name: str, scratch: Path) -> Iterator[ListedPicture]:
    """The frames of an animated picture, each as a PNG in turn.

    Args:
        name: as `animated_format` has it.
        scratch: the PNG that is written again for each frame.

    Raises:
        errors.ImageFormatError: damaged or cut.
        errors.ImageSizeError: a side outside 64..8192 pixels, a file above 256 MiB, or more than
            `MAX_FRAMES` frames.
    """
    with open_input(path) as file, read_errors(path), _opened(file, name, path) as image:
        kept = {key: image.info[key] for key in ("icc_profile", "exif") if key in image.info}
        # Not a frame of it (PNG, third edition, section 4.9), though Pillow counts it as one.
        first = int(getattr(image, "default_image", False))
        total = _frames(image, path) - first
        for number in range(first, first + total):
            with broken(name):
                image.seek(number)
                frame = image.convert("RGBA")
                duration = round(float(image.info.get("duration") or 0))  # known once decoded
            frame.save(scratch, "PNG", compress_level=0, **kept)
            ticks = duration if duration >= _SHORTEST_MS else _USUAL_MS
            yield ListedPicture(scratch, ticks, total)


def _frames(image: ImageFile.ImageFile, path: Path) -> int:
    frames: int = image.n_frames  # type: ignore[attr-defined]
    if frames > MAX_FRAMES:
        raise ImageSizeError(f"{frames} frames; the limit is {MAX_FRAMES}", where=str(path))
    return frames


@contextmanager
def _opened(file: BinaryIO, name: str, path: Path) -> Iterator[ImageFile.ImageFile]:
    file.seek(0, 2)
    if file.tell() > _MAX_BYTES:
        raise ImageSizeError(f"the file is larger than {_MAX_BYTES >> 20} MiB", where=str(path))
    file.seek(0)
    try:
        with broken(name), quiet():
            image = _open(file, name)
        check_size(*image.size)
        yield image
    except (ImageFormatError, ImageSizeError) as error:
        error.where = error.where or str(path)
        raise


def _open(file: BinaryIO, name: str) -> ImageFile.ImageFile:
    from PIL import GifImagePlugin, PngImagePlugin, WebPImagePlugin

    if name == "GIF":
        return GifImagePlugin.GifImageFile(file)
    if name == "PNG":
        return PngImagePlugin.PngImageFile(file)
    return WebPImagePlugin.WebPImageFile(file)
