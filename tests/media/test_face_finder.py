from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from musetalk_fast.media.face import FaceFinder
from musetalk_fast.media.face.detector import Detection, same_face, strongest
from musetalk_fast.types import Box, Picture

# Left, top, right, bottom of all points, measured once; the models are fixed.
BOUNDS = {"astronaut": (180, 70, 272, 178), "hopper": (171, 131, 355, 334)}


@pytest.mark.parametrize("name", BOUNDS)
def test_the_face_of_each_portrait_is_found(
    name: str, finder: FaceFinder, request: pytest.FixtureRequest
) -> None:
    faces = finder.find(request.getfixturevalue(name))
    assert len(faces) == 1
    (face,) = faces
    assert face.points.shape == (478, 3)
    assert face.points.dtype == np.float32
    assert face.presence > 14
    assert face.mouth_is_open == (name == "astronaut"), "its smile shows teeth"
    np.testing.assert_allclose(face.bounds, BOUNDS[name], atol=4)
    assert abs(np.degrees(face.angle)) < 6
    middle_x, middle_y = face.box.x + face.box.width / 2, face.box.y + face.box.height / 2
    left, top, right, bottom = face.bounds
    assert left < middle_x < right
    assert top < middle_y < bottom


def test_faces_are_sorted_from_left_to_right(finder: FaceFinder, couple: Picture) -> None:
    for picture in (couple, np.ascontiguousarray(couple[:, ::-1])):
        faces = finder.find(picture)
        assert len(faces) == 2
        assert faces[0].bounds[0] < faces[1].bounds[0]


@pytest.mark.parametrize("degrees", [-60, -30, 30, 60])
def test_turned_faces_are_found(finder: FaceFinder, hopper: Picture, degrees: int) -> None:
    turned = np.array(Image.fromarray(hopper).rotate(-degrees, expand=True))
    faces = finder.find(turned)
    assert len(faces) == 1
    assert np.degrees(faces[0].angle) == pytest.approx(degrees, abs=8)


@pytest.mark.parametrize("share", [0.12, 0.06])
def test_small_faces_are_found(finder: FaceFinder, hopper: Picture, share: float) -> None:
    width = BOUNDS["hopper"][2] - BOUNDS["hopper"][0]
    side = int(width / share)
    picture = np.full((side, side, 3), 110, np.uint8)
    top, left = side // 7, side // 2
    picture[top : top + 600, left : left + 512] = hopper
    faces = finder.find(picture)
    assert len(faces) == 1
    moved = np.subtract(faces[0].bounds, (left, top, left, top))
    np.testing.assert_allclose(moved, BOUNDS["hopper"], atol=5)


def _noise(rng: np.random.Generator) -> Picture:
    return rng.integers(0, 256, (400, 500, 3), np.uint8)


def _soft_noise(rng: np.random.Generator) -> Picture:
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8))
    return np.array(coarse.resize((640, 480), Image.Resampling.BICUBIC))


def _gradient(_rng: np.random.Generator) -> Picture:
    y, x = np.mgrid[0:400, 0:400]
    return np.stack([x // 2, y // 2, (x + y) // 4], axis=-1).astype(np.uint8)


def _text(_rng: np.random.Generator) -> Picture:
    image = Image.new("RGB", (500, 400), "white")
    draw = ImageDraw.Draw(image)
    for line in range(20):
        draw.text((10, 20 * line), "the quick brown fox jumps over the lazy dog " * 2, "black")
    return np.array(image)


def _coins(_rng: np.random.Generator) -> Picture:
    image = Image.new("RGB", (512, 384), (90, 80, 70))
    draw = ImageDraw.Draw(image)
    for x in range(60, 512, 110):
        for y in range(60, 384, 110):
            draw.ellipse((x - 45, y - 45, x + 45, y + 45), (190, 180, 140), "black")
            draw.ellipse((x - 36, y - 36, x + 36, y + 36), outline=(60, 50, 40), width=3)
            draw.text((x - 8, y - 8), "50", (60, 50, 40))
    return np.array(image)


def _empty(_rng: np.random.Generator) -> Picture:
    return np.zeros((300, 400, 3), np.uint8)


@pytest.mark.parametrize("make", [_noise, _soft_noise, _gradient, _text, _coins, _empty])
def test_what_is_no_face_is_not_found(finder: FaceFinder, make: object) -> None:
    assert finder.find(make(np.random.default_rng(7))) == []  # type: ignore[operator]


def test_a_face_upside_down_is_not_one(finder: FaceFinder, hopper: Picture) -> None:
    assert finder.find(np.ascontiguousarray(hopper[::-1, ::-1])) == []


def test_one_size_is_enough_for_the_largest(finder: FaceFinder, astronaut: Picture) -> None:
    (quick,) = finder.find(astronaut, all_sizes=False)
    (thorough,) = finder.find(astronaut)
    np.testing.assert_array_equal(quick.points, thorough.points)


@pytest.mark.parametrize("spread", [(0, 0, 0, 0), (-30, -60, 60, 90), (20, 20, -40, -40)])
def test_a_named_place_may_be_rough(
    finder: FaceFinder, hopper: Picture, spread: tuple[int, int, int, int]
) -> None:
    left, top, right, bottom = BOUNDS["hopper"]
    place = np.array((left, top, right - left, bottom - top)) + spread
    face = finder.at(hopper, Box(*map(int, place)))
    assert face is not None
    np.testing.assert_allclose(face.bounds, BOUNDS["hopper"], atol=6)


def test_nothing_at_a_named_place(finder: FaceFinder) -> None:
    assert finder.at(_empty(np.random.default_rng(1)), Box(100, 100, 90, 90)) is None


@pytest.mark.parametrize("shape", [(64, 64), (64, 8192), (8192, 64), (1, 700), (65, 67)])
def test_any_shape_works(finder: FaceFinder, shape: tuple[int, int]) -> None:
    assert finder.find(np.full((*shape, 3), 128, np.uint8)) == []


def test_the_largest_picture_needs_little_memory_of_its_own(hopper: Picture) -> None:
    import tracemalloc

    big = np.array(Image.fromarray(hopper).resize((6992, 8192), Image.Resampling.NEAREST))
    finder = FaceFinder()
    tracemalloc.start()
    try:
        (face,) = finder.find(big, all_sizes=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 << 20
    scale = 8192 / 600
    np.testing.assert_allclose(face.bounds, np.array(BOUNDS["hopper"]) * scale, atol=4 * scale)


def test_strongest_keeps_one_of_a_face_and_at_most_32() -> None:
    twins = [Detection(score, 50 + score, 50, 20, 20, 0.0) for score in (0.5, 0.9, 0.7)]
    assert [face.score for face in strongest(twins)] == [0.9]
    many = [Detection(0.6, 100.0 * each, 0, 20, 20, 0.0) for each in range(40)]
    assert len(strongest(many)) == 32


def test_a_half_face_is_the_same_as_the_complete_one() -> None:
    assert same_face((0, 0, 100, 100), (60, 0, 110, 90))
    assert not same_face((0, 0, 100, 100), (90, 0, 190, 100))
    assert not same_face((0, 0, 10, 10), (20, 20, 30, 30))


def test_runs_release_the_gil(astronaut: Picture) -> None:
    """One look of many in which we are never held up: a busy machine holds us up now and then."""
    assert any(_longest_hold(astronaut) < 1 / 3 for _ in range(30))


def _longest_hold(astronaut: Picture) -> float:
    """As a share of the time that some searches take."""
    finder = FaceFinder()
    longest = 0.0
    done = threading.Event()

    def find() -> None:
        for _ in range(3):
            finder.find(astronaut)
        done.set()

    worker = threading.Thread(target=find)
    started = time.perf_counter()
    worker.start()
    while not done.is_set():
        before = time.perf_counter()
        time.sleep(0.0005)
        longest = max(longest, time.perf_counter() - before)
    worker.join()
    return longest / (time.perf_counter() - started)


def test_nothing_is_printed_and_nothing_heavy_is_imported() -> None:
    program = """
import sys
import numpy as np
from musetalk_fast.media.face import FaceFinder
assert "ai_edge_litert" not in sys.modules
FaceFinder().find(np.zeros((200, 200, 3), np.uint8))
heavy = {"numba", "cv2", "PIL", "torch", "tensorflow"} & set(sys.modules)
assert not heavy, heavy
"""
    root = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=root
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_the_models_are_those_of_the_notice() -> None:
    import hashlib
    import importlib.resources

    folder = importlib.resources.files("musetalk_fast.media.face")
    notice = folder.joinpath("NOTICE").read_text()
    for name in ("face_detector.tflite", "face_landmarks_detector.tflite"):
        digest = hashlib.sha256(folder.joinpath(name).read_bytes()).hexdigest()
        assert f"{digest}  {name}" in notice
