"""From sound to a mouth's movement."""

from __future__ import annotations

import io
import tracemalloc
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from musetalk_fast.engines.preview import mel, network
from musetalk_fast.engines.preview.loudness import PIECE
from musetalk_fast.engines.preview.mouth_track import AT_REST, mouth_track, pose_at
from musetalk_fast.errors import InternalError
from musetalk_fast.types import SPEECH_RATE

ROOT = Path(__file__).parents[2]


def read(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return read(ROOT / "examples" / "speech.wav")


@pytest.fixture(scope="module")
def track(speech: np.ndarray) -> np.ndarray:
    return mouth_track(speech)


def noise(seconds: float, size: float, seed: int = 1) -> np.ndarray:
    values = np.random.default_rng(seed).normal(0, size, int(seconds * SPEECH_RATE))
    return np.clip(np.round(values), -32768, 32767).astype(np.int16)


def test_a_track_has_its_shape_and_ranges(speech: np.ndarray, track: np.ndarray) -> None:
    assert track.shape == (-(-len(speech) // 160), 3)
    assert track.dtype == np.float32
    opened, wide, rest = track.T
    assert 0 == opened.min() < 0.7 < opened.max() <= 1
    assert -1 <= wide.min() < -0.3 < 0.3 < wide.max() <= 1
    assert (rest.min(), rest.max()) == (0, 1)


@pytest.mark.parametrize("size", [0, 1, 10, 100, 200])
def test_silence_and_quiet_noise_are_rest(size: float) -> None:
    track = mouth_track(noise(12, size))
    assert (track[:, 2] == 1).all()
    assert (track[:, 0] == 0).all()


def test_pauses_in_noise_are_rest(speech: np.ndarray) -> None:
    sound = noise(6 + len(speech) / SPEECH_RATE + 0.1, 30)
    sound[3 * SPEECH_RATE : 3 * SPEECH_RATE + len(speech)] += speech
    track = mouth_track(sound)
    assert (track[:250, 2] == 1).all()
    assert (track[-250:, 2] == 1).all()
    assert track[340:940, 2].mean() < 0.1


def test_the_mouth_is_at_work_through_a_sentence(track: np.ndarray) -> None:
    assert track[30:660, 2].max() < 0.3
    assert track[0, 2] > 0.95


@pytest.mark.parametrize(("gain", "near"), [(0.05, 0.05), (0.1, 0.01), (0.7, 0.01)])
def test_a_quiet_recording_speaks_as_a_loud_one(
    speech: np.ndarray, track: np.ndarray, gain: float, near: float
) -> None:
    other = mouth_track(np.round(speech * gain).astype(np.int16))
    assert np.abs(other - track).mean() < near
    assert np.corrcoef(other[:, 0], track[:, 0])[0, 1] > 0.97


def test_a_quiet_voice_after_a_loud_one_speaks_too(speech: np.ndarray, track: np.ndarray) -> None:
    both = np.concatenate([speech, np.round(speech * 0.1).astype(np.int16)])
    opened = mouth_track(both)[-len(track) :, 0]
    assert opened[-300:].mean() > 0.7 * track[-300:, 0].mean()


@pytest.mark.parametrize("block", [PIECE, 3 * PIECE, 10 * PIECE])
def test_any_block_gives_the_same_track(speech: np.ndarray, block: int) -> None:
    sound = np.concatenate([speech, noise(4, 20), speech[::2]])[:-77]
    assert len(sound) > 11 * SPEECH_RATE
    whole = mouth_track(sound, block=10**6 * PIECE)
    assert np.abs(mouth_track(sound, block=block) - whole).max() < 1e-4


def test_memory_grows_with_the_track_only(tmp_path: Path, speech: np.ndarray) -> None:
    def peak(repeats: int) -> int:
        path = tmp_path / "long.raw"
        np.tile(speech, repeats).tofile(path)
        mapped = np.memmap(path, np.int16, "r").view(np.ndarray)
        tracemalloc.start()
        mouth_track(mapped)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    samples = 20 * len(speech)
    assert peak(30) - peak(10) < samples / 160 * 40


def test_the_same_sound_gives_the_same_track(speech: np.ndarray, track: np.ndarray) -> None:
    assert np.array_equal(mouth_track(speech.copy()), track)


def test_a_track_does_not_know_what_comes_long_after(speech: np.ndarray, track: np.ndarray) -> None:
    longer = mouth_track(np.concatenate([speech, np.zeros(60 * SPEECH_RATE, np.int16), speech]))
    assert np.abs(longer[:300] - track[:300]).max() < 1e-4
    assert (longer[800:6600, 2] == 1).all()


@pytest.mark.parametrize("length", [*range(6), 79, 80, 99, 100, 159, 160, 161, 399, 401, 8001])
def test_any_length_will_do(speech: np.ndarray, length: int) -> None:
    track = mouth_track(speech[8000 : 8000 + length])
    assert track.shape == (-(-length // 160), 3)
    assert np.isfinite(track).all()


@pytest.mark.parametrize("kind", ["square", "impulse", "constant", "lowest", "alternating", "loud"])
def test_any_sound_gives_a_finite_track(kind: str) -> None:
    sound = np.zeros(2 * SPEECH_RATE, np.int16)
    if kind == "impulse":
        sound[16000] = -32768
    elif kind == "loud":
        sound = noise(2, 30000)
    else:
        sound[:] = {"square": 32767, "constant": 12345, "lowest": -32768, "alternating": 32767}[
            kind
        ]
        if kind == "square":
            sound[::128] = -32768
        elif kind == "alternating":
            sound[::2] = -32768
    track = mouth_track(sound)
    assert np.isfinite(track).all()
    assert (track >= [0, -1, 0]).all()
    assert (track <= 1).all()


def test_a_mapped_recording_is_not_written_to(tmp_path: Path, speech: np.ndarray, track) -> None:
    path = tmp_path / "speech.raw"
    speech.tofile(path)
    mapped = np.memmap(path, np.int16, "r").view(np.ndarray)
    assert np.array_equal(mouth_track(mapped), track)


@pytest.mark.parametrize("fps", [(25, 1), (30000, 1001), (24000, 1001), (60, 1), (1, 1), (120, 1)])
def test_a_pose_is_the_tracks_at_the_frames_moment(track: np.ndarray, fps: tuple[int, int]) -> None:
    for frame in (0, 1, 2, 7, 40, 100):
        place = Fraction(frame * fps[1] * 100, fps[0])
        pose = pose_at(track, frame, fps)
        if place >= len(track):
            assert pose == (0, 0, 1)
            continue
        low, share = int(place), float(place % 1)
        high = track[low + 1] if low + 1 < len(track) else np.array([0, 0, 1])
        assert np.allclose(pose, track[low] * (1 - share) + high * share, atol=1e-6)
        if not share:
            assert pose == tuple(track[low].tolist())


def test_a_pose_ten_hours_on_is_exact_too() -> None:
    track = np.zeros((3_600_100, 3), np.float32)
    track[3_600_000:, 0] = 1
    before = 3_600_000 * 30000 // (100 * 1001)
    assert pose_at(track, before, (30000, 1001))[0] < 1
    assert pose_at(track, before + 1, (30000, 1001))[0] == 1


def test_beyond_the_sound_the_mouth_rests(track: np.ndarray) -> None:
    assert pose_at(track, len(track), (100, 1)) == AT_REST
    assert pose_at(track, 10**9, (25, 1)) == AT_REST
    assert pose_at(np.empty((0, 3), np.float32), 0, (25, 1)) == AT_REST


def test_lips_meet_on_b_p_and_m_and_part_on_vowels(
    monkeypatch: pytest.MonkeyPatch, track: np.ndarray
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "ci" / "mouth"))
    import phonemes

    said = phonemes.read_phones(ROOT / "tests" / "data" / "speech.phones.csv")

    def openings(names: tuple[str, ...]) -> list[np.ndarray]:
        spans = [(each.start, each.start + each.length) for each in said if each.name in names]
        return [track[round(a * 100) : round(b * 100), 0] for a, b in spans]

    closed, vowels = openings(phonemes.CLOSED), openings(phonemes.OPEN_VOWELS)
    assert len(closed) == 7
    assert max(each.min() for each in closed) < 0.15
    assert min(each.max() for each in vowels) > 0.3


def test_it_follows_people_better_than_loudness_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "ci" / "mouth"))
    import evaluate

    ours = evaluate.evaluate(mouth_track)
    loudness = evaluate.evaluate(evaluate.by_loudness)
    assert ours.open >= 0.75
    assert ours.wide >= 0.5
    assert ours.closed <= 0.45
    assert ours.open > loudness.open + 0.1
    assert ours.closed < loudness.closed


def test_a_band_hears_its_tone() -> None:
    time = np.arange(SPEECH_RATE) / SPEECH_RATE
    tone = (np.sin(2 * np.pi * 1000 * time) * 16384).astype(np.int16)
    features = mel.log_mel(tone, 10, 90)
    assert features.shape == (80, mel.BANDS)
    assert features.dtype == np.float32
    assert set(features.argmax(axis=1)) == {8}
    assert np.allclose(mel.level(features), -9.03, atol=0.1)


def test_features_do_not_depend_on_where_a_block_starts(speech: np.ndarray) -> None:
    whole = mel.log_mel(speech, -5, mel.feature_count(speech) + 5)
    part = mel.log_mel(speech, 100, 160)
    assert np.abs(part - whole[105:165]).max() < 1e-4
    assert np.allclose(mel.log_mel(speech, 10_000, 10_003), np.log(1e-8), atol=1e-3)


def damaged(change: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    whole = {name: np.zeros(shape, np.float16) for name, shape in network.SHAPES.items()}
    return {**whole, **change}


@pytest.mark.parametrize(
    "change",
    [
        {"hidden": np.zeros((286, 47), np.float16)},
        {"voice": np.zeros(26, np.float64)},
        {"output_bias": np.array([0, np.nan], np.float16)},
        {"output": np.full((48, 2), np.inf, np.float16)},
    ],
)
def test_damaged_weights_are_refused(change: dict[str, np.ndarray]) -> None:
    (name,) = change
    with pytest.raises(InternalError, match=name):
        network.network_of(damaged(change))
    assert network.network_of(damaged({})).hidden.dtype == np.float32


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"junk" * 100, None])
def test_weights_that_cannot_be_read_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / network.WEIGHTS).write_bytes(content)
    monkeypatch.setattr(network.importlib.resources, "files", lambda _: tmp_path)
    with pytest.raises(InternalError, match="cannot be read"):
        network.load_network.__wrapped__()


def test_weights_hold_no_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    np.savez(file, **{name: np.array([object()]) for name in network.SHAPES})
    (tmp_path / network.WEIGHTS).write_bytes(file.getvalue())
    monkeypatch.setattr(network.importlib.resources, "files", lambda _: tmp_path)
    with pytest.raises(InternalError, match="cannot be read"):
        network.load_network.__wrapped__()
