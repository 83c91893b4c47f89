"""A file with a video track in it, open: its container, and which of its tracks is shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musetalk_fast.errors import VideoFormatError
from musetalk_fast.media.audio_file import DEMUXERS
from musetalk_fast.media.avio import AvioFile
from musetalk_fast.media.input_file import open_input, unreadable
from musetalk_fast.media.picture.picture_file import MAX_SIDE
from musetalk_fast.media.truncation import ends_early

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

CONTAINERS = frozenset(("mov", "matroska", "avi"))
"""Formats that can be read at any place, and that say where their key frames are."""

_MODERN = "h264,hevc,vp8,vp9,av1,libdav1d,prores"
_OTHERS = "mpeg4,mpeg2video,mjpeg,dnxhd,cfhd,ffv1,qtrle"
CODECS = frozenset(f"{_MODERN},{_OTHERS}".split(","))
"""Decoders, by FFmpeg's names. Not those of games and of what nobody uses any more, which is where
a hostile file looks for faults."""

_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders that keep the alpha which FFmpeg's own of these drop."""

BY_ORDER = frozenset(("avi",))
"""Formats that count packets and do not say when each is shown."""

_MAX_READ_ERRORS = 20
"""Errors of the container in a row after which the file counts as ended."""

_PALETTE = "pal8"
"""The pixel format of QuickTime Animation with 256 colours or greys."""

_BLOCK = 1 << 17
"""Bytes read at once."""


class VideoFile:
    """A file with a video track that can be decoded. Use as a context, or close it.

    Attributes:
        path: the file.
        container: PyAV's.
        track: the first one that is not a cover picture and can be decoded.
        notes: sentences for the user.

    Raises:
        errors.InputNotFoundError, errors.InputUnreadableError: there is no file to read.
        errors.VideoFormatError: no video in it that can be decoded.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: tuple[str, ...] = ()
        self._decoder: av.VideoCodecContext | None = None
        self._has_palette = False
        self._file = open_input(path)
        self._avio = AvioFile(self._file)
        try:
            self.container = self._open()
            try:
                self.track = self._choose()
            except BaseException:
                self.container.close()
                raise
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the file and the decoder."""
        self.container.close()
        self._file.close()

    @property
    def format(self) -> str:
        """FFmpeg's name of the container's format, the first where it has several."""
        return self.container.format.name.partition(",")[0]

    def promised(self) -> int:
        """How many packets the file says that the track has; 0 if it does not say it."""
        # What an MP4 counts includes packets that its edit list leaves out for good.
        return len(self.track.index_entries) if self.format == "mov" else self.track.frames

    def ends_early(self) -> bool:
        """Whether the file is shorter than it says."""
        with self.path.open("rb") as file:
            return ends_early(self.format, file)

    def packets(self) -> Iterator[av.Packet[Any]]:
        """The track's packets from here on; the last one is empty, for the decoder.

        Raises:
            errors.InputUnreadableError: the disk failed.
        """
        import av

        errors = 0
        while errors < _MAX_READ_ERRORS:
            try:
                for packet in self.container.demux(self.track):
                    errors = 0
                    if packet.size:
                        yield packet
            except av.FFmpegError:
                errors += 1
            except IndexError:
                # PyAV's words for a packet of a track that was not there at first: not ours.
                errors += 1
            else:
                break
        if self._avio.error is not None:
            raise unreadable(self.path, self._avio.error)
        yield av.Packet()

    def decode(self, packet: av.Packet[Any] | None) -> list[av.VideoFrame]:
        """What a packet of the track decodes to; the empty one, or None, brings what is left.

        Raises:
            av.FFmpegError: it is damaged.
        """
        if self._decoder is None:
            return self.track.decode(packet)
        return self._decoder.decode(packet if packet is not None and packet.size else None)

    def seek(self, stamp: int) -> None:
        """Go on at the key frame at or before a time stamp; where that fails, at the beginning."""
        import av

        self._load_palette()
        if self._decoder is not None:
            self._decoder.flush_buffers()
        try:
            self.container.seek(stamp, stream=self.track)
        except av.FFmpegError:
            self.rewind()

    def _load_palette(self) -> None:
        """A palette comes once, with the first packet; a decoder that has seen it keeps it."""
        import av

        if self._has_palette or self.track.format is None or self.track.format.name != _PALETTE:
            return
        self._has_palette = True
        with suppress(av.FFmpegError):
            self.decode(next(self.packets()))

    def rewind(self) -> None:
        """Go on at the beginning."""
        self.container.close()
        self._file.seek(0)
        self.container = self._open()
        self.track = self._choose()
        self._has_palette = False

    def error(self, message: str, hint: str | None = None) -> VideoFormatError:
        """An error at this file."""
        return VideoFormatError(message, where=str(self.path), hint=hint)

    def _open(self) -> InputContainer:
        import av

        limits = {"format_whitelist": DEMUXERS, "max_pixels": str(MAX_SIDE * MAX_SIDE)}
        try:
            # A file object, not the name: FFmpeg would take some names for addresses.
            return av.open(
                self._avio, "r", options=limits, metadata_errors="replace", buffer_size=_BLOCK
            )
        except (av.FFmpegError, ValueError) as error:
            if self._avio.error is not None:
                raise unreadable(self.path, self._avio.error) from error
            raise self.error(f"this holds no video that can be read{self._cut()}") from error

    def _cut(self) -> str:
        """What to say of a file by its first bytes: an MP4 without its end cannot be opened."""
        self._file.seek(0)
        is_mov = self._file.read(8)[4:] == b"ftyp"
        return ": an MP4 or MOV that was cut, or is damaged" if is_mov else ""

    def _choose(self) -> av.VideoStream:
        import av

        every = self.container.streams.video
        covers = [each for each in every if each.disposition & av.stream.Disposition.attached_pic]
        shown = [each for each in every if each not in covers]
        if not shown:
            raise self.error(
                self._without_video(bool(covers)), hint="give a picture or a video as the avatar"
            )
        if self.format not in CONTAINERS:
            raise self.error(
                f"a video in a container that is not read here: {self.container.format.long_name}",
                hint="`ffmpeg -i INPUT -c copy OUTPUT.mkv` puts it into another",
            )
        for number, track in enumerate(shown, 1):
            if _decoder(track) in CODECS:
                self._prepare(track)
                if len(shown) > 1:
                    self.notes = (
                        f"the file has {len(shown)} video tracks: number {number} is used",
                    )
                return track
        names = ", ".join(_decoder(track) or "an unknown codec" for track in shown)
        raise self.error(f"its video cannot be decoded here: {names}")

    def _without_video(self, has_cover: bool) -> str:
        if has_cover:
            return "a recording with a cover picture: there is no video in it"
        sound = bool(self.container.streams.audio)
        return "a recording without video" if sound else "there is no video in it"

    def _prepare(self, track: av.VideoStream) -> None:
        # One thread: every encoding thread decodes for itself.
        self._decoder = _alpha_decoder(track)
        for context in filter(None, (track.codec_context, self._decoder)):
            context.thread_count = 1
            context.options = {"max_pixels": str(MAX_SIDE * MAX_SIDE)}


def is_known(path: Path) -> bool:
    """Whether a file is of any format that FFmpeg reads, of those that may be opened here.

    Raises:
        errors.InputNotFoundError, errors.InputUnreadableError: there is no file to read.
    """
    import av

    with open_input(path) as file:
        try:
            av.open(AvioFile(file), "r", options={"format_whitelist": DEMUXERS}).close()
        except (av.FFmpegError, ValueError):
            return False
        return True


def _alpha_decoder(track: av.VideoStream) -> av.VideoCodecContext | None:
    """One that keeps the alpha that a track says it has; None where the track's own does."""
    import av

    name = _WITH_ALPHA.get(track.codec_context.name)
    # In capitals where the file has it as a tag, too, as recipes for FFmpeg say.
    tags = {key.lower(): value for key, value in track.metadata.items()}
    if name is None or tags.get("alpha_mode") != "1" or name not in av.codecs_available:
        return None
    decoder = av.CodecContext.create(name, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.extradata = track.codec_context.extradata
    return decoder


def _decoder(track: av.VideoStream) -> str | None:
    # None where there is none, whatever PyAV's type says.
    context: Any = getattr(track, "codec_context", None)
    return None if context is None else context.name
