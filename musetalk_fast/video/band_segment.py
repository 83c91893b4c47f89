"""Encodes a segment of a still avatar: GOPs of bands, each proven or compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av

from musetalk_fast.kernels.h264 import Layout
from musetalk_fast.kernels.h264_bits import UnsupportedStreamError
from musetalk_fast.kernels.planes import Planes
from musetalk_fast.types import ColourTags, Face
from musetalk_fast.video.band import moved, rows_of
from musetalk_fast.video.band_check import check_pictures
from musetalk_fast.video.band_encoder import (
    BandEncoder,
    ComposedPacket,
    StillRows,
    encode_still_rows,
)
from musetalk_fast.video.compositor import StillCompositor, planes_of
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.still_rows import BandChoice


class BandCompositor(StillCompositor):
    """Makes the band of a still avatar's frames.

    Args:
        avatar: its planes, all of them.
        face: where crops go in them.
        layout: where the band stands.
    """

    def __init__(
        self,
        avatar: Planes,
        face: Face,
        layout: Layout,
        fps: Fraction,
        colour: ColourTags,
        *,
        sharp: bool = False,
        match_colour: bool = False,
    ) -> None:
        self._band = rows_of(avatar, layout.first_row, layout.rows)
        there = moved(face, layout)
        super().__init__(self._band, there, fps, colour, sharp=sharp, match_colour=match_colour)

    def restart(self) -> None:
        """Show the avatar's own samples outside of the mask again."""
        self.settle(self._band)


class BandSegmentEncoder:
    """Encodes a segment's bands into packets of full pictures; serves one thread.

    Each GOP has an encoder of its own, whose first picture is decoded: what of the band does not
    move is shown as that from then on, so that the encoder finds nothing to refine.

    Args:
        settings: of the encoder of a full picture.
        still: the rows that do not change.
        compositor: makes its frames, in this thread.
        number: of the segment.

    Attributes:
        unproven: pictures that had to be decoded and compared.
    """

    def __init__(
        self,
        settings: EncoderSettings,
        still: StillRows,
        compositor: BandCompositor,
        fps: Fraction,
        colour: ColourTags,
        number: int,
    ) -> None:
        self._settings, self._still, self._compositor = settings, still, compositor
        self._fps, self._colour = fps, colour
        self._number = number
        self._begun = 0
        self._encoder: BandEncoder | None = None
        self._start = self._frames = 0
        self._gop: list[ComposedPacket] = []
        self.unproven = 0
        compositor.restart()

    def encode(self, frame: av.VideoFrame | None) -> list[av.Packet[av.VideoStream]]:
        """Encode the next frame, or what is left.

        Args:
            frame: the compositor's; its `pts` counts the segment's frames from 0.

        Returns:
            Packets in the order of decoding, with `pts` but without `dts`.

        Raises:
            UnsupportedStreamError: the band cannot be composed into pictures that show the same,
                or its encoder fails: the segment has to be encoded in full.
        """
        with _failures():
            if frame is None:
                return [*self._end()]
            return [*self._encode(frame)]

    def _encode(self, frame: av.VideoFrame) -> Iterator[av.Packet[av.VideoStream]]:
        is_first = self._encoder is None
        encoder = self._begin() if self._encoder is None else self._encoder
        decoded = encoder.decode_first(planes_of(frame)) if is_first else None
        index, frame.pts = frame.pts, self._frames - self._start
        yield from self._taken(encoder.encode(frame))
        frame.pts = index
        self._frames += 1
        if decoded is not None:
            self._compositor.settle(decoded)
        if self._frames - self._start == self._settings.gop:
            yield from self._end()

    def _begin(self) -> BandEncoder:
        # IDR pictures that follow one another differ in it: those of neighbouring segments, of the
        # GOPs of one, and of x264 itself (0 and 1) in segments that are encoded in full.
        idr_pic_id = 2 + 2 * (self._number % 2) + self._begun % 2
        self._begun += 1
        self._start = self._frames
        self._encoder = BandEncoder(
            self._settings, self._still, self._fps, self._colour, idr_pic_id
        )
        return self._encoder

    def _end(self) -> Iterator[av.Packet[av.VideoStream]]:
        """End the GOP."""
        encoder, self._encoder = self._encoder, None
        if encoder is None:
            return
        yield from self._taken(encoder.encode(None))
        unproven = sum(not packet.is_proven for packet in self._gop)
        if unproven:
            self.unproven += unproven
            check_pictures(
                [packet.data for packet in self._gop],
                [packet.band for packet in self._gop],
                (self._still.headers, encoder.headers),
                self._still.layout,
            )
        self._gop.clear()
        self._compositor.restart()

    def _taken(self, packets: Iterator[ComposedPacket]) -> Iterator[av.Packet[av.VideoStream]]:
        for composed in packets:
            self._gop.append(composed)
            packet = cast("av.Packet[av.VideoStream]", av.Packet(composed.data))
            packet.pts, packet.duration = self._start + composed.pts, 1
            packet.time_base = 1 / self._fps
            packet.is_keyframe = composed.is_key
            yield packet


@dataclass(frozen=True, slots=True, eq=False)
class StillBand:
    """A still avatar whose band is encoded: what all segments of a render share.

    Attributes:
        choice: settings of the encoder, and where the band stands.
        avatar: its planes, all of them; only read.
        face: where crops go in them.
        still: the rows that do not change.
        sharp: scale crops with Lanczos-3 instead of bilinear.
        match_colour: give crops the avatar's colours.
    """

    choice: BandChoice
    avatar: Planes
    face: Face
    still: StillRows
    fps: Fraction
    colour: ColourTags
    sharp: bool = False
    match_colour: bool = False

    @classmethod
    def encode(
        cls,
        choice: BandChoice,
        avatar: Planes,
        face: Face,
        fps: Fraction,
        colour: ColourTags,
    ) -> StillBand:
        """With its rows that do not change.

        Raises:
            UnsupportedStreamError: as `encode_rows`.
        """
        still = encode_rows(choice, avatar, fps, colour)
        return cls(choice, avatar, face, still, fps, colour)

    def compositor(self) -> BandCompositor:
        """Makes the band of the frames of one thread."""
        return BandCompositor(
            self.avatar,
            self.face,
            self.choice.layout,
            self.fps,
            self.colour,
            sharp=self.sharp,
            match_colour=self.match_colour,
        )

    def encoder(self, compositor: BandCompositor, number: int) -> BandSegmentEncoder:
        """Encodes what the compositor makes of a segment, `number` of the render."""
        settings = self.choice.encoder
        return BandSegmentEncoder(settings, self.still, compositor, self.fps, self.colour, number)


def encode_rows(choice: BandChoice, avatar: Planes, fps: Fraction, colour: ColourTags) -> StillRows:
    """Encode the rows that do not change.

    Raises:
        UnsupportedStreamError: pictures cannot be composed of this encoder's streams.
    """
    with _failures():
        return encode_still_rows(choice.encoder, avatar, choice.layout, fps, colour)


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except av.FFmpegError as error:
        raise UnsupportedStreamError(f"the band's encoder: {error.strerror or error}") from error
