"""Joined videos: every frame at its time, nothing half-written, no part of another make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_video import decode, encode_part, encode_parts, encoder_for

from musetalk_fast.errors import EncoderError, OutputExistsError, OutputWriteError
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.mux import join
from musetalk_fast.video.output_sound import EncodedTrack
from musetalk_fast.video.parts import Part

FPS = Fraction(25)
RATES = [
    *(Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(60000, 1001)),
    *(Fraction(24), Fraction(50), Fraction(60), Fraction(25, 2)),
]
X264 = encoder_for(Path("o.mp4"), FPS)


def _join(
    parts: Sequence[Part], output: Path, fps: Fraction = FPS, encoder: EncoderSettings = X264
) -> None:
    join(parts, output, sound=None, fps=fps, encoder=encoder, metadata={})


def _boxes(path: Path) -> list[bytes]:
    """The types of an MP4's outermost boxes (ISO/IEC 14496-12, 4.2)."""
    data, place, found = path.read_bytes(), 0, []
    while place < len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        found.append(data[place + 4 : place + 8])
        place += size
    return found


@pytest.mark.parametrize("fps", RATES, ids=str)
def test_every_frame_is_at_exactly_its_time_in_mp4(tmp_path: Path, fps: Fraction) -> None:
    encoder = encoder_for(Path("o.mp4"), fps, preset="veryfast")
    parts = encode_parts(tmp_path, encoder, fps, [7, 1, 12])
    joined = join(parts, tmp_path / "o.mp4", sound=None, fps=fps, encoder=encoder, metadata={})
    assert (joined.frames, joined.duration) == (20, 20 / fps)
    assert joined.bytes == (tmp_path / "o.mp4").stat().st_size
    decoded = decode(tmp_path / "o.mp4")
    assert decoded.numbers == [*range(20)]
    assert decoded.times == [i / fps for i in range(20)]
    with av.open(str(tmp_path / "o.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == fps
        assert stream.frames == 20
        assert stream.duration * stream.time_base == 20 / fps


@pytest.mark.parametrize("fps", RATES, ids=str)
def test_every_frame_is_at_the_nearest_millisecond_in_webm(tmp_path: Path, fps: Fraction) -> None:
    encoder = encoder_for(Path("o.webm"), fps)
    parts = encode_parts(tmp_path, encoder, fps, [3, 1, 5])
    _join(parts, tmp_path / "o.webm", fps, encoder)
    decoded = decode(tmp_path / "o.webm")
    assert decoded.numbers == [*range(9)]
    assert all(abs(time - i / fps) <= Fraction(1, 2000) for i, time in enumerate(decoded.times))


@pytest.mark.long
@pytest.mark.parametrize("fps", RATES[:4], ids=str)
def test_nothing_drifts(tmp_path: Path, fps: Fraction) -> None:
    # Equal fractions after an hour are equal fractions after ten.
    encoder = encoder_for(Path("o.mp4"), fps)
    part = encode_part(tmp_path / "0.mp4", encoder, fps, [0] * 500)
    frames = 500 * (3600 * fps // 500)
    _join([part] * (frames // 500), tmp_path / "o.mp4", fps, encoder)
    times, duration = _last_seconds(tmp_path / "o.mp4")
    assert duration == frames / fps
    assert times == [i / fps for i in range(frames - len(times), frames)]
    assert len(times) > 1


def test_nothing_drifts_in_webm(tmp_path: Path) -> None:
    fps = Fraction(60000, 1001)
    encoder = encoder_for(Path("o.webm"), fps)
    part = encode_part(tmp_path / "0.mkv", encoder, fps, [0] * 100)
    _join([part] * 900, tmp_path / "o.webm", fps, encoder)
    times, _ = _last_seconds(tmp_path / "o.webm")
    for i, time in enumerate(times, 90_000 - len(times)):
        assert abs(time - i / fps) <= Fraction(1, 2000)
    assert len(times) > 1


def _last_seconds(path: Path) -> tuple[list[Fraction], Fraction]:
    """When the last frames are shown, and how long the video is."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        assert container.duration is not None
        container.seek(container.duration)
        packets = [packet for packet in container.demux(stream) if packet.pts is not None]
        times = sorted(packet.pts * stream.time_base for packet in packets)
        return times, (stream.duration or 0) * stream.time_base


@pytest.mark.parametrize("lengths", [[1], [1] * 9, [3], [200] + [1] * 40], ids=str)
def test_parts_of_any_length_join(tmp_path: Path, lengths: list[int]) -> None:
    parts = encode_parts(tmp_path, X264, FPS, lengths)
    _join(parts, tmp_path / "o.mp4")
    decoded = decode(tmp_path / "o.mp4")
    assert decoded.numbers == [*range(sum(lengths))]
    assert decoded.times == [i / FPS for i in range(sum(lengths))]


@pytest.mark.parametrize(
    "options",
    [
        {"bf": "3", "b-pyramid": "normal"},
        {"bf": "16", "b-adapt": "0"},
        {"bf": "3", "flags": "-cgop", "x264-params": "open-gop=1:keyint=6:min-keyint=1"},
        {"bf": "0"},
    ],
    ids=["pyramid", "sixteen", "open", "none"],
)
def test_frames_that_refer_ahead_come_in_order(tmp_path: Path, options: dict[str, str]) -> None:
    encoder = replace(X264, options={"crf": "20", "preset": "veryfast", **options})
    parts = encode_parts(tmp_path, encoder, FPS, [20, 2, 21, 1])
    _join(parts, tmp_path / "o.mp4")
    decoded = decode(tmp_path / "o.mp4")
    assert decoded.numbers == [*range(44)]
    assert decoded.times == [i / FPS for i in range(44)]
    assert any(part.delay for part in parts) == (options["bf"] != "0")


def test_no_picture_changes(tmp_path: Path) -> None:
    parts = encode_parts(tmp_path, X264, FPS, [9, 4])
    _join(parts, tmp_path / "o.mp4")
    apart = [frame for part in parts for frame in decode(part.path).frames]
    joined = decode(tmp_path / "o.mp4").frames
    assert all(np.array_equal(a, b) for a, b in zip(joined, apart, strict=True))


def test_the_index_comes_before_the_pictures(tmp_path: Path) -> None:
    _join(encode_parts(tmp_path, X264, FPS, [5]), tmp_path / "o.mp4")
    boxes = _boxes(tmp_path / "o.mp4")
    assert boxes.index(b"moov") < boxes.index(b"mdat")


def test_the_same_parts_give_the_same_pictures_and_metadata(tmp_path: Path) -> None:
    parts = encode_parts(tmp_path, X264, FPS, [5])
    reported = {"comment": "engine: preview", "title": "An Ünusual näme"}
    join(parts, tmp_path / "o.mp4", sound=None, fps=FPS, encoder=X264, metadata=reported)
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert reported.items() <= container.metadata.items()


@pytest.mark.parametrize("name", ["o.mp4", "o.webm"])
def test_colours_are_tagged(tmp_path: Path, name: str) -> None:
    encoder = encoder_for(Path(name), FPS)
    _join(encode_parts(tmp_path, encoder, FPS, [2]), tmp_path / name, FPS, encoder)
    with av.open(str(tmp_path / name)) as container:
        context = container.streams.video[0].codec_context
        assert isinstance(context, av.VideoCodecContext)
        found = (context.colorspace, context.color_primaries, context.color_trc)
        assert found == (1, 1, 1), "BT.709"
        assert context.color_range == 1, "limited"
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (1, 1)


def test_parts_of_different_makes_are_refused(tmp_path: Path) -> None:
    other = encoder_for(Path("o.mp4"), FPS, preset="veryfast")
    parts = [
        encode_part(tmp_path / "0.mp4", X264, FPS, [0, 1]),
        encode_part(tmp_path / "1.mp4", other, FPS, [2, 3]),
    ]
    with pytest.raises(EncoderError, match="headers differ") as raised:
        _join(parts, tmp_path / "o.mp4")
    assert raised.value.where == str(tmp_path / "1.mp4")
    assert not (tmp_path / "o.mp4").exists()


def test_threads_do_not_make_another_make(tmp_path: Path) -> None:
    parts = [
        encode_part(tmp_path / "0.mp4", replace(X264, threads=1), FPS, range(20)),
        encode_part(tmp_path / "1.mp4", replace(X264, threads=4), FPS, range(20, 40)),
    ]
    _join(parts, tmp_path / "o.mp4")
    assert decode(tmp_path / "o.mp4").numbers == [*range(40)]


def _damage(part: Part, how: str) -> None:
    content = part.path.read_bytes()
    if how == "missing":
        part.path.unlink()
    elif how == "empty":
        part.path.write_bytes(b"")
    elif how == "short":
        part.path.write_bytes(content[:-10])
    elif how == "longer":
        part.path.write_bytes(content + b"x")
    elif how == "zeros":
        part.path.write_bytes(bytes(len(content)))
    elif how == "no index":
        part.path.write_bytes(content.replace(b"moov", b"none"))


@pytest.mark.parametrize("how", ["missing", "empty", "short", "longer", "zeros", "no index"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_damaged_part_is_named_and_the_old_output_stays(
    tmp_path: Path, how: str, place: int
) -> None:
    parts = encode_parts(tmp_path, X264, FPS, [5, 5])
    output = tmp_path / "o.mp4"
    output.write_bytes(b"old")
    _damage(parts[place], how)
    with pytest.raises(OutputWriteError) as raised:
        _join(parts, output)
    assert raised.value.where == str(parts[place].path)
    assert output.read_bytes() == b"old"
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".tmp"]


@pytest.mark.parametrize(("claimed", "found"), [(4, 5), (6, 5)])
def test_a_part_with_other_frames_than_it_should_is_named(
    tmp_path: Path, claimed: int, found: int
) -> None:
    parts = encode_parts(tmp_path, X264, FPS, [5, found])
    parts[1] = replace(parts[1], frames=claimed)
    with pytest.raises(OutputWriteError, match=f"{found} of {claimed} frames") as raised:
        _join(parts, tmp_path / "o.mp4")
    assert raised.value.where == str(parts[1].path)


def test_an_output_that_came_meanwhile_stays_unless_it_may_be_replaced(tmp_path: Path) -> None:
    parts = encode_parts(tmp_path, X264, FPS, [5])
    output = tmp_path / "o.mp4"
    options = {"sound": None, "fps": FPS, "encoder": X264, "metadata": {}}
    new = join(parts, output, overwrite=False, **options)
    assert new.bytes == output.stat().st_size > 0
    output.write_bytes(b"another file")
    with pytest.raises(OutputExistsError, match="come meanwhile"):
        join(parts, output, overwrite=False, **options)
    assert output.read_bytes() == b"another file"
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".tmp"]
    assert join(parts, output, **options).bytes == output.stat().st_size


def test_a_full_disk_keeps_the_old_output(small_disk: Path, tmp_path: Path) -> None:
    parts = encode_parts(tmp_path, encoder_for(Path("o.mp4"), FPS, crf=0), FPS, [60, 60])
    assert sum(part.bytes for part in parts) > 64 * 1024
    output = small_disk / "o.mp4"
    output.write_bytes(b"old")
    with pytest.raises(OutputWriteError, match="No space left") as raised:
        _join(parts, output)
    assert raised.value.where == str(output)
    assert output.read_bytes() == b"old"
    assert list(small_disk.iterdir()) == [output]


def test_an_output_without_its_folder_is_named(tmp_path: Path) -> None:
    parts = encode_parts(tmp_path, X264, FPS, [2])
    with pytest.raises(OutputWriteError, match="No such file") as raised:
        _join(parts, tmp_path / "gone" / "o.mp4")
    assert raised.value.where == str(tmp_path / "gone" / "o.mp4")


def test_an_output_is_never_there_half_written(tmp_path: Path) -> None:
    parts = encode_parts(tmp_path, X264, FPS, [5, 5])
    output = tmp_path / "o.mp4"
    output.write_bytes(b"old")
    seen = []

    def watched(packets: Iterator[av.AudioFrame]) -> Iterator[av.AudioFrame]:
        for packet in packets:
            seen.append(output.read_bytes())
            yield packet

    silence = (_silence() for _ in range(20))
    join(
        parts,
        output,
        sound=EncodedTrack(watched(silence), "aac"),
        fps=FPS,
        encoder=X264,
        metadata={},
    )
    assert seen == [b"old"] * 20
    assert decode(output).numbers == [*range(10)]


def test_a_cancelled_join_leaves_nothing(tmp_path: Path) -> None:
    parts = encode_parts(tmp_path, X264, FPS, [5])
    before = sorted(tmp_path.iterdir())

    def interrupted() -> Iterator[av.AudioFrame]:
        yield _silence()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        join(
            *(parts, tmp_path / "o.mp4"),
            sound=EncodedTrack(interrupted(), "aac"),
            fps=FPS,
            encoder=X264,
            metadata={},
        )
    assert sorted(tmp_path.iterdir()) == before


def _silence() -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), "s16", "mono")
    frame.sample_rate = 16_000
    return frame
