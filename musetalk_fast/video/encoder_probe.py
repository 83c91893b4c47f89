"""Opens an encoder to see whether it works, and finds out why if it does not."""

from __future__ import annotations

import os
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING

from musetalk_fast.errors import EncoderError
from musetalk_fast.ffmpeg_log import captured_log
from musetalk_fast.types import ColourTags
from musetalk_fast.video.device_reasons import absent, explained
from musetalk_fast.video.encoder_settings import EncoderSettings

if TYPE_CHECKING:
    import av


def try_encoder(
    settings: EncoderSettings, width: int, height: int, fps: Fraction, colour: ColourTags
) -> None:
    """Open an encoder for frames of this size.

    Raises:
        errors.EncoderError: it does not work; the message has FFmpeg's reason.
    """
    reason = _open_once(settings, width, height, fps, colour)
    if reason is not None:
        reason, hint = explained(settings.codec, reason)
        raise EncoderError(
            f"does not open for {width}x{height} pixels at {fps} fps: {reason}",
            where=settings.codec,
            hint=hint,
        )


def _open_once(
    settings: EncoderSettings, width: int, height: int, fps: Fraction, colour: ColourTags
) -> str | None:
    """Open an encoder; None if that went well, else the reason in FFmpeg's words.

    One in hardware also encodes a black frame: some fail only then.
    """
    import av
    from av.codec.codec import UnknownCodecError

    # SVT-AV1 logs to stderr unless limited to errors.
    os.environ.setdefault("SVT_LOG", "1")
    try:
        _encode(settings, width, height, fps, colour)
    except UnknownCodecError:
        return absent(settings.codec) or "it is not in this build of FFmpeg"
    except (av.FFmpegError, ValueError, OverflowError, MemoryError) as error:
        return _logged_reason(settings, width, height, fps, colour) or str(error)
    return None


def _encode(
    settings: EncoderSettings, width: int, height: int, fps: Fraction, colour: ColourTags
) -> None:
    from musetalk_fast.video.encoder_opening import open_encoder

    context = open_encoder(settings, width, height, fps, colour)
    if settings.in_software:
        return  # what opens, encodes; a large first frame would take seconds
    packets = [*context.encode(_black(settings.pix_fmt, width, height)), *context.encode(None)]
    if len(packets) != 1:
        raise ValueError(f"{len(packets)} packets came back for one frame")


def _black(pix_fmt: str, width: int, height: int) -> av.VideoFrame:
    """A frame of defined content: FFmpeg's allocator leaves what was in memory."""
    import av

    frame = av.VideoFrame(width, height, pix_fmt)
    for number, plane in enumerate(frame.planes):
        plane.update(bytes([128 if number else 16]) * plane.buffer_size)
    frame.pts = 0
    return frame


def _logged_reason(
    settings: EncoderSettings, width: int, height: int, fps: Fraction, colour: ColourTags
) -> str | None:
    """Fail once more with FFmpeg's log open: its first line says what is missing."""
    import av

    failing = suppress(av.FFmpegError, ValueError, OverflowError, MemoryError)
    with captured_log(av.logging.ERROR) as lines, failing:
        _encode(settings, width, height, fps, colour)
    return next((text.strip() for _, _, text in lines if text.strip()), None)
