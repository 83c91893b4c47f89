"""A picture for the user: the avatar with its faces numbered and the chosen one marked."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from musetalk_fast.errors import InputError, OutputFormatError, OutputPlaceError
from musetalk_fast.media.face.finder import FaceFinder
from musetalk_fast.media.face.selection import look, visible_faces
from musetalk_fast.storage import AtomicFile, write_errors
from musetalk_fast.types import AvatarOptions, Box, Picture

_Colour: TypeAlias = tuple[int, int, int]

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
_CHOSEN, _OTHER, _ASKED = (40, 220, 60), (255, 190, 30), (60, 150, 255)
_LINE_SHARE = 1 / 300
"""Of the picture's longer side: the width of a line."""
_TEXT_SHARE = 1 / 30
_LEAST_LINE, _LEAST_TEXT = 2, 14


def check_preview_path(path: Path, in_use: Iterable[Path]) -> None:
    """Check early for what would prevent the picture from being written.

    Args:
        in_use: files that it must not replace.

    Raises:
        errors.OutputFormatError: its name says neither PNG nor JPEG.
        errors.OutputPlaceError: its place is taken by something else, or its folder is missing.
    """
    if path.suffix.lower() not in _FORMATS:
        raise OutputFormatError(
            f"a picture of the faces cannot end in {path.suffix!r}",
            where=str(path),
            hint="give --face-preview a name that ends in .png or .jpg",
        )
    with write_errors(path):
        if not path.parent.is_dir():
            raise OutputPlaceError("no such folder", where=str(path.parent))
        if path.exists() and not path.is_file():
            raise OutputPlaceError("this is not a regular file", where=str(path))
        if any(path.resolve() == each.resolve() for each in in_use):
            raise OutputPlaceError("this is one of the inputs or the output", where=str(path))


def write_face_preview(path: Path, rgb: Picture, options: AvatarOptions) -> None:
    """Write the picture; where no face can be chosen, none is marked.

    Args:
        path: `.png`, `.jpg` or `.jpeg`; appears atomically.
        rgb: (H, W, 3) uint8 RGB.
        options: which face is asked for.

    Raises:
        errors.OutputWriteError: it cannot be written.
    """
    finder = FaceFinder()
    faces = [face.place for face in visible_faces(rgb, finder)]
    chosen: Box | None = None
    try:
        selection = look(rgb, options, finder)
    except InputError:
        pass  # the render will say so
    else:
        chosen = selection.faces[selection.chosen].place
    data = _drawn(rgb, faces, chosen, options, _FORMATS[path.suffix.lower()])
    with AtomicFile(path) as file:
        file.write(data)
        file.commit()


def _drawn(
    rgb: Picture,
    places: Sequence[Box],
    chosen: Box | None,
    options: AvatarOptions,
    format_name: str,
) -> bytes:
    """The picture as a file."""
    canvas = _Canvas(rgb)
    if options.face_box is not None:
        canvas.frame(options.face_box, _ASKED)
    elif options.face_center is not None:
        canvas.cross(*options.face_center)
    for number, place in enumerate(places):
        if place != chosen:
            canvas.frame(place, _OTHER, str(number))
    if chosen is not None:
        number_text = f"{places.index(chosen)} " if chosen in places else ""
        canvas.frame(chosen, _CHOSEN, f"{number_text}speaks", lines=2)
    return canvas.encoded(format_name)


class _Canvas:
    def __init__(self, rgb: Picture) -> None:
        from PIL import Image, ImageDraw, ImageFont

        self._image = Image.fromarray(rgb)
        self._draw = ImageDraw.Draw(self._image)
        longer = max(self._image.size)
        self._line = max(_LEAST_LINE, round(longer * _LINE_SHARE))
        self._font = ImageFont.load_default(max(_LEAST_TEXT, round(longer * _TEXT_SHARE)))

    def frame(self, place: Box, colour: _Colour, label: str = "", lines: int = 1) -> None:
        """A rectangle, its label above it where there is space."""
        line = self._line
        edges = (place.x, place.y, place.x + place.width, place.y + place.height)
        self._draw.rectangle(edges, None, colour, lines * line)
        if label:
            _, _, across, down = self._draw.textbbox((0, 0), label, self._font)
            left, top = max(0, place.x), max(0, int(place.y - down - line))
            self._draw.rectangle((left, top, left + across + 2 * line, top + down + line), colour)
            self._draw.text((left + line, top), label, (0, 0, 0), self._font)

    def cross(self, x: int, y: int) -> None:
        """Where `--face-center` points."""
        reach = 4 * self._line
        self._draw.line((x - reach, y, x + reach, y), _ASKED, self._line)
        self._draw.line((x, y - reach, x, y + reach), _ASKED, self._line)

    def encoded(self, format_name: str) -> bytes:
        """As a PNG or JPEG."""
        stream = io.BytesIO()
        self._image.save(stream, format_name)
        return stream.getvalue()
