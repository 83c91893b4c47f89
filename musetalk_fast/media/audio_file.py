"""A file with sound in it, open: its container, and which of its tracks is heard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musetalk_fast.errors import AudioFormatError, AudioLengthError, AudioTrackError
from musetalk_fast.ffmpeg_log import captured_log
from musetalk_fast.media.audio_track_choice import can_decode, chosen_track
from musetalk_fast.media.avio import AvioFile
from musetalk_fast.media.input_file import open_input, read_errors

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

_UNTIMED = "aac,ac3,amr,amrnb,amrwb,dts,dtshd,eac3,gsm,loas,mlp,mp3,sbc,truehd"
UNTIMED = frozenset(_UNTIMED.split(","))
"""Formats that are packets and nothing else: what FFmpeg says of their times it has counted."""

BROADCAST = frozenset(("mpeg", "mpegts", "pva", "nsv"))
"""Formats whose clock may be set anew at any time, and which say nowhere how long they are."""

GAPLESS = frozenset(("flac", "ogg"))
"""Formats whose times count the samples themselves: where they jump, something was lost."""

_TIMED = (
    "aiff,ape,asf,au,avi,caf,dsf,dv,flac,flv,gxf,iff,ircam,ivr,live_flv,matroska,mmf,mov,mpc,mpc8,"
    "mpeg,mpegts,mxf,nistsphere,nsv,nut,ogg,oma,pva,qcp,qoa,rm,rso,shn,smjpeg,sox,spdif,svx,swf,"
    "tak,tta,voc,w64,wav,wsd,wtv,wv,xwma"
)
DEMUXERS = f"{_TIMED},{_UNTIMED}"
"""What may be opened: all that people keep speech in. Not playlists (hls, concat, dash), which name
other files and addresses, nor devices, games' formats and raw samples, which any file might be."""

_OF_WAV = {"max_size": str(1 << 16), "probesize": str(1 << 17)}
"""FFmpeg's own choice are packets of 2 kB: a recording would cost more time than its video's frames
do beside the encoder. Of larger ones it looks at 5 MB for hidden DTS: 150 ms; two will do."""

_TRACK = re.compile(r"Stream #0:(\d+).*?: Audio: (\w+)(?: \([^/)]*\))*(?: \((\S+) / 0x\w+\))?")
"""Of FFmpeg's description: a track's number, its codec, and the tag of it where it has one."""


class AudioFile:
    """A file with a sound track that can be decoded. Use as a context.

    Attributes:
        path: the file.
        file: what FFmpeg reads, with the error of a disk that failed.
        container: PyAV's.
        track: the one that is heard.
        tracks: how many there are.

    Args:
        wanted: a track's number or language; None: the first one that can be decoded.

    Raises:
        errors.InputNotFoundError, errors.InputUnreadableError: there is no file to read.
        errors.AudioFormatError: no sound in it that can be decoded.
        errors.AudioTrackError: no such track, or not one that can be decoded.
        errors.AudioLengthError: the file is empty.
    """

    def __init__(self, path: Path, wanted: str | None = None) -> None:
        self.path = path
        self._file = open_input(path)
        self.file = AvioFile(self._file)
        with self.closed_on_error():
            self.container = self._open()
            self.tracks = len(self.container.streams.audio)
            self.track = self._first_decodable() if wanted is None else self._chosen(wanted)

    @contextmanager
    def closed_on_error(self) -> Iterator[None]:
        """Close the file if what is done with it fails."""
        try:
            yield
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> AudioFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()
        self._file.close()

    @property
    def format(self) -> str:
        """FFmpeg's name of the container's format, the first where it has several."""
        return self.container.format.name.partition(",")[0]

    @property
    def number(self) -> int:
        """Which of the tracks is heard, from 1."""
        return self.container.streams.audio.index(self.track) + 1

    def codecs(self) -> list[str]:
        """What the sound tracks are encoded with, in their order; with what cannot be decoded."""
        import av

        with captured_log(av.logging.INFO):
            container: Any = self.container  # PyAV's stubs do not know it
            lines = container.dumps_format()
        found = {
            int(at): tag if name == "none" else name for at, name, tag in _TRACK.findall(lines)
        }
        return [found.get(track.index) or "unknown" for track in self.container.streams.audio]

    def _open(self) -> InputContainer:
        import av

        with read_errors(self.path):
            head = self._file.read(12)
            self._file.seek(0)
        if not head:
            raise AudioLengthError(
                "the file is empty",
                where=str(self.path),
                hint="give a recording with speech in it",
            )
        try:
            # A file object, not the name: FFmpeg would take some names for addresses.
            return av.open(
                self.file,
                "r",
                options={
                    "format_whitelist": DEMUXERS,
                    **(_OF_WAV if head.endswith(b"WAVE") else {}),
                },
                metadata_errors="replace",
            )
        except (av.FFmpegError, ValueError) as error:
            raise self._error(f"this holds no sound that can be read{_cut(head)}") from error

    def _chosen(self, wanted: str) -> av.AudioStream:
        tracks = self.container.streams.audio
        if not tracks:
            return self._first_decodable()  # which says what there is instead
        try:
            return chosen_track(tracks, self.codecs(), wanted)
        except AudioTrackError as error:
            error.where = str(self.path)
            self.container.close()
            raise

    def _first_decodable(self) -> av.AudioStream:
        tracks = self.container.streams.audio
        for track in tracks:
            if can_decode(track):
                return track
        names = self.codecs() if tracks else []
        video = bool(self.container.streams.video)
        self.container.close()
        if names:
            raise self._error(f"its sound cannot be decoded: {', '.join(names)}")
        raise self._error("a video without sound" if video else "there is no sound in it")

    def _error(self, message: str) -> AudioFormatError:
        return AudioFormatError(message, where=str(self.path))


def _cut(head: bytes) -> str:
    """What to say of a file by its first bytes: an MP4 without its end cannot be opened."""
    return ": an MP4 or MOV that was cut, or is damaged" if head[4:8] == b"ftyp" else ""
