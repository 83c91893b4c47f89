"""Recordings made by hand, by PyAV, and their samples."""

from __future__ import annotations

import struct
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]
"""(n, channels), full scale at -1..1."""

_DTYPES = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "flt": np.float32, "dbl": np.float64}
_SCALES = {"u8": 127, "s16": 32767, "s32": 2**31 - 1, "flt": 1, "dbl": 1}


def tones(rate: int, secs: float, channels: int = 1) -> Signal:
    """A tone of its own in each channel."""
    time = np.arange(int(rate * secs)) / rate
    return np.stack([0.5 * np.sin(2 * np.pi * (300 + 100 * c) * time) for c in range(channels)], 1)


def write_wav(path: Path, rate: int, pcm: NDArray[np.int16]) -> Path:
    """16 bits, by the standard library; (n,) or (n, channels)."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if pcm.ndim == 1 else pcm.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm.astype("<i2").tobytes())
    return path


def wav_bytes(
    body: bytes, *, form: int, channels: int, rate: int, bits: int, mask: int = 0
) -> bytes:
    """A WAV by the book; format tag 0xFFFE is WAVE_FORMAT_EXTENSIBLE of integers."""
    align = channels * bits // 8
    head = struct.pack("<HHIIHH", form, channels, rate, rate * align, align, bits)
    if form == 0xFFFE:
        guid = bytes.fromhex("0100000000001000800000aa00389b71")
        head += struct.pack("<HHI", 22, bits, mask) + guid
    chunks = b"fmt " + struct.pack("<I", len(head)) + head
    chunks += b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def record(
    path: Path, codec: str, sample_format: str, rate: int, signal: Signal, *,
    layout: str = "mono", container: str | None = None, film: bool = False, **options: str,
) -> Path:  # fmt: skip
    """Encode a signal; `film` adds a picture track."""
    with av.open(str(path), "w", format=container) as output:
        picture = _picture_track(output) if film else None
        stream = output.add_stream(codec, rate=rate, layout=layout)
        stream.options = options
        if picture is not None:
            stream.codec_context.open()
            _fill(output, picture, len(signal) / rate)
        samples = _samples(signal, sample_format.rstrip("p"))
        for start in range(0, len(samples), 4096):
            block = samples[start : start + 4096]
            planes = block.T if sample_format.endswith("p") else block.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(planes), format=sample_format, layout=layout
            )
            frame.sample_rate, frame.pts = rate, start
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def silent_film(path: Path) -> Path:
    """A video without a sound track."""
    with av.open(str(path), "w") as output:
        _fill(output, _picture_track(output), 1.0)
    return path


def _picture_track(output: Any) -> Any:
    stream = output.add_stream("mpeg4", rate=25)
    stream.width = stream.height = 64
    stream.pix_fmt = "yuv420p"
    return stream


def _fill(output: Any, stream: Any, secs: float) -> None:
    for index in range(int(25 * secs)):
        frame = av.VideoFrame(64, 64, "yuv420p")
        frame.pts = index
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def _samples(signal: Signal, kind: str) -> NDArray[Any]:
    scale = _SCALES[kind]
    scaled = np.rint(signal * scale) if scale > 1 else signal
    return (scaled + 128 * (kind == "u8")).astype(_DTYPES[kind])


def remuxed(
    source: Path, path: Path, keep: Callable[[int, Any], bool] = lambda _number, _packet: True
) -> Path:
    """The packets of a recording that `keep` takes; it may change their times."""
    with av.open(str(source)) as given, av.open(str(path), "w") as output:
        stream = output.add_stream_from_template(given.streams.audio[0])
        packets = (packet for packet in given.demux(audio=0) if packet.size)
        for number, packet in enumerate(packets):
            if keep(number, packet):
                packet.stream = stream
                output.mux_one(packet)
    return path


def two_tracks(path: Path, *signals: Signal) -> Path:
    """An MP4 with a track of AAC for each signal, at 16 kHz."""
    with av.open(str(path), "w") as output:
        streams = [output.add_stream("aac", rate=16_000, layout="mono") for _ in signals]
        for stream, signal in zip(streams, signals, strict=True):
            frame = av.AudioFrame.from_ndarray(signal.T.astype(np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = 16_000, 0
            output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    return path
