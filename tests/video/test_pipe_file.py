"""A video into a pipe: whose reader is slow, goes, or reads everything."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_video import HEIGHT, WIDTH, decode, encode_parts, encoder_for

from musetalk_fast.errors import OutputWriteError
from musetalk_fast.types import BT709
from musetalk_fast.video.mux import join, join_into_pipe
from musetalk_fast.video.output_sound import EncodedTrack
from musetalk_fast.video.parts import Part
from musetalk_fast.video.pipe_file import PipeFile
from musetalk_fast.video.raw_video import raw_video
from musetalk_fast.video.rgb_frames import FrameLook

FPS = Fraction(30000, 1001)
LENGTHS = (3, 1, 4)


class _Reader:
    """Reads a pipe to its end, in a thread."""

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe()
        self.content = b""
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        with os.fdopen(self._reading, "rb") as file:
            self.content = file.read()

    def end(self) -> bytes:
        os.close(self.writing)
        self._thread.join()
        return self.content


def _sound(name: str) -> EncodedTrack:
    return EncodedTrack(_frames(), "aac" if name == "mp4" else "libopus")


def _frames() -> Iterator[av.AudioFrame]:
    samples = (8000 * np.sin(np.arange(13_000) / 10)).astype(np.int16)[None]
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
    frame.sample_rate = 48_000
    yield frame


@pytest.mark.parametrize("name", ["mkv", "mp4"])
def test_a_pipe_gets_what_a_file_gets(tmp_path: Path, name: str) -> None:
    """The same frames at the same times, and the same sound."""
    output = tmp_path / f"o.{name}"
    encoder = encoder_for(output, FPS)
    parts = encode_parts(tmp_path, encoder, FPS, LENGTHS)
    ways = {"fps": FPS, "encoder": encoder, "metadata": {"comment": "us"}}
    join(parts, output, sound=_sound(name), **ways)  # type: ignore[arg-type]
    reader = _Reader()
    taken = iter(parts)
    join_into_pipe(taken, PipeFile(reader.writing), sound=_sound(name), **ways)  # type: ignore[arg-type]
    piped = tmp_path / f"p.{name}"
    piped.write_bytes(reader.end())
    assert next(taken, None) is None
    assert decode(piped).numbers == [*range(sum(LENGTHS))]
    assert decode(piped).times == decode(output).times
    assert _heard(piped) == _heard(output)


def _heard(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(audio=0)]


def test_raw_frames_are_what_ffmpeg_reads(tmp_path: Path) -> None:
    encoder = encoder_for(Path("o.y4m"), FPS, preset=None)
    parts = encode_parts(tmp_path, encoder, FPS, LENGTHS)
    look = FrameLook(WIDTH, HEIGHT, encoder.pix_fmt, BT709)
    y4m, rgb = (b"".join(raw_video(parts, kind, look, FPS)) for kind in ("y4m", "rgb"))
    with av.open(io.BytesIO(y4m), format="yuv4mpegpipe") as container:
        assert container.streams.video[0].average_rate == FPS
        frames = list(container.decode(video=0))
    assert {(frame.format.name, int(frame.color_range)) for frame in frames} == {("yuv444p", 1)}
    (tmp_path / "o.y4m").write_bytes(y4m)
    assert decode(tmp_path / "o.y4m").numbers == [*range(sum(LENGTHS))]
    pixels = np.frombuffer(rgb, np.uint8).reshape(len(frames), HEIGHT, WIDTH, 3)
    again = frames[5].reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()
    assert np.abs(again.astype(int) - pixels[5]).max() <= 2


@contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    open_ends = {reading, writing}
    try:
        yield reading, writing
    finally:
        for end in open_ends:
            try:
                os.close(end)
            except OSError:
                continue


def test_a_reader_that_has_gone_ends_it(tmp_path: Path) -> None:
    encoder = encoder_for(Path("o.mkv"), FPS)
    parts = encode_parts(tmp_path, encoder, FPS, LENGTHS)
    with _pipe() as (reading, writing):
        pipe = PipeFile(writing)
        pipe.check_reader()
        os.close(reading)
        for use in (pipe.check_reader, lambda: pipe.write(b"x")):
            with pytest.raises(BrokenPipeError):
                use()
        ways = {"fps": FPS, "encoder": encoder, "metadata": {}, "sound": None}
        with pytest.raises(BrokenPipeError):
            join_into_pipe(iter(parts), PipeFile(writing), **ways)  # type: ignore[arg-type]


def test_a_slow_reader_can_be_given_up() -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > 18:  # 64 KiB in blocks of 4, and two waits
            raise KeyboardInterrupt

    with _pipe() as (reading, writing):
        with pytest.raises(KeyboardInterrupt):
            PipeFile(writing, check).write(bytes(1 << 20))
        assert len(os.read(reading, 1 << 20)) >= 4096


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_named() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        with pytest.raises(OutputWriteError, match="No space left") as caught:
            PipeFile(full.fileno()).write(b"x")
        assert caught.value.where == "stdout"


def test_parts_are_asked_for_one_after_the_other(tmp_path: Path) -> None:
    """Each when the one before is through, which may be removed then."""
    encoder = encoder_for(Path("o.mkv"), FPS)
    parts = encode_parts(tmp_path, encoder, FPS, LENGTHS)

    def removed() -> Iterator[Part]:
        for part in parts:
            yield part
            part.path.unlink()

    reader = _Reader()
    ways = {"fps": FPS, "encoder": encoder, "metadata": {}, "sound": None}
    join_into_pipe(removed(), PipeFile(reader.writing), **ways)  # type: ignore[arg-type]
    (tmp_path / "o.mkv").write_bytes(reader.end())
    assert decode(tmp_path / "o.mkv").numbers == [*range(sum(LENGTHS))]
    assert [path.name for path in tmp_path.iterdir()] == ["o.mkv"]
