"""Animated pictures and sequences of pictures as avatars that move.

They are converted once, when they are opened, to a lossless video in a temporary folder. Source
frames are decoded from it, forward and backward, in bounded memory; and it is what servers get:
a file that is read as every video is, that has the background, the size and the colours which the
pictures were given here, and equal bytes (so, an equal name) for equal pictures.
"""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, TypeAlias

from musetalk_fast.errors import ImageSizeError
from musetalk_fast.kernels.planes import PixelLayout, Planes
from musetalk_fast.media.animation import ListedPicture, animation_frames
from musetalk_fast.media.frame_size import Placement, Resolution, Size
from musetalk_fast.media.image import Asset, Background, load_still
from musetalk_fast.media.image_sequence import ImageSequence, sequence_sha256
from musetalk_fast.media.input_file import file_sha256
from musetalk_fast.media.lossless_video import SUFFIX, TICK, TimedPicture, write_lossless
from musetalk_fast.media.partial_picture import PictureLike
from musetalk_fast.media.picture.transparency import TRANSPARENT
from musetalk_fast.media.video import VideoSource
from musetalk_fast.media.video.frame_rate import timing
from musetalk_fast.media.video.tone_curve import ToneCurve
from musetalk_fast.storage import make_temporary_folder
from musetalk_fast.types import BT709, Picture, SourceRun, Timestamps

SEQUENCE_RATE = 25
"""Pictures a second of a sequence, which does not say it; as FFmpeg has it."""


OnPicture: TypeAlias = Callable[[int, int], None]
"""How many pictures are done, and of how many."""


class Look(NamedTuple):
    """How pictures are brought to frames; see `image.load_still`.

    Attributes:
        on_picture: called before each of them, and at the end, with how many are done, and of how
            many; may raise to stop.
    """

    background: Background
    resolution: Resolution | None
    on_picture: OnPicture = lambda _done, _total: None


class PictureVideo:
    """Pictures that follow one another; see `media.avatar.AvatarSource`.

    Args:
        path: what the user named.
        sha256: of the original files.
        pictures: the files of the pictures.
        folder: for the video; it goes with this object.
        notes: sentences for the user.

    Raises:
        errors.InputError: a picture that cannot be used, or is of another size than the first.
        errors.OutputWriteError: the video cannot be kept.
    """

    colour = BT709
    bit_depth = 8
    missing_note: str | None = None
    tone_curve: ToneCurve | None = None
    size_note: str | None = None
    placement: Placement | None = None

    def __init__(
        self,
        path: Path,
        sha256: str,
        pictures: Iterable[ListedPicture],
        look: Look,
        folder: Path,
        notes: Iterable[str] = (),
    ) -> None:
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.path = path
        self.sha256 = sha256
        said = dict.fromkeys(notes)
        file = folder / f"avatar{SUFFIX}"
        frames = _frames(pictures, look, said)
        keeps_alpha = look.background in (None, TRANSPARENT)
        written = write_lossless(file, frames, with_alpha=keeps_alpha)
        self.notes = tuple(said)
        self._asset = Asset(file, written.sha256)
        is_transparent = written.is_transparent
        self._video = VideoSource(file, background=TRANSPARENT, is_transparent=is_transparent)
        self.pix_fmt = "rgba" if is_transparent else "rgb24"
        self._timing = timing(written.stamps, written.last_ticks, TICK, ())

    @property
    def width(self) -> int:
        """Pixels across; even."""
        return self._video.width

    @property
    def height(self) -> int:
        """Pixels down; even."""
        return self._video.height

    @property
    def seen_size(self) -> Size:
        """(width, height) of `picture`: the video's."""
        return self._video.seen_size

    @property
    def rate(self) -> Fraction:
        """Source frames a second, exact; of a variable rate, that of most frames."""
        return self._timing.rate

    @property
    def frames(self) -> int:
        """How many source frames there are."""
        return self._video.frames

    @property
    def timestamps(self) -> Timestamps | None:
        """When each source frame begins; None if each takes one part of `rate`."""
        return self._timing.timestamps

    def conversion_note(self, layout: PixelLayout) -> None:
        """Nothing: every picture is converted."""

    def asset(self) -> Asset:
        """The lossless video: FFV1 in Matroska."""
        return self._asset

    def picture(self, source: int) -> Picture:
        """A source frame as (height, width, 3) uint8 RGB, C-contiguous."""
        return self._video.picture(source)

    def pictures(self, run: SourceRun) -> Iterator[Picture]:
        """The source frames of a run as `picture` gives them."""
        return self._video.pictures(run)

    def partial_pictures(self) -> Iterator[PictureLike]:
        """All source frames; see `VideoSource.partial_pictures`."""
        return self._video.partial_pictures()

    def planes(self, run: SourceRun, layout: PixelLayout) -> Iterator[Planes]:
        """The source frames of a run; see `VideoSource.planes`."""
        return self._video.planes(run, layout)


def open_animation(path: Path, name: str, look: Look) -> PictureVideo:
    """Open an animated picture.

    Args:
        name: of its format, as `animation.animated_format` has it.

    Raises:
        errors.InputError, errors.OutputWriteError: as `PictureVideo`.
    """
    sha256, folder = file_sha256(path), make_temporary_folder()
    frames = animation_frames(path, name, folder / "frame.png")
    return PictureVideo(path, sha256, frames, look, folder)


def open_sequence(path: Path, sequence: ImageSequence, look: Look) -> PictureVideo:
    """Open a sequence of pictures.

    Raises:
        errors.InputError, errors.OutputWriteError: as `PictureVideo`.
    """
    sha256, ticks = sequence_sha256(sequence.files), int(1 / (SEQUENCE_RATE * TICK))
    total = len(sequence.files)
    frames = (ListedPicture(file, ticks, total) for file in sequence.files)
    return PictureVideo(path, sha256, frames, look, make_temporary_folder(), sequence.notes)


def _frames(
    pictures: Iterable[ListedPicture], look: Look, notes: dict[str, None]
) -> Iterator[TimedPicture]:
    size: tuple[int, int] | None = None
    total = 0
    for done, (path, ticks, total) in enumerate(pictures):
        look.on_picture(done, total)
        still = load_still(path, background=look.background, resolution=look.resolution)
        notes.update(dict.fromkeys(still.notes))
        if still.size_note is not None:
            notes[still.size_note] = None
        size = size or (still.width, still.height)
        if size != (still.width, still.height):
            raise ImageSizeError(
                f"this picture is {still.width}x{still.height}, the first one {size[0]}x{size[1]}",
                where=str(path),
                hint="bring all pictures to one size, or give one with --resolution",
            )
        yield TimedPicture(still.rgb, ticks, still.alpha)
    look.on_picture(total, total)
