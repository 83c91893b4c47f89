"""The source frames of a video in order, from any of them on; what is damaged is decoded around."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, dropwhile
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from musetalk_fast.media.video.decode_attempt import NO_STAMP, DecodeAttempt
from musetalk_fast.media.video.frame_index import FrameIndex
from musetalk_fast.media.video.video_file import VideoFile

if TYPE_CHECKING:
    import av


class Numbered(NamedTuple):
    """A decoded frame, and which source frame it is."""

    number: int
    frame: av.VideoFrame


class FrameShape(NamedTuple):
    """What all frames of a video have in common: pixels across and down, and FFmpeg's format."""

    width: int
    height: int
    pix_fmt: str


class FrameDecoder:
    """Decodes a video from any source frame on; serves one thread at a time.

    Begins at the key frame before, or goes on where it is. In place of a frame that cannot be
    decoded comes the last one before it that can.

    Args:
        file: of which `index` is; closed with this.
        missing: by source frame: set where it cannot be decoded.
        shape: what all frames must have; None: not checked.

    Raises:
        errors.InputError: as `VideoFile`.
    """

    def __init__(
        self, file: VideoFile, index: FrameIndex, missing: bytearray, shape: FrameShape | None
    ) -> None:
        self._file, self._index, self._missing, self._shape = file, index, missing, shape
        self._decoded: Iterator[Numbered] = iter(())
        self._shown: Numbered | None = None
        self._ahead: Numbered | None = None
        self._needed = NO_STAMP

    @property
    def total(self) -> int:
        """How many source frames there are."""
        return self._index.frames

    def close(self) -> None:
        """Give back the file and what decoding holds."""
        self._decoded, self._shown, self._ahead = iter(()), None, None
        self._file.close()

    def distance(self, frame: int, *, seeking: bool = False) -> int:
        """How many frames are decoded before a source frame comes.

        Args:
            seeking: from the key frame before it, wherever the decoder is.
        """
        start = self._start_of(self._index.key_before(frame))
        here = -1 if seeking or self._shown is None else self._shown.number + 1
        return frame - (max(start, here) if here <= frame else start)

    def frames(self, first: int, last: int) -> Iterator[Numbered]:
        """The source frames from `first` to `last`, each once; they are only to be read.

        Raises:
            errors.VideoFormatError: none can be decoded, or the video changes its size or format.
            errors.InputUnreadableError: the disk failed.
        """
        self._go_to(first, whole=False)
        self._frame(first)
        if self._missing[first]:
            # The last one that can be decoded may be one of those that were left out.
            self._missing[first] = 0
            self._go_to(first, whole=True)
        for number in range(first, last + 1):
            yield Numbered(number, self._frame(number))

    def _go_to(self, frame: int, *, whole: bool) -> None:
        """Begin to decode so that a frame comes, or what stands for it.

        Args:
            whole: all frames before it, too; else without those that no other needs.
        """
        key = self._index.key_before(frame)
        here = -1 if self._shown is None or whole else self._shown.number + 1
        if self._start_of(key) <= here <= frame:
            return
        self._needed = NO_STAMP if whole else int(self._index.stamps[frame])
        back = 1
        while True:
            self._shown, self._decoded = None, self._decode(key)
            self._ahead = next(self._decoded, None)
            if self._ahead is not None and self._ahead.number <= frame:
                return
            if key == 0:
                break
            key, back = max(0, key - back), 2 * back
        if self._ahead is None:
            raise self._file.error("none of the video's frames can be decoded")
        # Nothing before it: what follows stands for it.
        self._shown = Numbered(-1, self._ahead.frame)

    def _frame(self, number: int) -> av.VideoFrame:
        while self._shown is None or self._shown.number < number:
            following = self._ahead or next(self._decoded, None)
            if following is None or following.number > number:
                self._ahead = following
                break
            self._shown, self._ahead = following, None
        assert self._shown is not None
        if self._shown.number != number:
            self._missing[number] = 1
        return self._shown.frame

    def _start_of(self, key: int) -> int:
        """The first source frame that can be decoded from a key packet."""
        return int(np.searchsorted(self._index.stamps, self._index.key_stamps[key]))

    def _decode(self, key: int) -> Iterator[Numbered]:
        """What can be decoded from a key packet on, in the order in which it is shown.

        After damage it goes on at the next key packet as if it began there: what came of the frames
        between would depend on where decoding began.
        """
        keys, numbers, last, lost = self._index.key_stamps, _Numbers(self._index), -1, NO_STAMP
        key = max(key, 1) if self._index.is_cut else key
        while key < len(keys):
            start = int(keys[key])
            needed = NO_STAMP if self._index.is_ordered else self._needed
            attempt = DecodeAttempt(self._file, needed)
            for frame in attempt.frames(self._packets(key), start):
                number = numbers.of(frame)
                # What is shown before the key packet may need what is not decoded.
                if number is None or number <= last or lost <= (frame.pts or 0) < start:
                    continue
                self._check(number, frame)
                last = number
                yield Numbered(number, frame)
            if attempt.damage is None:
                return
            lost, key = attempt.damage, int(np.searchsorted(keys, attempt.damage, side="right"))

    def _packets(self, key: int) -> Iterator[av.Packet[Any]]:
        """The packets from a key packet on."""
        if self._index.is_keyless:
            self._file.rewind()
            return self._stamped()
        start, place, back = self._index.key_stamps[key], key, 1
        while True:
            self._file.seek(int(self._index.key_stamps[place]))
            packets = self._stamped()
            first = next(packets)
            landed = None if first.pts is None else self._index.key_of(first.pts)
            if landed is not None and landed <= key:
                packets = chain((first,), packets)
                break
            if place == 0:
                self._file.rewind()
                packets = self._stamped()
                break
            place, back = max(0, place - back), 2 * back
        return dropwhile(
            lambda packet: packet.size and not (packet.is_keyframe and packet.pts == start), packets
        )

    def _stamped(self) -> Iterator[av.Packet[Any]]:
        for packet in self._file.packets():
            if packet.pts is None:
                packet.pts = packet.dts
            yield packet

    def _check(self, number: int, frame: av.VideoFrame) -> None:
        if self._shape is None:
            return
        found = FrameShape(frame.width, frame.height, frame.format.name)
        if found == self._shape:
            return
        first = self._shape
        raise self._file.error(
            f"the video changes in the middle: source frame {number} has {found.width}x"
            f"{found.height} pixels ({found.pix_fmt}), the first one {first.width}x{first.height} "
            f"({first.pix_fmt})",
            hint="encode it anew in one size, or cut it there",
        )


class _Numbers:
    """Which source frames come out of the decoder."""

    def __init__(self, index: FrameIndex) -> None:
        self._index = index
        self._start = self._count = -1

    def of(self, frame: av.VideoFrame) -> int | None:
        """The number of the next frame; None for one that is not shown."""
        if frame.pts is None:
            return None
        number = self._index.number(frame.pts)
        if number is None or not self._index.is_ordered:
            return number
        start = self._index.key_before(number)
        self._start, self._count = (start, self._count + 1) if start == self._start else (start, 0)
        first = np.searchsorted(self._index.stamps, self._index.key_stamps[start])
        return int(first) + self._count
