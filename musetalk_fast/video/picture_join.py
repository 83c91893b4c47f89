"""Lossless parts into pictures: one file, or a sequence of files."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

import av

from musetalk_fast.storage import AtomicFile
from musetalk_fast.video.animation_comment import add_comment
from musetalk_fast.video.animation_writer import animation_format, write_animation
from musetalk_fast.video.containers import ContainerFormat, check_pictures
from musetalk_fast.video.frame_files import FILES, file_format
from musetalk_fast.video.frame_names import FrameNames
from musetalk_fast.video.mux import Joined, check_parts, commit_file, joined_parts
from musetalk_fast.video.parts import Part
from musetalk_fast.video.raw_video import RAW, raw_video
from musetalk_fast.video.rgb_frames import FrameLook, rgb_frames
from musetalk_fast.video.sequence_folder import SequenceFolder

_PASSES = {"gif": 2}
"""How often all frames are looked at, where that is more than once: for a palette, before."""


def join_animation(
    parts: Sequence[Part],
    output: Path,
    container: ContainerFormat,
    look: FrameLook,
    fps: Fraction,
    *,
    comment: str,
    folder: Path,
    overwrite: bool = True,
    check: Callable[[], None] = lambda: None,
    on_frames: Callable[[int], None] = lambda _done: None,
) -> Joined:
    """Make one file of the frames of all parts, move it to its place.

    Args:
        parts, output, folder, overwrite, check, on_frames: as `mux.join` has them.
        look: of the parts' frames.
        comment: who made it, where the format has a place for it: raw frames have none.

    Raises:
        errors.OutputFormatError: more than such a file can hold.
        errors.EncoderError, errors.OutputExistsError, errors.OutputWriteError: as `mux.join`.
    """
    count = _checked(parts, container, look, fps)
    assert container.pictures is not None
    passes = _PASSES.get(container.pictures, 1)
    step = _counting(check, on_frames, passes)
    with AtomicFile(output, folder) as file:
        if container.pictures in RAW:
            for content in raw_video(parts, container.pictures, look, fps):
                step()
                file.write(content)
        else:
            frames = partial(_frames, parts, look, animation_format(container, look), step)
            write_animation(frames, count, file, container, look, fps)
            add_comment(file, comment)
        check()
        size = commit_file(file, overwrite=overwrite)
    return joined_parts(parts, size, fps)


def join_sequence(
    parts: Sequence[Part],
    place: Path,
    names: FrameNames,
    container: ContainerFormat,
    look: FrameLook,
    fps: Fraction,
    *,
    comment: str,
    folder: Path,
    threads: int,
    overwrite: bool = True,
    check: Callable[[], None] = lambda: None,
    on_frames: Callable[[int], None] = lambda _done: None,
) -> Joined:
    """Make a file of each frame of all parts, move their folder to its place.

    Args:
        place: the folder; what is there is replaced when all is done, if it is ours and
            `overwrite` is on.
        names: of the files.
        folder: where the files are written before, on the same file system; nothing else is in it.
        comment: who made them.
        threads: that compress, at most.
        check, on_frames: as `mux.join` has them.

    Raises:
        errors.OutputPlaceError: something that is not ours is there.
        errors.EncoderError, errors.OutputExistsError, errors.OutputWriteError: as `mux.join`.
    """
    _checked(parts, container, look, fps)
    assert container.pictures is not None
    step = _counting(check, on_frames)
    frames = _frames(parts, look, file_format(look), step)
    sequence = SequenceFolder(folder / "frames", names, comment)
    for content in FILES[container.pictures](frames, look, threads):
        sequence.add(content)
    size = sequence.commit(place, overwrite=overwrite, check=check)
    return joined_parts(parts, size, fps)


def _checked(
    parts: Sequence[Part], container: ContainerFormat, look: FrameLook, fps: Fraction
) -> int:
    check_parts(parts)
    count = sum(part.frames for part in parts)
    check_pictures(container, look.width, look.height, count, fps)
    return count


def _frames(
    parts: Sequence[Part], look: FrameLook, pix_fmt: str, step: Callable[[], None]
) -> Iterator[av.VideoFrame]:
    for frame in rgb_frames(parts, look, pix_fmt):
        step()
        yield frame


def _counting(
    check: Callable[[], None], on_frames: Callable[[int], None], passes: int = 1
) -> Callable[[], None]:
    """What is called with each frame of each pass: checks, and says how many are done."""
    frames = itertools.count()

    def step() -> None:
        check()
        on_frames(next(frames) // passes)

    return step
