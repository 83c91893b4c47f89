"""Packets become frames, as long as none of them is damaged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from musetalk_fast.media.video.reference_packets import SinglePackets
from musetalk_fast.media.video.video_file import VideoFile

if TYPE_CHECKING:
    import av

NO_STAMP = -(1 << 63)
"""Below all time stamps."""


class DecodeAttempt:
    """Decodes packets until one of them is damaged.

    Args:
        needed: what has a time stamp below it is only decoded where others need it.

    Attributes:
        damage: time stamp of what cannot be decoded and others may need; None at the end.
    """

    def __init__(self, file: VideoFile, needed: int) -> None:
        self._file, self._needed = file, needed
        self._packets = SinglePackets(file.track)
        self._single: set[int] = set()
        self.damage: int | None = None

    def frames(self, packets: Iterable[av.Packet[Any]], start: int) -> Iterator[av.VideoFrame]:
        """Frames up to the damage, in the order in which they are shown.

        Args:
            start: what has a time stamp below it may be damaged: it is not needed.
        """
        for packet in packets:
            frames = self._decoded(packet, start)
            for frame in frames:
                stamp = frame.pts or 0
                if not frame.is_corrupt:
                    yield frame
                elif stamp >= start and stamp not in self._single:
                    self.damage = stamp
                    return
            if self.damage is not None:
                return

    def _decoded(self, packet: av.Packet[Any], start: int) -> list[av.VideoFrame]:
        import av

        stamp, is_single = packet.pts or 0, self._packets.holds(packet)
        if is_single and stamp < self._needed:
            return []
        if is_single:
            self._single.add(stamp)
        try:
            if packet.is_corrupt:
                raise av.InvalidDataError(0, "cut off")
            return self._file.decode(packet)
        except av.FFmpegError:
            if packet.size and (is_single or stamp < start):
                return []
        self.damage = stamp
        try:
            late = self._file.decode(None)
        except av.FFmpegError:
            return []
        return [frame for frame in late if (frame.pts or 0) < stamp]
