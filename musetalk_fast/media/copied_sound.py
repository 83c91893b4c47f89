"""The packets of a sound track with their times, for stream copy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from musetalk_fast.errors import AudioFormatError
from musetalk_fast.media.audio_file import AudioFile
from musetalk_fast.media.input_file import unreadable
from musetalk_fast.media.packet_clock import PacketClock
from musetalk_fast.types import PlacedPacket

if TYPE_CHECKING:
    import av


class CopiedSound:
    """A track whose packets are copied. Use as a context.

    Args:
        number: of the track, from 1; None: the first that can be decoded.

    Raises:
        errors.InputError: as `AudioFile`.
    """

    def __init__(self, path: Path, number: str | None) -> None:
        self._source = AudioFile(path, number)

    def __enter__(self) -> CopiedSound:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._source.__exit__(kind, error, trace)

    @property
    def stream(self) -> av.AudioStream:
        """What the packets are of."""
        return self._source.track

    def packets(self) -> Iterator[PlacedPacket]:
        """All packets; the first sample that is heard is at 0.

        Raises:
            errors.InputUnreadableError: the disk failed.
            errors.AudioFormatError: the file cannot be read to its end.
        """
        import av

        clock = PacketClock(self.stream)
        try:
            for packet in self._source.container.demux(self.stream):
                if packet.size:
                    yield PlacedPacket(packet, *clock.place(packet))
        except av.FFmpegError as error:
            raise AudioFormatError(
                f"its sound cannot be copied: {error.strerror or error}",
                where=str(self._source.path),
            ) from error
        if self._source.file.error is not None:
            raise unreadable(self._source.path, self._source.file.error)
