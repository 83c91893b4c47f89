"""A video as an avatar: its source frames in any order, in memory that does not grow with it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musetalk_fast.kernels.planes import PixelLayout, Planes, with_alpha
from musetalk_fast.media.frame_size import (
    Placement,
    Resolution,
    Size,
    geometry_of,
    size_note,
)
from musetalk_fast.media.image import Asset, Background, laid_notes
from musetalk_fast.media.input_file import file_sha256
from musetalk_fast.media.partial_picture import PartialPicture, PictureLike
from musetalk_fast.media.picture.transparency import TRANSPARENT
from musetalk_fast.media.video.decoder_pool import DecoderPool
from musetalk_fast.media.video.frame_canvas import FrameCanvas
from musetalk_fast.media.video.frame_filter import Preparation, opaque_format, plain_format
from musetalk_fast.media.video.frame_pixels import FramePixels
from musetalk_fast.media.video.frame_runs import ReverseMemory, run_frames
from musetalk_fast.media.video.picture_window import PictureWindow
from musetalk_fast.media.video.stream_facts import conversion_note
from musetalk_fast.media.video.tone_curve import ToneCurve
from musetalk_fast.media.video.tone_mapping import MAPPED_TO, tone_note
from musetalk_fast.media.video.tone_tables import graphics_table
from musetalk_fast.media.video.video_opening import opened
from musetalk_fast.types import BT709, ColourTags, Picture, SourceRun, Timestamps

if TYPE_CHECKING:
    import av


class VideoSource:
    """A video file; see `media.avatar.AvatarSource`.

    A source frame is what a player shows: after edit lists, turned and mirrored as the file asks,
    with square pixels, deinterlaced. Its samples are the decoder's own where nothing of that and no
    other pixel format is asked for.

    Args:
        path: the file.
        wanted: the size to reach; None: its own, in square pixels, less the last column or row
            where that is odd.
        background: beside it, where its proportions are others, and behind its transparent parts.
        is_transparent: whether it has such parts; None: it is looked at.

    Raises:
        errors.InputNotFoundError, errors.InputUnreadableError: there is no file to read.
        errors.VideoFormatError: no video in it that can be decoded and used.
        errors.ImageSizeError: a side outside 64..8192 pixels.
        errors.UsageError: a resolution or a background that makes no sense.
    """

    def __init__(
        self,
        path: Path,
        wanted: Resolution | None = None,
        background: Background = None,
        *,
        keeps_hdr: bool = False,
        is_transparent: bool | None = None,
    ) -> None:
        self._path = Path(path)
        self._index, self._facts, self._timing = opened(self._path, is_transparent)
        self._missing = bytearray(self._index.frames)
        self._reverse_memory = ReverseMemory()
        self._pixels = FramePixels.of(self._facts.preparation, self._facts.curve)
        self._curve = None if keeps_hdr else self._facts.curve
        self._wanted, self._background = wanted or Resolution(), background
        self._geometry = geometry_of(self.seen_size, self._wanted, self._timing.rate)
        self._shown, self._placement = self._facts.preparation.shown_in(self._geometry)
        shape = self._facts.preparation.shape
        self._decoders = DecoderPool(self._path, self._index, self._missing, shape)
        self._sha256 = file_sha256(self._path)

    @property
    def path(self) -> Path:
        """The original file."""
        return self._path

    @property
    def sha256(self) -> str:
        """Of the original file, in hexadecimal."""
        return self._sha256

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the user."""
        toned = () if self._curve is None else (tone_note(self._curve),)
        return (*self._index.notes, *self._facts.notes, *toned, *self._background_notes())

    @property
    def size_note(self) -> str | None:
        """What was scaled, cut or added, for the user; None: nothing of note."""
        return size_note(self._geometry, self._wanted, "video")

    @property
    def width(self) -> int:
        """Pixels across; even."""
        return self._geometry.size[0]

    @property
    def height(self) -> int:
        """Pixels down; even."""
        return self._geometry.size[1]

    @property
    def seen_size(self) -> Size:
        """(width, height) of `picture`: the file's own, in square pixels."""
        return self._facts.preparation.size

    @property
    def placement(self) -> Placement | None:
        """Where the points of `picture` are in the frames; None: where they are in it."""
        is_moved = self._geometry.is_scaled or self._geometry.size != self.seen_size
        return self._placement if is_moved else None

    @property
    def rate(self) -> Fraction:
        """Source frames a second, exact; of a variable rate, that of most frames."""
        return self._timing.rate

    @property
    def frames(self) -> int:
        """How many source frames there are."""
        return self._index.frames

    @property
    def timestamps(self) -> Timestamps | None:
        """When each source frame begins; None if each takes one part of `rate`."""
        return self._timing.timestamps

    @property
    def colour(self) -> ColourTags:
        """What the code values of `planes` mean: the file's tags, see `colour_tags.colour_tags`.

        HDR and BT.2020 are mapped to BT.709, unless they are kept.
        """
        return self._facts.preparation.colour if self._curve is None else BT709

    @property
    def tone_curve(self) -> ToneCurve | None:
        """By which the colours of `planes` become those of `picture`; None: they are the same."""
        return self._facts.curve if self._curve is None else None

    @property
    def pix_fmt(self) -> str:
        """FFmpeg's name of the pixel format that it comes in, alpha included."""
        made = self._facts.preparation
        if self._keeps_alpha:
            return plain_format(made.shape.pix_fmt) if made.has_alpha else "yuva420p"
        if self._curve is not None:
            return MAPPED_TO
        return opaque_format(plain_format(made.shape.pix_fmt))

    @property
    def bit_depth(self) -> int:
        """Bits of a sample; HDR that is kept never has less than 10."""
        if self._curve is not None:
            return 8
        return (
            self._facts.bit_depth if self._facts.curve is None else max(10, self._facts.bit_depth)
        )

    @property
    def missing(self) -> int:
        """Source frames, of those that were asked for, that cannot be decoded.

        The last one before it that can is shown in place of each.
        """
        return self._missing.count(1)

    @property
    def missing_note(self) -> str | None:
        """A sentence about them, for the user; None while there are none."""
        first = self._missing.find(1)
        if first < 0:
            return None
        return (
            f"{self.missing} source frames cannot be decoded, the first one is number {first}: the "
            "last whole one before them is shown in their place"
        )

    def conversion_note(self, layout: PixelLayout) -> str | None:
        """What is lost where the frames are asked for in a layout, for the user; None: nothing."""
        if self._curve is not None:
            return None
        return conversion_note(self._facts.preparation.shape.pix_fmt, layout)

    def asset(self) -> Asset:
        """The file as it is."""
        return Asset(self._path, self._sha256)

    def picture(self, source: int) -> Picture:
        """A source frame as (height, width, 3) uint8 RGB, C-contiguous: as a server sees it."""
        return next(self.pictures(SourceRun(source, 0, 1)))

    def pictures(self, run: SourceRun) -> Iterator[Picture]:
        """The source frames of a run as `picture` gives them; see `planes`."""
        pixels = self._pixels
        pix_fmt = "rgb24" if pixels is None else pixels.pix_fmt
        for frame in self._frames(run, self._facts.preparation, pix_fmt, self._facts.curve):
            made = frame.to_ndarray() if pixels is None else pixels.whole(frame)
            yield np.ascontiguousarray(made)

    def partial_pictures(self) -> Iterator[PictureLike]:
        """All source frames as `picture` gives them; only what is looked at is converted."""
        preparation, whole = self._facts.preparation, SourceRun(0, 1, self.frames)
        if self._pixels is not None:
            frames = self._frames(whole, preparation, self._pixels.pix_fmt, self._facts.curve)
            yield from map(self._pixels.partial, frames)
        elif preparation.is_interlaced:
            yield from self.pictures(whole)
        else:
            window = PictureWindow(preparation)
            with self._decoders.nearest(0) as decoder:
                for _, frame in decoder.frames(0, self.frames - 1):
                    yield PartialPicture(*self.seen_size, partial(window.picture, frame))

    def planes(self, run: SourceRun, layout: PixelLayout) -> Iterator[Planes]:
        """The source frames of a run, one after the other, forward or backward.

        They are the decoder's own memory where it has this layout. What is kept to run backward is
        bounded in bytes; see `frame_runs`.

        Raises:
            IndexError: a source frame that is not there.
            errors.VideoFormatError: the video changes its size or format in the middle.
            errors.InputUnreadableError: the disk failed.
        """
        is_laid = self._facts.preparation.has_alpha and layout.alpha is None
        if self._geometry.has_bars or is_laid:
            yield from self._framed(run, with_alpha(layout) if is_laid else layout, layout)
            return
        for frame in self._frames(run, self._shown, layout.name, self._curve):
            buffers = frame.planes
            strides = [plane.line_size for plane in buffers]
            yield Planes(layout, self.width, self.height, buffers, strides)

    def _framed(self, run: SourceRun, given: PixelLayout, layout: PixelLayout) -> Iterator[Planes]:
        table = None if self.tone_curve is None else graphics_table(self.tone_curve)
        canvas = FrameCanvas(self._geometry, given, layout, self.colour, self._background, table)
        for frame in self._frames(run, self._shown, given.name, self._curve):
            yield canvas.framed(frame)

    @property
    def _keeps_alpha(self) -> bool:
        """Whether something of the frames is to stay transparent."""
        if self._background not in (None, TRANSPARENT):
            return False
        is_bar = self._background == TRANSPARENT and self._geometry.has_bars
        return is_bar or self._facts.preparation.has_alpha

    def _background_notes(self) -> tuple[str, ...]:
        is_opaque, has_bars = not self._facts.preparation.has_alpha, self._geometry.has_bars
        size, background = self._geometry.size, self._background
        said = laid_notes(background, size, is_opaque=is_opaque, has_bars=has_bars, what="video")
        return tuple(said)

    def _frames(
        self,
        run: SourceRun,
        preparation: Preparation,
        pix_fmt: str,
        curve: ToneCurve | None,
    ) -> Iterator[av.VideoFrame]:
        if run.count < 1:
            return
        for frame in (run.first, run.first + run.step * (run.count - 1)):
            if not 0 <= frame < self.frames:
                raise IndexError(f"the video has no source frame {frame}; it has {self.frames}")
        with self._decoders.nearest(run.first) as decoder:
            memory = self._reverse_memory
            yield from run_frames(decoder, run, preparation, pix_fmt, memory, curve)
