"""Encodes the frames of one segment into one part: a file that appears atomically."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
from av.container import OutputContainer

from musetalk_fast.errors import EncoderError, OutputWriteError
from musetalk_fast.storage import AtomicFile, write_errors
from musetalk_fast.types import ColourTags
from musetalk_fast.video.band_segment import BandSegmentEncoder
from musetalk_fast.video.encoder_probe import try_encoder
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.mouth_motion import MotionSums
from musetalk_fast.video.part_trailer import trailer
from musetalk_fast.video.parts import Part, part_header
from musetalk_fast.video.thread_priority import keeping_thread_priority

PACKETS_AT_ONCE = 32
_BYTES_AT_ONCE = 1 << 20
"""Muxed in one go: after an encoder's turn all caches are cold for the muxer."""


class PartEncoder:
    """Encodes the frames of a segment; serves one thread.

    Args:
        path: of the part; written under another name until it is finished.
        encoder: opened with the first frame.
        width, height: pixels of the frames.
        fps: frames a second.
        colour: what the frames' samples mean.
        start: index of the segment's first frame, for messages.
        label: identifies the part for a later run.
        band: makes packets of full pictures from frames of the band alone.

    Raises:
        errors.EncoderError: the encoder is not in this build, or does not take its settings.
        errors.OutputWriteError: the folder does not let us.
    """

    def __init__(
        self,
        path: Path,
        encoder: EncoderSettings,
        width: int,
        height: int,
        fps: Fraction,
        colour: ColourTags,
        start: int,
        label: str,
        band: BandSegmentEncoder | None = None,
    ) -> None:
        self._encoder = encoder
        self._again = partial(try_encoder, encoder, width, height, fps, colour)
        self._band = band
        self._start = start
        self._frames = self._packets = self._delay = 0
        self._waiting: list[av.Packet[av.VideoStream]] = []
        self._waiting_bytes = 0
        self._label = label
        self._file = AtomicFile(path)
        self._container: OutputContainer | None = None
        try:
            self._stream = self._open(width, height, fps, colour)
        except BaseException:
            self.abort()
            raise

    def _open(self, width: int, height: int, fps: Fraction, colour: ColourTags) -> av.VideoStream:
        encoder = self._encoder
        try:
            # Bit-exact: no random identifiers, so that the same segment gives the same bytes.
            self._container = av.open(
                self._file.url, "w", format=encoder.part_muxer, options={"fflags": "+bitexact"}
            )
            self._container.metadata["comment"] = self._label
            stream = self._container.add_stream(encoder.codec, rate=fps)
            assert isinstance(stream, av.VideoStream)
            encoder.configure(stream.codec_context, width, height, fps, colour)
            if self._band is not None:
                stream.codec_context.open()  # its headers are those of the composed pictures
        except (av.FFmpegError, ValueError, OverflowError) as error:
            raise EncoderError(f"cannot be set up: {error}", where=encoder.codec) from error
        return stream

    def encode(self, frame: av.VideoFrame) -> None:
        """Encode the next frame; the caller may change it afterwards.

        Args:
            frame: its `pts` counts the segment's frames from 0, in units of 1/fps.

        Raises:
            errors.EncoderError: the encoder failed; with the first frame, perhaps to open.
            errors.OutputWriteError: the disk is full or the folder gone.
            UnsupportedStreamError: as `BandSegmentEncoder.encode`; so `finish`.
        """
        self._take(self._encoded(frame) if self._frames else self._opened(frame))
        self._frames += 1
        if len(self._waiting) >= PACKETS_AT_ONCE or self._waiting_bytes >= _BYTES_AT_ONCE:
            self._mux()

    def finish(self, motion: MotionSums | None = None) -> Part:
        """Encode what is left and move the part to its place.

        Args:
            motion: of the mouth, to be kept with the part.

        Raises:
            errors.EncoderError: the encoder failed or lost frames.
            errors.OutputWriteError: the disk is full or the folder gone.
        """
        self._take(self._encoded(None))
        if not self._packets == self._frames > 0:
            raise self._error(f"{self._packets} of {self._frames} frames came back")
        self._mux()
        assert self._container is not None
        with write_errors(self._file.path):
            self._container.close()
        if motion is not None:
            self._file.append(trailer(motion, self._encoder.part_muxer))
        size = self._file.commit()
        path, header = self._file.path, part_header(self._file.path)
        return Part(path, self._frames, size, header, self._delay, self._label, motion)

    def abort(self) -> None:
        """Leave nothing behind; has no effect after `finish`."""
        with suppress(av.FFmpegError):
            if self._container is not None:
                self._container.close()
        with suppress(OutputWriteError):
            self._file.discard()

    def _opened(self, frame: av.VideoFrame) -> list[av.Packet[av.VideoStream]]:
        """The first frame opens the encoder."""
        with keeping_thread_priority(self._encoder.codec):
            return self._encoded(frame)

    def _encoded(self, frame: av.VideoFrame | None) -> list[av.Packet[av.VideoStream]]:
        try:
            return (self._band or self._stream).encode(frame)
        except av.FFmpegError as error:
            if self._packets == 0 and not self._encoder.in_software:
                self._again()  # it says what it lacks; a device's error code alone means little
            raise self._error(error.strerror or str(error)) from error

    def _take(self, packets: Iterable[av.Packet[av.VideoStream]]) -> None:
        for packet in packets:
            assert packet.pts is not None
            self._delay = max(self._delay, self._packets - packet.pts)
            # Ours, not the encoder's: libx265 gives a single frame one from nowhere.
            packet.dts = self._packets - self._encoder.reorders
            packet.stream = self._stream
            self._packets += 1
            self._waiting.append(packet)
            self._waiting_bytes += packet.size

    def _mux(self) -> None:
        assert self._container is not None
        with write_errors(self._file.path):
            self._container.mux(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0

    def _error(self, message: str) -> EncoderError:
        where = f"{self._encoder.codec}, frame {self._start + self._frames}"
        return EncoderError(f"encoding failed: {message}", where=where)
