"""Opens an encoder outside a container."""

from __future__ import annotations

from fractions import Fraction

import av

from musetalk_fast.types import ColourTags
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.thread_priority import keeping_thread_priority


def open_encoder(
    settings: EncoderSettings, width: int, height: int, fps: Fraction, colour: ColourTags
) -> av.VideoCodecContext:
    """An encoder whose headers stand in its extradata, as containers of parts want them.

    Raises:
        av.codec.codec.UnknownCodecError: this build of FFmpeg does not have it.
        av.FFmpegError: it does not open.
    """
    context = av.CodecContext.create(settings.codec, "w")
    assert isinstance(context, av.VideoCodecContext)
    settings.configure(context, width, height, fps, colour)
    context.flags |= av.codec.context.Flags.global_header.value
    with keeping_thread_priority(settings.codec):
        context.open()
    return context
