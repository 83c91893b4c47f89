"""The decoded first frame: what of a still avatar does not move is shown as that from then on.

An encoder then finds nothing to refine there. libvpx-vp9 takes about a third of the time for it;
docs/encoding.md has the figures of the others.
"""

from __future__ import annotations

from fractions import Fraction

import av

from musetalk_fast.kernels.h264_bits import UnsupportedStreamError
from musetalk_fast.kernels.planes import Planes
from musetalk_fast.types import ColourTags, Face
from musetalk_fast.video.compositor import NoCrop, StillCompositor, blank_frame, planes_of
from musetalk_fast.video.encoder_opening import open_encoder
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.wire.messages import Frame, FullFrame


class FirstFrameCompositor(StillCompositor):
    """Makes the frames of a still avatar: from the second of a segment on, on the first, decoded.

    Where that cannot be had, the avatar's own samples are shown as ever.

    Args:
        avatar: its planes, of the video's size and pixel format; they are only read.
        settings: of the encoder.
        face, fps, colour, sharp, match_colour: as `StillCompositor` has them.
    """

    def __init__(
        self,
        avatar: Planes,
        settings: EncoderSettings,
        face: Face,
        fps: Fraction,
        colour: ColourTags,
        *,
        sharp: bool = False,
        match_colour: bool = False,
    ) -> None:
        super().__init__(avatar, face, fps, colour, sharp=sharp, match_colour=match_colour)
        self._settings, self._fps, self._colour = settings, fps, colour

    def compose(
        self, frame: Frame | FullFrame | NoCrop, index: int, weight: float = 1.0
    ) -> av.VideoFrame:
        """The frame that shows a crop; see `Compositor.compose`."""
        if index == 0:
            self.settle(self._avatar)
        elif index == 1:
            self._settle_first()
        return super().compose(frame, index, weight)

    def _settle_first(self) -> None:
        first = planes_of(self._frame)
        try:
            context, packet = encode_alone(self._settings, first, self._fps, self._colour)
            decoded = decode_alone(context, packet)
        except (UnsupportedStreamError, av.FFmpegError):
            return
        self.settle(decoded)


def encode_alone(
    settings: EncoderSettings, planes: Planes, fps: Fraction, colour: ColourTags
) -> tuple[av.VideoCodecContext, bytes]:
    """A picture alone: its encoder, and its packet.

    Raises:
        UnsupportedStreamError: the encoder makes no packet of it, or several.
        av.FFmpegError: it failed.
    """
    context = open_encoder(settings, planes.width, planes.height, fps, colour)
    frame = blank_frame(planes.width, planes.height, settings.pix_fmt, fps, colour)
    planes.copy_to(planes_of(frame))
    frame.pts = 0
    packets = [*context.encode(frame), *context.encode(None)]
    if len(packets) != 1:
        raise UnsupportedStreamError(f"one frame became {len(packets)} packets")
    return context, bytes(packets[0])


def decode_alone(encoder: av.VideoCodecContext, packet: bytes) -> Planes:
    """What the only packet of an encoder decodes to.

    Raises:
        UnsupportedStreamError: to no picture, or to several.
        av.FFmpegError: it cannot be decoded.
    """
    decoder = av.CodecContext.create(encoder.codec.canonical_name, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    if encoder.extradata:
        decoder.extradata = encoder.extradata
    frames = [*decoder.decode(av.Packet(packet)), *decoder.decode(None)]
    if len(frames) != 1:
        raise UnsupportedStreamError(f"the first frame decodes to {len(frames)}")
    return planes_of(frames[0]).copy()
