"""The main job through the real command, server process, encoder and an independent decode."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

import musetalk_fast
from musetalk_fast.config import OutputSettings, ServerSettings
from musetalk_fast.media.face import find_face
from musetalk_fast.media.image import load_still
from musetalk_fast.types import AvatarOptions, Box

REPOSITORY = Path(__file__).parents[1]
PORTRAITS = [REPOSITORY / "examples/portrait.png", REPOSITORY / "tests/data/grace_hopper.jpg"]
SPEECH = REPOSITORY / "tests/data/short.wav"
SILENCE_SECS = 1.5


def _settings(url: str = "builtin", **output: object) -> musetalk_fast.Settings:
    return musetalk_fast.Settings(
        server=ServerSettings(url=url),
        output=OutputSettings(**output),  # type: ignore[arg-type]
    )


def _decode(path: Path) -> tuple[list[NDArray[np.uint8]], list[Fraction]]:
    frames, times = [], []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        for frame in container.decode(stream):
            assert frame.pts is not None
            times.append(frame.pts * stream.time_base)
            # The luma plane as it is: a conversion to grey would change the matrix.
            frames.append(frame.to_ndarray()[: frame.height])
    return frames, times


def _speech_and_silence(path: Path) -> Path:
    """The recording, then digital silence."""
    with wave.open(str(SPEECH)) as source, wave.open(str(path), "wb") as target:
        target.setparams(source.getparams())
        target.writeframes(source.readframes(source.getnframes()))
        target.writeframes(bytes(2 * int(SILENCE_SECS * source.getframerate())))
    return path


def _encode_still(picture: NDArray[np.uint8], frames: int, path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 25, options={"crf": "20", "preset": "veryfast"})
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = "yuv420p"
        for _ in range(frames):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(
                format="yuv420p", dst_colorspace="ITU709"
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _outside(box: Box, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels that no macroblock of the box touches."""
    keep = np.ones(shape, bool)
    top, left = max(0, box.y - 16), max(0, box.x - 16)
    keep[top : box.y + box.height + 16, left : box.x + box.width + 16] = False
    return keep


@pytest.fixture(scope="module", params=PORTRAITS, ids=lambda path: path.stem)
def clip(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, musetalk_fast.RenderResult]:
    """A finished render of speech followed by silence."""
    folder = tmp_path_factory.mktemp("clip")
    audio = _speech_and_silence(folder / "speech.wav")
    result = musetalk_fast.render(request.param, audio, folder / "out.mp4", _settings())
    return request.param, folder, result


Clip = tuple[Path, Path, musetalk_fast.RenderResult]


@pytest.mark.long
def test_frames_are_counted_and_on_the_grid(clip: Clip) -> None:
    _, folder, result = clip
    frames, times = _decode(folder / "out.mp4")
    with wave.open(str(folder / "speech.wav")) as sound:
        duration = Fraction(sound.getnframes(), sound.getframerate())
    assert len(frames) == -(-duration * 25 // 1) == result.frames
    assert times == [Fraction(i, 25) for i in range(len(frames))]


def test_container_is_as_promised(clip: Clip) -> None:
    _, folder, result = clip
    head = (folder / "out.mp4").read_bytes()
    assert head.index(b"moov") < head.index(b"mdat")
    with av.open(str(folder / "out.mp4")) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec.name, video.pix_fmt) == ("h264", "yuv420p")
        assert audio.codec.name == "aac"
        context = video.codec_context
        assert (context.colorspace, context.color_range) == (1, 1)  # BT.709, limited
        assert "preview, not MuseTalk" in container.metadata["comment"]
    assert result.engine == "preview"
    assert list(folder.glob("out.mp4*")) == [folder / "out.mp4"]


def test_pixels_outside_the_face_are_the_avatars_own(clip: Clip, tmp_path: Path) -> None:
    avatar, folder, _ = clip
    still = load_still(avatar, background="white", resolution=None)
    box = find_face(still.rgb, AvatarOptions()).box
    ours, _ = _decode(folder / "out.mp4")
    _encode_still(still.rgb, len(ours), tmp_path / "still.mp4")
    theirs, _ = _decode(tmp_path / "still.mp4")
    keep = _outside(box, ours[0].shape)
    for mine, other in zip(ours, theirs, strict=True):
        difference = np.abs(mine[keep].astype(int) - other[keep].astype(int))
        # The same pixels through the same encoder: only its rate decisions differ.
        assert difference.mean() < 1.0
        assert np.percentile(difference, 99) <= 6


def test_the_mouth_moves_with_the_sound_and_rests_in_silence(clip: Clip) -> None:
    avatar, folder, _ = clip
    still = load_still(avatar, background="white", resolution=None)
    box = find_face(still.rgb, AvatarOptions()).box
    frames, _ = _decode(folder / "out.mp4")
    rows = slice(box.y + box.height // 2, box.y + box.height)
    mouth = np.stack([f[rows, box.x : box.x + box.width] for f in frames]).astype(float)
    rest = mouth[-5:].mean(0)
    moved = np.abs(mouth - rest).mean((1, 2))
    silent = moved[-int(SILENCE_SECS * 25) + 15 :]
    spoken = moved[: -int(SILENCE_SECS * 25)]
    assert silent.max() < 1.0
    assert spoken.mean() > 2 * silent.max()
    assert spoken.std() > 0.3


def test_the_result_says_how_far_the_mouth_moved(clip: Clip) -> None:
    mouth = clip[2].mouth
    assert mouth is not None
    assert mouth.moved is not None
    assert mouth.moved > 1
    assert mouth.follows is not None
    assert mouth.follows > 0.3
    assert 1 < mouth.speech_secs < 3


def test_webm_has_vp9_and_opus(tmp_path: Path, preview_server: str) -> None:
    output = tmp_path / "out.webm"
    settings = _settings(preview_server, resolution=(256, 256))
    result = musetalk_fast.render(PORTRAITS[0], SPEECH, output, settings)
    frames, times = _decode(output)
    assert len(frames) == result.frames
    # Matroska counts milliseconds: the nearest tick, never accumulated.
    assert all(abs(t - Fraction(i, 25)) <= Fraction(1, 1000) for i, t in enumerate(times))
    with av.open(str(output)) as container:
        assert container.streams.video[0].codec.name == "vp9"
        assert container.streams.audio[0].codec.name == "opus"


def test_an_exact_fractional_rate_over_several_segments(
    tmp_path: Path, preview_server: str
) -> None:
    output = tmp_path / "out.mp4"
    fps = Fraction(30000, 1001)
    settings = musetalk_fast.Settings(
        server=ServerSettings(url=preview_server),
        output=OutputSettings(fps=fps, preset="ultrafast", sound="none"),
        processing=musetalk_fast.ProcessingSettings(segment_secs=1.0),
    )
    result = musetalk_fast.render(PORTRAITS[0], SPEECH, output, settings)
    _, times = _decode(output)
    assert times == [i / fps for i in range(result.frames)]
    with av.open(str(output)) as container:
        assert not container.streams.audio


def test_a_still_render_imports_neither_numba_nor_torch(tmp_path: Path) -> None:
    import subprocess
    import sys

    script = f"""
import sys, musetalk_fast
from musetalk_fast.config import OutputSettings, ServerSettings
settings = musetalk_fast.Settings(
    server=ServerSettings(url="builtin"), output=OutputSettings(resolution=(256, 256)))
musetalk_fast.render({str(PORTRAITS[0])!r}, {str(SPEECH)!r}, {str(tmp_path / "o.mp4")!r}, settings)
print(sorted({{"numba", "llvmlite", "torch", "cv2", "scipy"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
