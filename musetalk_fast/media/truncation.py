"""Truncated files: how much is missing, by their own structure."""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from musetalk_fast.media.audio_file import BROADCAST, UNTIMED, AudioFile
from musetalk_fast.media.wav import missing_share

if TYPE_CHECKING:
    import av

_TOLERANCE = 0.25
"""Seconds by which lengths in files are wrong: codecs' priming and padding, coarse clocks."""
_WAV_TOLERANCE = 0.02
"""Less, because bytes are counted; some programs count the head, too."""

_END_TIMED = frozenset(("ogg", "matroska", "nut"))
"""Formats of which FFmpeg's duration is the time of the end, wherever the sound begins: a stream
that was captured midway (RFC 7845, 4.3), or a cut with its times kept."""

_OPUS_RATE = 48_000
_OGG_PAGE = struct.Struct("<4sBBqIIIB")
_OGG_LONGEST = _OGG_PAGE.size + 255 + 255 * 255
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_XING = re.compile(rb"(?:Xing|Info)...[\x01\x03\x05\x07\x09\x0b\x0d\x0f](....)", re.DOTALL)
"""A tag whose flags say that the number of frames follows."""
_XING_PLACE = 64
"""Bytes of the first frame that hold it."""
_ID3_HEAD = 10

_BITRATES_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_BITRATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
"""Kilobits a second of layer III, by the header's index: of MPEG 1, and of MPEG 2 and 2.5."""
_RATES = (44_100, 48_000, 32_000)
_LAYER_3 = 1
_MP3_TAIL = 1 << 13
_MP3_ROW = 2
"""Frames behind one another that no chance makes; the longest is 1441 bytes."""


def missing_end(source: AudioFile, secs: float, origin: float) -> str | None:
    """A sentence if the file should hold more than the `secs` that were decoded; else None.

    Args:
        origin: seconds of the file's clock at its first sample.
    """
    with source.path.open("rb") as file:
        missing = _missing_secs(source, file, secs, origin)
        if missing:
            promise = f"{secs + missing:.1f} s of sound but holds {secs:.1f} s"
            return f"the file promises {promise}: it may be cut"
        if ends_early(source.format, file):
            return "the file ends in the middle of its sound: it may be cut"
    return None


def ends_early(format_name: str, file: BinaryIO) -> bool:
    """Whether a file is shorter than its own structure says; see `_CHECKS` for what is looked at.

    Args:
        format_name: FFmpeg's.
    """
    check = _CHECKS.get(format_name)
    return check is not None and check(file, os.fstat(file.fileno()).st_size)


def _missing_secs(source: AudioFile, file: BinaryIO, secs: float, origin: float) -> float:
    """How much longer the file says that its sound is; 0 where it says nothing."""
    if source.format == "wav":
        # FFmpeg corrects what a cut file says.
        missing = secs * missing_share(file)
        return missing if missing > _WAV_TOLERANCE else 0.0
    missing = _promised_secs(source, file) - secs
    if source.format in _END_TIMED:
        missing -= max(0.0, origin)
    return missing if missing > _TOLERANCE else 0.0


def _promised_secs(source: AudioFile, file: BinaryIO) -> float:
    """How long the file says that its sound is; 0 where FFmpeg guesses."""
    track, container = source.track, source.container
    if source.format == "mp3":
        return mp3_secs(file)
    if source.format in UNTIMED or source.format in BROADCAST:
        return 0.0
    if track.duration is not None and track.time_base is not None:
        return float(track.duration * track.time_base) - _skipped_secs(track)
    if container.duration is not None and len(container.streams) == 1:
        return container.duration / 1_000_000
    return 0.0


def _skipped_secs(track: av.AudioStream) -> float:
    """What an Opus stream begins with and nobody hears (RFC 7845, 5.1); FFmpeg counts it in Ogg."""
    head = track.codec_context.extradata or b""
    if not head.startswith(b"OpusHead"):
        return 0.0
    return int.from_bytes(head[10:12], "little") / _OPUS_RATE


def mp3_secs(file: BinaryIO) -> float:
    """How long an MP3 is by the count of its frames in the tag of its first one; 0: no such tag.

    FFmpeg's word is a guess by the file's size where that is not the tag's.
    """
    file.seek(0)
    head = file.read(_ID3_HEAD)
    start = 0
    if head.startswith(b"ID3") and len(head) == _ID3_HEAD:
        # Four times seven bits.
        start = _ID3_HEAD + sum((byte & 0x7F) << 7 * (3 - i) for i, byte in enumerate(head[6:]))
    file.seek(start)
    data = file.read(_XING_PLACE)
    frame, tag = mp3_frame(data), _XING.search(data)
    return int.from_bytes(tag[1], "big") * frame.secs if frame and tag else 0.0


class Mp3Frame(NamedTuple):
    """A frame of MPEG layer III: its length in bytes, and in seconds."""

    size: int
    secs: float


def mp3_frame(head: bytes) -> Mp3Frame | None:
    """What the four bytes of a header say (ISO 11172-3, 2.4.2.3 and 2.4.3.1); None: it is none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    index, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if layer != _LAYER_3 or version == 1 or rate == 3 or index in (0, 15):
        return None
    # MPEG 1, and 2 and 2.5 with half a frame.
    samples, bitrates = (1152, _BITRATES_1) if version == 3 else (576, _BITRATES_2)
    hertz = _RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    return Mp3Frame(samples * 125 * bitrates[index] // hertz + padding, samples / hertz)


def _ogg(file: BinaryIO, size: int) -> bool:
    start = max(0, size - _OGG_LONGEST)
    file.seek(start)
    tail = file.read(_OGG_LONGEST)
    place = tail.rfind(b"OggS")
    if place < 0:
        return False
    page = tail[place:]
    if len(page) < _OGG_PAGE.size:
        return True
    segments = page[_OGG_PAGE.size - 1]
    body = _OGG_PAGE.size + segments
    length = body + sum(page[_OGG_PAGE.size : body])
    # A damaged page is dropped by FFmpeg; at the end no later one shows that it is missing.
    return len(page) < length or not _is_whole(page[:length])


def _is_whole(page: bytes) -> bool:
    """Whether a page's CRC-32 is right: Ogg's (RFC 3533, 6) has zlib's bits in reverse."""
    checksum = int.from_bytes(page[22:26], "little")
    data = page[:22] + bytes(4) + page[26:]
    crc = zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2) == checksum


def _matroska(file: BinaryIO, size: int) -> bool:
    """Its segment says how long it is, unless it was written without knowing."""
    file.seek(0)
    head = file.read(256)
    found = re.search(re.escape(_SEGMENT), head) if head.startswith(_EBML) else None
    if found is None or len(head) <= found.end():
        return False
    octets = 9 - head[found.end()].bit_length()
    body = found.end() + octets
    length = int.from_bytes(head[found.end() : body], "big") & (1 << 7 * octets) - 1
    return length != (1 << 7 * octets) - 1 and body + length > size


def _mp3(file: BinaryIO, size: int) -> bool:
    """The last frame of a row of them is longer than what is left of the file."""
    file.seek(max(0, size - _MP3_TAIL))
    tail = file.read()
    place = row = 0
    while place < len(tail):
        frame = mp3_frame(tail[place : place + 4])
        if frame is None:
            place, row = place + 1, 0
        elif place + frame.size > len(tail) and row >= _MP3_ROW:
            return True
        else:
            place, row = place + frame.size, row + 1
    return False


_CHECKS: dict[str, Callable[[BinaryIO, int], bool]] = {
    "ogg": _ogg,
    "matroska": _matroska,
    "mp3": _mp3,
}
