"""Which packets of a video are its source frames: made without decoding, 16 bytes a frame."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.media.video.video_file import BY_ORDER, VideoFile

MAX_FRAMES = 1 << 22
"""Ten hours at 116 frames a second."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameIndex:
    """The source frames of a track: the packets that are shown, in the order of their stamps.

    A stamp is a packet's time stamp, in the track's time base: it names the frame.

    Attributes:
        stamps: (n,) int64, ascending: of the source frames.
        key_stamps: (k,) int64, ascending: of the packets that decoding can begin at, also of those
            that an edit list hides.
        key_places: (k,) int64: where the container finds them.
        duration: of the last frame, in the time base; 0 if the file does not say it.
        repeated: packets that stand at the time of another one, which are no source frames.
        is_ordered: frames are shown in the order in which they come out of the decoder; a frame's
            stamp only says from which packet it is.
    """

    stamps: NDArray[np.int64]
    key_stamps: NDArray[np.int64]
    key_places: NDArray[np.int64]
    duration: int
    repeated: int
    is_ordered: bool

    @property
    def frames(self) -> int:
        """How many source frames there are."""
        return len(self.stamps)

    def number(self, stamp: int) -> int | None:
        """The source frame of a stamp; None for one that is not shown."""
        place = int(np.searchsorted(self.stamps, stamp))
        return place if place < self.frames and self.stamps[place] == stamp else None

    def key_before(self, frame: int) -> int:
        """The last key packet from which a source frame can be decoded.

        Frames with stamps below the key packet's may come after it, and need what was before
        (open GOP): they are decoded from an earlier one.
        """
        place = np.searchsorted(self.key_stamps, self.stamps[frame], side="right") - 1
        return max(0, int(place))

    def key_of(self, stamp: int) -> int | None:
        """The number of the key packet of a stamp."""
        place = int(np.searchsorted(self.key_stamps, stamp))
        return place if place < len(self.key_stamps) and self.key_stamps[place] == stamp else None


def read_index(file: VideoFile) -> FrameIndex:
    """Read all packets of a track, from the beginning.

    Raises:
        errors.VideoFormatError: no packet that is shown, or too many.
        errors.InputUnreadableError: the disk failed.
    """
    stamps, keys, places = array("q"), array("q"), array("q")
    last = duration = 0
    for packet in file.packets():
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None or not packet.size:
            continue
        if packet.is_keyframe:
            keys.append(stamp)
            places.append(stamp if packet.dts is None else packet.dts)
        if not packet.is_discard:
            stamps.append(stamp)
            if stamp >= last:
                last, duration = stamp, packet.duration or 0
        if len(stamps) > MAX_FRAMES:
            raise file.error(f"the video has more than {MAX_FRAMES} frames")
    if not stamps:
        raise file.error("the video has no frames")
    shown = np.unique(_array(stamps))
    order = np.argsort(_array(keys), kind="stable")
    return FrameIndex(
        shown,
        _array(keys)[order],
        _array(places)[order],
        duration,
        len(stamps) - len(shown),
        file.format in BY_ORDER,
    )


def _array(values: array[int]) -> NDArray[np.int64]:
    return np.frombuffer(values, np.int64) if values else np.empty(0, np.int64)
