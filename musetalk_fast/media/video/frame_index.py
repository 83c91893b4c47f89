"""Which packets of a video are its source frames: made without decoding, 16 bytes a frame."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.media.video.header_facts import is_encrypted, stated_rate
from musetalk_fast.media.video.video_file import BY_ORDER, VideoFile

if TYPE_CHECKING:
    import av

_H264_IDR, _HEVC_IDR = 5, (19, 20)
"""Types of the NAL units of a picture before which nothing is needed (ITU-T H.264, table 7-1;
H.265, table 7-1)."""
MAX_FRAMES = 1 << 22
"""Ten hours at 116 frames a second."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameIndex:
    """The source frames of a track: the packets that are shown, in the order of their stamps.

    A stamp is a packet's time stamp, in the track's time base: it names the frame.

    Attributes:
        stamps: (n,) int64, ascending: of the source frames.
        key_stamps: (k,) int64, ascending: of the packets that decoding can begin at, also of those
            that an edit list hides. The first one is at or before the first source frame: where
            there is none, it stands for the beginning.
        is_keyless: no packet is marked as one that decoding can begin at.
        is_cut: the first source frames come before any that is.
        duration: of the last frame, in the time base; 0 if the file does not say it.
        notes: sentences for the user.
        is_ordered: frames are shown in the order in which they come out of the decoder; a frame's
            stamp only says from which packet it is.
    """

    stamps: NDArray[np.int64]
    key_stamps: NDArray[np.int64]
    is_keyless: bool
    is_cut: bool
    duration: int
    notes: tuple[str, ...]
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
        return int(place)

    def key_of(self, stamp: int) -> int | None:
        """The number of the key packet of a stamp."""
        place = int(np.searchsorted(self.key_stamps, stamp))
        return place if place < len(self.key_stamps) and self.key_stamps[place] == stamp else None


def read_index(file: VideoFile) -> FrameIndex:
    """Read all packets of a track, from the beginning.

    Raises:
        errors.VideoFormatError: it is encrypted, no packet is shown, too many are, or most of them
            at the time of others.
        errors.InputUnreadableError: the disk failed.
    """
    _refuse_encrypted(file)
    is_ordered = file.format in BY_ORDER
    stamps, keys = array("q"), array("q")
    last = duration = count = 0
    for packet in file.packets():
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None or not packet.size:
            continue
        count += 1
        if packet.is_keyframe and not (is_ordered and _is_open(file.track, packet)):
            keys.append(stamp)
        if not packet.is_discard:
            stamps.append(stamp)
            if stamp >= last:
                last, duration = stamp, packet.duration or 0
        if max(len(stamps), len(keys)) > MAX_FRAMES:
            raise file.error(f"the video has more than {MAX_FRAMES} frames")
    shown = _shown(file, count, stamps)
    is_keyless = not keys
    is_cut = bool(keys) and min(keys) > shown[0]
    if is_keyless or is_cut:
        keys.append(int(shown[0]))
    return FrameIndex(
        shown,
        np.unique(_array(keys)),
        is_keyless,
        is_cut,
        duration,
        tuple(_notes(file, count, len(stamps) - len(shown))),
        is_ordered,
    )


def _refuse_encrypted(file: VideoFile) -> None:
    if file.format == "mov" and is_encrypted(file.path):
        raise file.error(
            "the video is encrypted: it is protected by a licence (DRM)",
            hint="give a copy without protection",
        )


def _shown(file: VideoFile, packets: int, stamps: array[int]) -> NDArray[np.int64]:
    """The stamps of the source frames, each once."""
    if packets and not stamps:
        raise file.error("the file's edit list shows none of the video's frames")
    if not stamps:
        raise file.error("the video has no frames")
    shown = np.unique(_array(stamps))
    if 2 * len(shown) < len(stamps):
        raise file.error(
            f"of the video's {len(stamps)} frames, {len(stamps) - len(shown)} stand at the time of "
            "another one: its rate or its time stamps cannot be right",
            hint="encode it anew at a rate from 1 to 1000 frames a second",
        )
    return shown


def _notes(file: VideoFile, packets: int, repeated: int) -> Iterator[str]:
    yield from file.notes
    if file.format == "avi":
        yield from _no_rate(file)
    promised = file.promised()
    if packets < promised:
        yield f"the video should have {promised} frames but has {packets}: the file may be cut"
    elif file.ends_early():
        yield "the file ends in the middle of the video: it may be cut"
    if repeated:
        yield f"{repeated} frames stand at the time of another one: they are left out"


def _no_rate(file: VideoFile) -> Iterator[str]:
    """What is said of an AVI whose rate is 0, or divided by it."""
    stated, taken = stated_rate(file.path), file.track.average_rate
    if stated is not None and taken is not None and not (stated.rate and stated.scale):
        yield (
            f"the file's rate of {stated.rate}/{stated.scale} frames a second is none: "
            f"{float(taken):.6g} are taken"
        )


def _is_open(track: av.VideoStream, packet: av.Packet[Any]) -> bool:
    """Whether frames that come after a key packet of H.264 or HEVC may be shown before it.

    Where the file does not say when frames are shown, their numbers cannot be known from there.
    """
    kinds = [data[0] for data in bytes(packet).split(b"\0\0\1")[1:] if data]
    if track.codec_context.name == "h264":
        return not any(kind & 0x1F == _H264_IDR for kind in kinds)
    if track.codec_context.name == "hevc":
        return not any(kind >> 1 & 0x3F in _HEVC_IDR for kind in kinds)
    return False


def _array(values: array[int]) -> NDArray[np.int64]:
    return np.frombuffer(values, np.int64)
