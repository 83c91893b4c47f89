"""Encodes a still avatar's frames as a band of rows that change, composed with rows that do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import av

from musetalk_fast.kernels.h264 import Layout, compose
from musetalk_fast.kernels.h264_bits import IDR, UnsupportedStreamError, split_nal_units
from musetalk_fast.kernels.planes import Planes
from musetalk_fast.types import ColourTags
from musetalk_fast.video.band import MACROBLOCK, rows_of
from musetalk_fast.video.encoder_opening import open_encoder
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.first_frame import decode_alone, encode_alone
from musetalk_fast.video.parameter_sets import ParameterSets


@dataclass(frozen=True, slots=True)
class ComposedPacket:
    """A picture of the full size.

    Attributes:
        data: Annex B byte stream.
        band: what the band's encoder has made of it, Annex B.
        pts: number of its frame.
        is_key: whether decoding may begin here.
        is_proven: whether it is known to decode to the band's pixels, without a look at them.
    """

    data: bytes
    band: bytes
    pts: int
    is_key: bool
    is_proven: bool


@dataclass(frozen=True, slots=True)
class StillRows:
    """What all segments of a render have in common: encoded once.

    Attributes:
        headers: SPS and PPS of the full size, Annex B.
        sets: the same, read.
        slices: of the rows above and below the band.
    """

    layout: Layout
    headers: bytes
    sets: ParameterSets
    slices: tuple[tuple[bytes, int], ...]


def encode_still_rows(
    settings: EncoderSettings,
    picture: Planes,
    layout: Layout,
    fps: Fraction,
    colour: ColourTags,
) -> StillRows:
    """Encode the rows of a picture that do not change.

    Args:
        settings: of the encoder of a full picture.

    Raises:
        UnsupportedStreamError: the encoder's streams cannot be composed.
        av.FFmpegError: it failed.
    """
    whole = open_encoder(settings, picture.width, picture.height, fps, colour)
    headers = bytes(whole.extradata or b"")
    sets = ParameterSets.read(headers)
    end = layout.first_row + layout.rows
    slices: list[tuple[bytes, int]] = []
    for first, count in ((0, layout.first_row), (end, layout.total_rows - end)):
        if count:
            part = rows_of(picture, first, count)
            context, packet = encode_alone(settings, part, fps, colour)
            if not sets.compose_with(ParameterSets.read(bytes(context.extradata or b""))):
                raise UnsupportedStreamError("the parameter sets of a part differ")
            units = split_nal_units(packet)
            slices += [(unit, first) for unit in units if unit[0] & 31 == IDR]
    return StillRows(layout, headers, sets, tuple(slices))


class BandEncoder:
    """Encodes the frames of a GOP; serves one thread.

    Args:
        settings: of the encoder of a full picture.
        still: the rows that do not change.
        idr_pic_id: of its first picture; that of the GOP before is another (clause 7.4.3).

    Raises:
        UnsupportedStreamError: the encoder's streams cannot be composed.
        av.FFmpegError: it does not open.

    Attributes:
        headers: SPS and PPS of the band alone, Annex B.
    """

    def __init__(
        self,
        settings: EncoderSettings,
        still: StillRows,
        fps: Fraction,
        colour: ColourTags,
        idr_pic_id: int = 0,
    ) -> None:
        self._idr_pic_id = idr_pic_id
        self._still = still
        self._fps, self._colour = fps, colour
        layout = still.layout
        has_rows_below = layout.first_row + layout.rows < layout.total_rows
        slice_rows = layout.rows - layout.guard_rows if has_rows_below else 0
        self._settings = _sliced(settings, slice_rows * layout.width)
        size = (layout.width * MACROBLOCK, layout.rows * MACROBLOCK)
        self._context = open_encoder(self._settings, *size, fps, colour)
        self.headers = bytes(self._context.extradata or b"")
        if not still.sets.compose_with(ParameterSets.read(self.headers)):
            raise UnsupportedStreamError("the parameter sets of the band differ")
        self._decoded_idr: list[bytes] = []

    def decode_first(self, planes: Planes) -> Planes:
        """What the first frame decodes to: the source of all that does not change after it.

        Args:
            planes: of the first frame's band.
        """
        context, packet = encode_alone(self._settings, planes, self._fps, self._colour)
        self._decoded_idr = _idr_slices(packet)
        return decode_alone(context, packet)

    def encode(self, frame: av.VideoFrame | None) -> Iterator[ComposedPacket]:
        """Encode the next frame of the band, or what is left.

        Raises:
            UnsupportedStreamError: a picture cannot be composed.
            av.FFmpegError: the encoder failed.
        """
        still = self._still
        for packet in self._context.encode(frame):
            data = bytes(packet)
            made = compose(data, still.sets.syntax, still.layout, still.slices, self._idr_pic_id)
            assert packet.pts is not None
            is_proven = made.is_proven
            if made.is_idr:
                is_proven = packet.pts == 0 and _idr_slices(data) == self._decoded_idr
            yield ComposedPacket(made.data, data, packet.pts, made.is_idr, is_proven)


def _idr_slices(packet: bytes) -> list[bytes]:
    return [unit for unit in split_nal_units(packet) if unit[0] & 31 == IDR]


def _sliced(settings: EncoderSettings, macroblocks: int) -> EncoderSettings:
    """The same, with slices of so many macroblocks; 0: of whole pictures."""
    if not macroblocks:
        return settings
    name = "x264-params"
    params = f"{settings.options[name]}:slice-max-mbs={macroblocks}"
    return replace(settings, options={**settings.options, name: params})
