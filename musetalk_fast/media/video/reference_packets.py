"""Which packets of a video no other one needs: they can be left out where they are not shown.

In a long group of pictures that is half the time to its last frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import av

_H264_SLICES = range(1, 6)
_HEVC_PICTURES = range(32)
_HEVC_SINGLE = range(0, 15, 2)
"""Pictures that no other of their temporal layer refers to (H.265, table 7-1)."""


class SinglePackets:
    """Knows the packets that no other one needs: H.264's and HEVC's in MP4, MOV and Matroska.

    Args:
        track: the header of its codec says how its packets are made up.
    """

    def __init__(self, track: av.VideoStream) -> None:
        name, head = track.codec_context.name, track.codec_context.extradata or b""
        self._is_hevc = name == "hevc"
        # ISO/IEC 14496-15, 5.3.3.1.2 and 8.3.3.1.2: bytes of the length of a NAL unit, and how many
        # temporal layers there are.
        at = {"h264": 4, "hevc": 21}.get(name, len(head))
        is_known = head[:1] == b"\1" and at < len(head)
        self._length = (head[at] & 3) + 1 if is_known else 0
        self._layers = head[at] >> 3 & 7 if is_known else 0

    def holds(self, packet: av.Packet[Any]) -> bool:
        """Whether no other packet needs this one; False where that is not known."""
        if packet.is_disposable or not self._length:
            return packet.is_disposable
        for head in self._units(memoryview(packet)):
            if self._is_hevc:
                kind, layer = head[0] >> 1 & 0x3F, head[1] & 7
                if kind in _HEVC_PICTURES:
                    return kind in _HEVC_SINGLE and layer == self._layers
            elif head[0] & 0x1F in _H264_SLICES:
                return head[0] >> 5 & 3 == 0
        return False

    def _units(self, data: memoryview) -> Iterator[memoryview]:
        """The first two bytes of each NAL unit."""
        place, length = 0, self._length
        while place + length + 2 <= len(data):
            yield data[place + length : place + length + 2]
            place += length + int.from_bytes(data[place : place + length], "big")
