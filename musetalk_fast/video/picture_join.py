"""Lossless parts into pictures: one file, or a sequence of files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

import av

from musetalk_fast.storage import AtomicFile
from musetalk_fast.video.animation_writer import animation_format, write_animation
from musetalk_fast.video.containers import ContainerFormat, check_pictures
from musetalk_fast.video.frame_files import FILES, file_format
from musetalk_fast.video.frame_names import FrameNames
from musetalk_fast.video.mux import Joined, check_parts, commit_file, joined_parts
from musetalk_fast.video.parts import Part
from musetalk_fast.video.raw_video import RAW, raw_video
from musetalk_fast.video.rgb_frames import FrameLook, rgb_frames
from musetalk_fast.video.sequence_folder import SequenceFolder


def join_animation(
    parts: Sequence[Part],
    output: Path,
    container: ContainerFormat,
    look: FrameLook,
    fps: Fraction,
    *,
    folder: Path,
    overwrite: bool = True,
    check: Callable[[], None] = lambda: None,
) -> Joined:
    """Make one file of the frames of all parts, move it to its place.

    Args:
        parts, output, folder, overwrite, check: as `mux.join` has them.
        look: of the parts' frames.

    Raises:
        errors.OutputFormatError: more than such a file can hold.
        errors.EncoderError, errors.OutputExistsError, errors.OutputWriteError: as `mux.join`.
    """
    count = _checked(parts, container, look, fps)
    assert container.pictures is not None
    with AtomicFile(output, folder) as file:
        if container.pictures in RAW:
            for content in raw_video(parts, container.pictures, look, fps):
                check()
                file.write(content)
        else:
            frames = partial(_frames, parts, look, animation_format(container, look), check)
            write_animation(frames, count, file, container, look, fps)
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
) -> Joined:
    """Make a file of each frame of all parts, move their folder to its place.

    Args:
        place: the folder; what is there is replaced when all is done, if it is ours and
            `overwrite` is on.
        names: of the files.
        folder: where the files are written before, on the same file system; nothing else is in it.
        comment: who made them.
        threads: that compress, at most.

    Raises:
        errors.OutputPlaceError: something that is not ours is there.
        errors.EncoderError, errors.OutputExistsError, errors.OutputWriteError: as `mux.join`.
    """
    _checked(parts, container, look, fps)
    assert container.pictures is not None
    frames = _frames(parts, look, file_format(look), check)
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
    parts: Sequence[Part], look: FrameLook, pix_fmt: str, check: Callable[[], None]
) -> Iterator[av.VideoFrame]:
    for frame in rgb_frames(parts, look, pix_fmt):
        check()
        yield frame
