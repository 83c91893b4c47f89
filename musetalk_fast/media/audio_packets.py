"""Packets of a sound track become frames; what cannot be decoded is counted and passed over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from musetalk_fast.errors import AudioFormatError
from musetalk_fast.media.audio_file import UNTIMED, AudioFile
from musetalk_fast.media.input_file import unreadable

if TYPE_CHECKING:
    import av

_MAX_READ_ERRORS = 20
"""Errors of the container in a row after which the file counts as ended."""

_TAGS = (b"ID3", b"TAG", b"APETAGEX")
_STRICT = {"flac": {"err_detect": "crccheck+explode"}}
"""Without it, FFmpeg takes damaged FLAC for noise as loud as can be."""


class PacketDecoder:
    """Decodes a file's track around what is damaged.

    Attributes:
        failed: packets that could not be decoded.
        lost: those of them that held sound, as far as one can see.
        decoded: packets that could.
        first: seconds of sound before the first of those that could not.
        broken_off: reading failed before the end of the file.
    """

    def __init__(self, source: AudioFile) -> None:
        self._source = source
        self._untimed = source.format in UNTIMED
        self._bytes = 0
        self._secs = self._frame_secs = self.first = 0.0
        self.failed = self.lost = self.decoded = 0
        self.broken_off = False
        context = source.track.codec_context
        context.options = {**context.options, **_STRICT.get(context.name, {})}

    def frames(self) -> Iterator[tuple[float, av.AudioFrame]]:
        """Each frame, and how many seconds before it could not be decoded, by estimate.

        Raises:
            errors.InputUnreadableError: the disk failed.
            errors.AudioFormatError: more was lost than decoded.
        """
        lost = 0.0
        for packet in self._packets():
            frames = self._decode(packet)
            if frames is None:
                lost += self._missing(packet)
            else:
                for frame in frames:
                    self._frame_secs = frame.samples / frame.sample_rate
                    self._secs += self._frame_secs
                    yield lost, frame
                    lost = 0.0
        if self._source.file.error is not None:
            raise unreadable(self._source.path, self._source.file.error)
        if self.lost > self.decoded:
            raise AudioFormatError(
                f"{self.lost} of {self.lost + self.decoded} packets of its sound cannot be decoded",
                where=str(self._source.path),
            )

    def _packets(self) -> Iterator[Any]:
        import av

        errors = 0
        while errors < _MAX_READ_ERRORS:
            try:
                for packet in self._source.container.demux(self._source.track):
                    errors = 0
                    yield packet
            except av.FFmpegError:
                self.broken_off = True
                errors += 1
            except IndexError:
                # PyAV's words for a packet of a track that was not there at first: not ours.
                errors += 1
            else:
                return
        yield None

    def _decode(self, packet: Any) -> list[av.AudioFrame] | None:
        """None: it cannot be. No packet: what the decoder still holds."""
        import av

        try:
            frames: list[av.AudioFrame] = self._source.track.decode(packet)
        except av.FFmpegError:
            return None
        if packet is not None and frames:
            self.decoded += 1
            self._bytes += packet.size
        return frames

    def _missing(self, packet: Any) -> float:
        """Seconds of sound in a packet that could not be decoded; counts it."""
        if packet is None or not packet.size:
            return 0.0
        if self._untimed and not self._secs:
            # Formats without a table of contents: junk before the first frame is no damage.
            return 0.0
        self.first = self.first if self.failed else self._secs
        self.failed += 1
        if not self._untimed:
            self.lost += 1
            return float((packet.duration or 0) * (packet.time_base or 0)) or self._frame_secs
        data = bytes(packet)
        if _is_filling(data):
            return 0.0
        self.lost += 1
        # The parser takes what it cannot read for one frame, however long it is.
        whole = data[0] == 0xFF and data[1:2] >= b"\xe0"
        frames = 1 if whole else round(len(data) * self.decoded / max(1, self._bytes))
        return max(1, frames) * self._frame_secs


def _is_filling(data: bytes) -> bool:
    """Tags of files that were put behind one another, and padding."""
    return data.startswith(_TAGS) or data.count(data[0]) == len(data)
