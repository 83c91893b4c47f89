"""Avatars that are wrong or strange, for `input_matrix`: errors, or videos with a warning."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from avatar_inputs import COUNT, SIZE, Case, Make, clip, moved, set_matrix
from numbered_clips import encrypt, patch
from PIL import Image

_WEEK = 7 * 86_400 * 25
_AVI_RATE = 4 + 4 + 20
"""Bytes from the head of an AVI's stream to its scale and rate."""


def _lost(index: int) -> Image.Image:
    """A face that goes and does not come back."""
    return moved(index) if index < 6 else Image.new("RGB", SIZE, (90, 100, 110))


def _two_sizes(suffix: str) -> Make:
    """Two clips of H.264 behind one another, as a concatenation without care makes them."""

    def make(path: Path) -> Path:
        path = path.with_suffix(suffix)
        with av.open(str(path), "w") as file:
            stream = file.add_stream("libx264", rate=25)
            (stream.width, stream.height), stream.pix_fmt = SIZE, "yuv420p"
            for start, size in ((0, SIZE), (COUNT // 2, (SIZE[0] * 3 // 2, SIZE[1] * 3 // 2))):
                encoder = av.CodecContext.create("libx264", "w")
                (encoder.width, encoder.height), encoder.pix_fmt = size, "yuv420p"
                encoder.time_base, encoder.options = Fraction(1, 25), {"bf": "0"}
                made = []
                for index in range(COUNT // 2):
                    frame = av.VideoFrame.from_image(moved(start + index).resize(size))
                    frame = frame.reformat(format="yuv420p")
                    frame.pts = index
                    made += encoder.encode(frame)
                for packet in made + encoder.encode(None):
                    packet.stream, packet.time_base = stream, Fraction(1, 25)
                    packet.pts = packet.dts = packet.pts + start
                    file.mux(packet)
        return path

    return make


def _without_frames(suffix: str, codec: str, pix_fmt: str, **muxer: str) -> Make:
    def make(path: Path) -> Path:
        path = path.with_suffix(suffix)
        with av.open(str(path), "w", options=muxer) as file:
            stream = file.add_stream(codec, rate=25)
            (stream.width, stream.height), stream.pix_fmt = SIZE, pix_fmt
            file.start_encoding()
        return path

    return make


def _with_sound(suffix: str, secs: float) -> Make:
    """Whose sound is longer or shorter than its pictures."""

    def make(path: Path) -> Path:
        path = path.with_suffix(suffix)
        with av.open(str(path), "w") as file:
            stream, sound = file.add_stream("libx264", rate=25), file.add_stream("aac", rate=16_000)
            (stream.width, stream.height), stream.pix_fmt = SIZE, "yuv420p"
            for index in range(COUNT):
                frame = av.VideoFrame.from_image(moved(index)).reformat(format="yuv420p")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                file.mux(stream.encode(frame))
            for index in range(int(secs * 16_000 / 1024)):
                silence = av.AudioFrame.from_ndarray(
                    np.zeros((1, 1024), np.float32), "fltp", "mono"
                )
                silence.sample_rate, silence.pts = 16_000, 1024 * index
                file.mux(sound.encode(silence))
            file.mux(stream.encode(None))
            file.mux(sound.encode(None))
        return path

    return make


def _two_videos(path: Path) -> Path:
    path = path.with_suffix(".mkv")
    with av.open(str(path), "w") as file:
        streams = [file.add_stream("libx264", rate=25) for _ in range(2)]
        for stream in streams:
            (stream.width, stream.height), stream.pix_fmt = SIZE, "yuv420p"
        for index in range(COUNT):
            for stream in streams:
                frame = av.VideoFrame.from_image(moved(index)).reformat(format="yuv420p")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                file.mux(stream.encode(frame))
        for stream in streams:
            file.mux(stream.encode(None))
    return path


def _cover_only(path: Path) -> Path:
    path = path.with_suffix(".mp4")
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mjpeg", rate=1)
        (stream.width, stream.height), stream.pix_fmt = SIZE, "yuvj420p"
        stream.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_image(moved(0)).reformat(format="yuvj420p")
        frame.pts = 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def _without_index(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: data.find(b"moov") - 4])


def _too_large(path: Path) -> None:
    size = struct.pack(">HH", *SIZE[::-1])
    path.write_bytes(path.read_bytes().replace(size, struct.pack(">HH", 30_000, 30_000)))


def _avi_rate(scale: int, rate: int) -> Make:
    stated = struct.pack("<Ii", scale, rate)
    return clip(
        ".avi", "mjpeg", "yuvj420p", after=lambda path: patch(path, b"strh", _AVI_RATE, stated)
    )


def _turned(*matrix: int) -> Make:
    return clip(".mp4", "libx264", after=lambda path: set_matrix(path, *matrix))


def _later(start: int) -> Make:
    return clip(".mkv", "libx264", times=lambda index: start + index)


STRANGE_CASES = {
    "size changes, MKV": Case(_two_sizes(".mkv"), wanted="VideoFormatError"),
    "size changes, MP4": Case(_two_sizes(".mp4"), wanted="VideoFormatError"),
    "size changes, AVI": Case(_two_sizes(".avi"), wanted="VideoFormatError"),
    "no frames, MP4": Case(
        _without_frames(".mp4", "libx264", "yuv420p"), wanted="VideoFormatError"
    ),
    "no frames, MP4 in fragments": Case(
        _without_frames(".mp4", "libx264", "yuv420p", movflags="empty_moov+frag_keyframe"),
        wanted="VideoFormatError",
    ),
    "no frames, MOV": Case(
        _without_frames(".mov", "prores_ks", "yuv422p10le"), wanted="VideoFormatError"
    ),
    "no frames, MKV": Case(
        _without_frames(".mkv", "libx264", "yuv420p"), wanted="VideoFormatError"
    ),
    "no frames, WebM": Case(
        _without_frames(".webm", "libvpx-vp9", "yuv420p"), wanted="VideoFormatError"
    ),
    "no frames, AVI": Case(_without_frames(".avi", "mjpeg", "yuvj420p"), wanted="VideoFormatError"),
    "rate 0/0": Case(_avi_rate(0, 0), note="rate of 0/0 frames a second is none"),
    "rate 25/0": Case(_avi_rate(0, 25), note="rate of 25/0 frames a second is none"),
    "rate -25/1": Case(_avi_rate(1, -25), wanted="VideoFormatError"),
    "rate 1000000/1, MP4": Case(clip(".mp4", "libx264", rate=1_000_000), wanted="VideoFormatError"),
    "rate 90000/1, MKV": Case(
        clip(".mkv", "libx264", rate=90_000, bf="0"), wanted="VideoFormatError"
    ),
    "turned by 45 degrees": Case(_turned(1, 1, -1, 1), note="no quarter turn"),
    "turned by 720 degrees": Case(_turned(1, 0, 0, 1)),
    "matrix of zeros": Case(_turned(0, 0, 0, 0), note="no quarter turn"),
    "face lost for good": Case(clip(".mp4", "libx264", shown=_lost), note="no face"),
    "face lost for good, --no-face hold": Case(
        clip(".mp4", "libx264", shown=_lost), settings={"avatar.no_face": "hold"}, note="no face"
    ),
    "starts after 500 years": Case(_later(25 * 86_400 * 365 * 500)),
    "a week in the middle": Case(
        clip(".mkv", "libx264", times=lambda index: index + _WEEK * (index > 6)),
        wanted="VideoFormatError",
    ),
    "30000x30000 by its frames": Case(
        clip(".avi", "mjpeg", "yuvj420p", after=_too_large), wanted="VideoFormatError"
    ),
    "only a cover": Case(_cover_only, wanted="VideoFormatError"),
    "sound longer": Case(_with_sound(".mp4", 3.0)),
    "sound shorter": Case(_with_sound(".mkv", 0.1)),
    "MOV without moov": Case(
        clip(".mov", "libx264", after=_without_index), wanted="VideoFormatError"
    ),
    "two video tracks": Case(_two_videos, note="2 video tracks: number 1 is used"),
    "encrypted": Case(clip(".mp4", "libx264", after=encrypt), wanted="VideoFormatError"),
    "codec of nobody": Case(clip(".avi", "wmv2"), wanted="VideoFormatError"),
}
