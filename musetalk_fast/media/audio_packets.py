"""Packets of a sound track become frames; what cannot be decoded is counted and passed over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from musetalk_fast.errors import AudioFormatError
from musetalk_fast.media.audio_file import UNTIMED, AudioFile
from musetalk_fast.media.input_file import unreadable
from musetalk_fast.media.packet_clock import PacketClock

if TYPE_CHECKING:
    import av

_NOTHING = Fraction(0)
_MAX_READ_ERRORS = 20
"""Errors of the container in a row after which the file counts as ended."""

_TAGS = (b"ID3", b"TAG", b"APETAGEX")
_STRICT = {"flac": {"err_detect": "crccheck+explode"}}
"""Without it, FFmpeg takes damaged FLAC for noise as loud as can be."""


_DOUBTFUL = ("mp3", "aac")
"""Formats whose frames begin with a dozen bits that any damage may hold."""

_Attempt: TypeAlias = "tuple[Any, list[av.AudioFrame] | None]"
"""A packet, and its frames; None: it cannot be decoded. Without a packet: what was held back."""

_T = TypeVar("_T")
_Form: TypeAlias = tuple[int, int, str]
"""Samples of a frame, their rate and channels."""


class PacketDecoder:
    """Decodes a file's track around what is damaged.

    Attributes:
        failed: packets that could not be decoded.
        lost: those of them that held sound, as far as one can see.
        decoded: packets that could.
        first: seconds of sound before the first of those that could not.
        broken_off: reading failed before the end of the file.
        clock: of the packets that were read.
        begins: sample at which the first packet begins that is decoded, after priming.

    Args:
        skip: seconds at the beginning whose packets are read, but not decoded.
    """

    def __init__(self, source: AudioFile, skip: Fraction = _NOTHING) -> None:
        self._source = source
        self.clock = PacketClock(source.track)
        self._skipped = ceil(skip * self.clock.rate)
        self.begins = 0
        self._untimed = source.format in UNTIMED
        self._bytes = self._missing_bytes = 0
        self._missing_secs = 0.0
        self._secs = self._frame_secs = self.first = 0.0
        self._has_begun = False
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
        attempts = self._attempts()
        if self._source.format in _DOUBTFUL:
            attempts = _believed(attempts)
        for packet, frames in attempts:
            if frames is None:
                self._miss(packet)
                continue
            if packet is not None and frames:
                self.decoded += 1
                self._bytes += packet.size
            for frame in frames:
                lost, self._missing_secs = self._missed_secs(), 0.0
                self._frame_secs = frame.samples / frame.sample_rate
                self._secs += self._frame_secs
                yield lost, frame
        if self._source.file.error is not None:
            raise unreadable(self._source.path, self._source.file.error)
        if self.lost > self.decoded:
            raise AudioFormatError(
                f"{self.lost} of {self.lost + self.decoded} packets of its sound cannot be decoded",
                where=str(self._source.path),
            )

    def _attempts(self) -> Iterator[_Attempt]:
        import av

        for packet in self._packets():
            try:
                frames: list[av.AudioFrame] = self._source.track.decode(packet)
            except av.FFmpegError:
                yield packet, None
            else:
                yield packet, frames

    def _packets(self) -> Iterator[Any]:
        import av

        errors = 0
        while errors < _MAX_READ_ERRORS:
            try:
                for packet in self._source.container.demux(self._source.track):
                    errors = 0
                    if self.broken_off and packet.size:
                        # It goes on behind what could not be read.
                        self.broken_off = False
                        self.failed += 1
                    if not packet.size or self._is_wanted(packet):
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

    def _is_wanted(self, packet: Any) -> bool:
        start, _ = self.clock.place(packet)
        if not self._has_begun and start >= self._skipped > 0:
            self._has_begun, self.begins = True, start
        return self._has_begun or not self._skipped

    def _miss(self, packet: Any) -> None:
        """Count a packet that could not be decoded, and the sound that was in it."""
        # Formats without a table of contents: junk before the first frame is no damage.
        is_junk = self._untimed and not self._secs and not self._skipped
        if packet is None or not packet.size or is_junk:
            return
        self.first = self.first if self.failed else self._secs
        self.failed += 1
        if not self._untimed:
            self._missing_secs += (
                float((packet.duration or 0) * (packet.time_base or 0)) or self._frame_secs
            )
        elif _is_filling(data := bytes(packet)):
            return
        elif self._source.format == "aac":
            self._missing_secs += self._frame_secs
        else:
            self._missing_bytes += len(data)
        self.lost += 1

    def _missed_secs(self) -> float:
        """What was missing before a frame; the parser takes what it cannot read as it comes."""
        if self._missing_bytes:
            frames = max(1, round(self._missing_bytes * self.decoded / max(1, self._bytes)))
            self._missing_secs += frames * self._frame_secs
            self._missing_bytes = 0
        return self._missing_secs


def _believed(attempts: Iterator[_Attempt]) -> Iterator[_Attempt]:
    """Damaged bytes may look like a frame of another kind: one alone is none."""
    form: _Form | None = None
    for (packet, frames), following in with_next(each for each in attempts if each[1] != []):
        if frames:
            found = _form(frames)
            if (
                form in (None, found)
                or following is None
                or _form(following[1]) not in (None, form)
            ):
                form = found
                yield packet, frames
                continue
        yield packet, None


def with_next(items: Iterable[_T]) -> Iterator[tuple[_T, _T | None]]:
    """Each item with the one that follows; None after the last."""
    iterator = iter(items)
    for first in iterator:
        item = first
        for following in iterator:
            yield item, following
            item = following
        yield item, None


def _form(frames: list[av.AudioFrame] | None) -> _Form | None:
    if not frames:
        return None
    return frames[0].samples, frames[0].sample_rate, frames[0].layout.name


def _is_filling(data: bytes) -> bool:
    """Tags of files that were put behind one another, and padding."""
    return data.startswith(_TAGS) or data.count(data[0]) == len(data)
