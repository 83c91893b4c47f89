"""The avatar as what follows sees it: source frames with a size, a rate and colours.

Nothing after this package asks whether it is a still or a video, except the compositor that was
made for the one or the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from musetalk_fast.kernels.planes import PixelLayout, Planes
from musetalk_fast.media.animation import animated_format
from musetalk_fast.media.frame_size import Placement, Resolution, Size
from musetalk_fast.media.image import Asset, Background, load_still
from musetalk_fast.media.image_sequence import find_sequence
from musetalk_fast.media.input_file import open_input, read_errors
from musetalk_fast.media.partial_picture import PictureLike
from musetalk_fast.media.picture.formats import MAX_MARK, is_picture, is_video
from musetalk_fast.media.picture_video import Look, OnPicture, open_animation, open_sequence
from musetalk_fast.media.still_source import StillSource
from musetalk_fast.media.video import VideoSource, is_known
from musetalk_fast.media.video.tone_curve import ToneCurve
from musetalk_fast.types import ColourTags, Picture, SourceRun, Timestamps


class AvatarSource(Protocol):
    """An avatar, checked; its planes have the size that the output will have.

    A server makes what it sees, `picture`, of `asset`; a video file is sent as it is, whatever the
    size of the output.

    Serves several threads at a time.
    """

    @property
    def path(self) -> Path:
        """The original file."""

    @property
    def sha256(self) -> str:
        """Of the original file, in hexadecimal."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the user."""

    @property
    def size_note(self) -> str | None:
        """What was scaled, cut or added, for the user; None: nothing of note."""

    @property
    def width(self) -> int:
        """Pixels across; even."""

    @property
    def height(self) -> int:
        """Pixels down; even."""

    @property
    def seen_size(self) -> Size:
        """(width, height) of `picture`."""

    @property
    def placement(self) -> Placement | None:
        """Where the points of `picture` are in `planes`; None: where they are in it."""

    @property
    def rate(self) -> Fraction | None:
        """Source frames a second, exact; None if it does not move."""

    @property
    def frames(self) -> int:
        """How many source frames there are."""

    @property
    def timestamps(self) -> Timestamps | None:
        """When each source frame begins; None if each takes one part of `rate`."""

    @property
    def colour(self) -> ColourTags:
        """What the code values of `planes` mean."""

    @property
    def pix_fmt(self) -> str:
        """FFmpeg's name of the pixel format that it comes in, alpha included."""

    @property
    def bit_depth(self) -> int:
        """Bits of a sample."""

    @property
    def tone_curve(self) -> ToneCurve | None:
        """By which the colours of `planes` become those of `picture`; None: they are the same."""

    @property
    def missing_note(self) -> str | None:
        """A sentence for the user: which of the source frames asked for cannot be decoded, if any.

        It is known once the frames were used.
        """

    def conversion_note(self, layout: PixelLayout) -> str | None:
        """A sentence for the user: what a layout loses of its samples, if anything of note."""

    def asset(self) -> Asset:
        """What a server gets of it."""

    def picture(self, source: int) -> Picture:
        """A source frame as (height, width, 3) uint8 RGB, as a server sees it."""

    def pictures(self, run: SourceRun) -> Iterator[Picture]:
        """The source frames of a run as `picture` gives them, one after the other; see `planes`."""

    def partial_pictures(self) -> Iterator[PictureLike]:
        """All source frames as `picture` gives them; what is not looked at need not be made."""

    def planes(self, run: SourceRun, layout: PixelLayout) -> Iterator[Planes]:
        """The source frames of a run, one after the other, forward or backward.

        Memory does not grow with the run. What is given is only to be read, and may be
        overwritten when the next one is asked for.

        Args:
            layout: how the planes shall lie.

        Raises:
            IndexError: a source frame that is not there.
            errors.InputError: it cannot be decoded.
        """


def open_avatar(
    path: Path,
    *,
    background: Background,
    resolution: Resolution | None,
    on_picture: OnPicture = lambda _done, _total: None,
    keeps_hdr: bool = False,
) -> AvatarSource:
    """Open what the path holds, whatever its name: a picture, or what else FFmpeg knows.

    A folder, or a pattern such as `frames/%04d.png`, holds a sequence of pictures.

    Args:
        on_picture: called before each picture of an animation or a sequence, and at the end; may
            raise to stop.
        keeps_hdr: a video's planes stay as they are; its pictures are SDR.

    Raises:
        errors.InputError, errors.UsageError: as `image.load_still`, `VideoSource` and
            `picture_video.PictureVideo`.
    """
    look = Look(background, resolution, on_picture)
    if sequence := find_sequence(path):
        return open_sequence(path, sequence, look)
    if is_video_file(path):
        return VideoSource(path, resolution, background, keeps_hdr=keeps_hdr)
    if name := animated_format(path):
        return open_animation(path, name, look)
    return StillSource(load_still(path, background=background, resolution=resolution))


def open_asset(path: Path) -> AvatarSource:
    """Open what a server was sent as an avatar: a file with a picture or a video.

    Clients send animations as videos. Here one is refused: bringing it to frames takes as much time
    and space as its few bytes ask for.

    Raises:
        errors.InputError: as `image.load_still` and `VideoSource`.
    """
    if is_video_file(path):
        return VideoSource(path)
    return StillSource(load_still(path, background="white", resolution=None))


def is_video_file(path: Path) -> bool:
    """Whether it is opened as a video file; an animated picture is none.

    Raises:
        errors.InputError: it cannot be read.
    """
    with open_input(path) as file, read_errors(path):
        mark = file.read(MAX_MARK)
    return is_video(mark) or (not is_picture(mark) and is_known(path))
