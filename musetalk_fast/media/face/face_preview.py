"""A picture for the user: the avatar with its faces numbered and the chosen one marked."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from musetalk_fast.errors import InputError, OutputFormatError, OutputPlaceError
from musetalk_fast.media.face.finder import FaceFinder
from musetalk_fast.media.face.selection import look, visible_faces
from musetalk_fast.storage import AtomicFile, write_errors
from musetalk_fast.types import AvatarOptions, Box, Picture

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
    file = AtomicFile(path)
    try:
        file.write(data)
        file.commit()
    finally:
        file.discard()


def _drawn(
    rgb: Picture,
    places: Sequence[Box],
    chosen: Box | None,
    options: AvatarOptions,
    format_name: str,
) -> bytes:
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(rgb)
    draw = ImageDraw.Draw(image)
    longer = max(image.size)
    line = max(_LEAST_LINE, round(longer * _LINE_SHARE))
    font = ImageFont.load_default(max(_LEAST_TEXT, round(longer * _TEXT_SHARE)))

    def frame(place: Box, colour: tuple[int, int, int], label: str, width: int) -> None:
        left, top = place.x, place.y
        draw.rectangle((left, top, left + place.width, top + place.height), None, colour, width)
        if label:
            across, _, right, bottom = draw.textbbox((0, 0), label, font)
            corner = (max(0, left), max(0, top - bottom - line))
            draw.rectangle(
                (*corner, corner[0] + right - across + 2 * line, corner[1] + bottom + line), colour
            )
            draw.text((corner[0] + line, corner[1]), label, (0, 0, 0), font)

    if options.face_box is not None:
        frame(options.face_box, _ASKED, "", line)
    for number, place in enumerate(places):
        if place != chosen:
            frame(place, _OTHER, str(number), line)
    if chosen is not None:
        number = str(places.index(chosen)) if chosen in places else ""
        frame(chosen, _CHOSEN, f"{number} speaks".strip(), 2 * line)
    if options.face_center is not None and options.face_box is None:
        x, y = options.face_center
        reach = 4 * line
        draw.line((x - reach, y, x + reach, y), _ASKED, line)
        draw.line((x, y - reach, x, y + reach), _ASKED, line)
    stream = io.BytesIO()
    image.save(stream, format_name)
    return stream.getvalue()
