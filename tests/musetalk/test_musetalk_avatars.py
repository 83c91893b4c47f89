"""Avatars made ready: the networks' input, and what is kept of them on disk."""

from __future__ import annotations

import os
import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import musetalk_blending as musetalk
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from tiny_models import tiny_networks

from musetalk_fast.engines.base import never_cancelled
from musetalk_fast.engines.musetalk.accelerator import Accelerator
from musetalk_fast.engines.musetalk.compute import LocalCompute
from musetalk_fast.engines.musetalk.face_parser import FaceParser
from musetalk_fast.engines.musetalk.lanczos import mouth_input
from musetalk_fast.engines.musetalk.latent_cache import LatentCache
from musetalk_fast.engines.musetalk.model_folder import ModelVersion
from musetalk_fast.engines.musetalk.musetalk_avatar import AvatarPreparer
from musetalk_fast.errors import NoFaceError
from musetalk_fast.media.face.mask_region import MaskOptions
from musetalk_fast.storage import AtomicFile
from musetalk_fast.types import AvatarOptions, Box, Face

CPU = Accelerator(torch.device("cpu"), torch.float32, None, 2)


class Counting(LocalCompute):
    """Knows how many faces it encoded."""

    encoded = 0

    def latents(self, crops: Any) -> Any:
        self.encoded += len(crops)
        return super().latents(crops)


class Labelling(LocalCompute):
    """Knows the labels of each next face, in turn, and what it was shown."""

    labels_of: list[np.ndarray]

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.seen: list[np.ndarray] = []

    def labels(self, pictures: np.ndarray) -> np.ndarray:
        assert pictures.shape == (1, 512, 512, 3)
        self.seen.extend(pictures)
        return self.labels_of[(len(self.seen) - 1) % len(self.labels_of)][None]


@pytest.fixture(scope="module")
def encoder() -> Counting:
    return Counting(tiny_networks(), CPU)


def preparer(encoder: LocalCompute, folder: Path, most: int = 1 << 30) -> AvatarPreparer:
    return AvatarPreparer(
        encoder, LatentCache(folder, most), ModelVersion.V15, MaskOptions(), "test"
    )


def prepare(own: AvatarPreparer, path: Path, **options: Any) -> tuple[Any, list[Face | None]]:
    told: list[Face | None] = []
    avatar = own.prepare(
        path, AvatarOptions(**options), lambda _n, _of, face: told.append(face), never_cancelled
    )
    return avatar, told


def same_face(one: Face | None, other: Face | None) -> bool:
    if one is None or other is None:
        return one is other
    assert (one.source, one.box, one.mask_box) == (other.source, other.box, other.mask_box)
    return np.array_equal(one.mask, other.mask)


@pytest.mark.parametrize("box", [Box(40, 30, 173, 211), Box(10, 20, 236, 200), Box(90, 70, 64, 48)])
def test_the_input_is_opencvs_lanczos(portrait, box) -> None:
    rgb = np.asarray(Image.open(portrait).convert("RGB"))
    piece = rgb[box.y : box.y + box.height, box.x : box.x + box.width]
    found = mouth_input(rgb, box).astype(int)
    wanted = cv2.resize(piece, (256, 256), interpolation=cv2.INTER_LANCZOS4)
    assert np.abs(found - wanted).max() <= 1  # OpenCV's taps for bytes are rounded to 11 bits
    exact = cv2.resize(piece.astype(np.float32), (256, 256), interpolation=cv2.INTER_LANCZOS4)
    assert np.abs(found - np.rint(exact).clip(0, 255)).mean() < 1e-4


def test_beyond_the_picture_its_border_repeats(portrait) -> None:
    rgb = np.asarray(Image.open(portrait).convert("RGB"))
    wide = np.pad(rgb, ((50, 50), (50, 50), (0, 0)), mode="edge")
    beyond = mouth_input(rgb, Box(-30, 150, 200, 140))
    assert np.array_equal(beyond, mouth_input(wide, Box(20, 200, 200, 140)))


def test_a_clip_is_followed_and_read_back_the_same(encoder, clip, tmp_path) -> None:
    before = encoder.encoded
    avatar, told = prepare(preparer(encoder, tmp_path), clip)
    assert [face is None for face in told] == [False, False, True, False, False]
    assert encoder.encoded - before == 4
    assert all(map(same_face, avatar.faces, told))
    moved = [face.box.x - told[0].box.x for face in told if face is not None]
    assert moved == sorted(moved)
    assert 10 <= moved[-1] <= 14
    again, told_again = prepare(preparer(encoder, tmp_path), clip)
    assert encoder.encoded - before == 4
    assert all(map(same_face, told_again, told))
    for source in (0, 1, 3, 4):
        assert np.array_equal(again.latents(source), avatar.latents(source))
    (file,) = tmp_path.iterdir()
    with safe_open(file, "np") as stored:
        assert stored.get_tensor("latents").shape == (5, 8, 32, 32)
        assert np.array_equal(stored.get_tensor("latents")[3], avatar.latents(3))
        assert stored.get_tensor("boxes").tolist()[2] == [0, 0, 0, 0]


def test_a_clips_masks_are_of_the_parsers_labels(portrait, clip, tmp_path) -> None:
    """Parsed once a face; where it sees nothing of a face there is none."""
    networks = replace(tiny_networks(), parser=FaceParser(width=4), parser_digest="tiny")
    own = Labelling(networks, CPU)
    own.labels_of = [musetalk.ragged_labels(), np.zeros((512, 512), np.uint8)]
    avatar, told = prepare(preparer(own, tmp_path), clip)
    assert [face is None for face in told] == [False, True, True, False, True]
    assert len(own.seen) == 4
    assert all(map(same_face, avatar.faces, told))
    again, _ = prepare(preparer(own, tmp_path), clip)
    assert len(own.seen) == 4
    assert same_face(again.faces[3], told[3])
    smoothed, _ = prepare(preparer(own, tmp_path), clip, smooth=True)
    assert len(own.seen) == 8
    assert smoothed.faces[0] is not None
    own.labels_of = own.labels_of[1:]
    for path in (portrait, clip):
        with pytest.raises(NoFaceError, match="mask of the face is empty") as caught:
            prepare(preparer(own, tmp_path / "none"), path)
        assert "--mask mesh" in caught.value.hint
    assert not list((tmp_path / "none").iterdir())


def test_latents_do_not_depend_on_the_neighbours_in_a_batch(encoder, clip, tmp_path) -> None:
    whole, _ = prepare(preparer(encoder, tmp_path), clip)
    rgb = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    alone = encoder.latents([rgb])[0]
    beside = encoder.latents([rgb[::-1], rgb])[1]
    assert np.array_equal(alone, beside)
    assert not np.array_equal(whole.latents(0), whole.latents(1))


def test_other_options_and_damaged_files_are_made_anew(encoder, portrait, tmp_path) -> None:
    own, before = preparer(encoder, tmp_path), encoder.encoded
    avatar, _ = prepare(own, portrait)
    wider, _ = prepare(own, portrait, extra_margin=20)
    assert wider.faces[0].box.height == avatar.faces[0].box.height + 10
    assert encoder.encoded - before == 2
    for path in tmp_path.iterdir():
        os.truncate(path, path.stat().st_size - 1)
    again, _ = prepare(own, portrait)
    assert encoder.encoded - before == 3
    assert np.array_equal(again.latents(0), avatar.latents(0))


def test_the_folder_is_bounded_and_others_files_stay(encoder, portrait, tmp_path) -> None:
    other = tmp_path / "mine.safetensors"
    other.write_bytes(b"x" * 50_000)
    own = preparer(encoder, tmp_path, most=100_000)  # two of 46 KB
    first, _ = prepare(own, portrait)
    latents = first.latents(0)
    for margin in (11, 12):
        for age, path in enumerate(
            sorted(tmp_path.iterdir(), key=lambda each: each.stat().st_mtime)
        ):
            os.utime(path, (age, age))
        prepare(own, portrait, extra_margin=margin)
    assert len(list(tmp_path.glob("????????*.safetensors"))) == 2
    assert other.exists()
    assert np.array_equal(first.latents(0), latents)  # open files stay


def test_an_avatar_larger_than_the_folder_is_used_and_not_kept(
    encoder, portrait, tmp_path, caplog
) -> None:
    small, _ = prepare(preparer(encoder, tmp_path), portrait)
    (kept,) = tmp_path.iterdir()
    avatar, told = prepare(preparer(encoder, tmp_path, most=10_000), portrait, extra_margin=11)
    assert list(tmp_path.iterdir()) == [kept]
    assert "is not kept" in caplog.text
    assert avatar.latents(0).shape == (8, 32, 32)
    assert same_face(avatar.faces[0], told[0])
    assert not np.array_equal(avatar.latents(0), small.latents(0))


def test_what_another_server_removes_meanwhile_is_still_there(
    encoder, portrait, tmp_path, monkeypatch
) -> None:
    commit = AtomicFile.commit

    def commit_and_lose(file: AtomicFile) -> int:
        size = commit(file)
        file.path.unlink()
        return size

    monkeypatch.setattr(AtomicFile, "commit", commit_and_lose)
    avatar, _ = prepare(preparer(encoder, tmp_path), portrait)
    assert avatar.latents(0).any()


def test_no_face_leaves_no_file(encoder, tmp_path) -> None:
    path = tmp_path / "grey.png"
    Image.new("RGB", (128, 128), (90, 90, 90)).save(path)
    with pytest.raises(NoFaceError):
        prepare(preparer(encoder, tmp_path / "latents"), path)
    assert not list((tmp_path / "latents").iterdir())


def test_an_avatar_without_a_face_removes_no_other(encoder, portrait, tmp_path) -> None:
    grey, folder = tmp_path / "grey.png", tmp_path / "latents"
    Image.new("RGB", (128, 128), (90, 90, 90)).save(grey)
    own = preparer(encoder, folder, most=60_000)  # one of 46 KB
    prepare(own, portrait)
    kept = list(folder.iterdir())
    with pytest.raises(NoFaceError):
        prepare(own, grey)
    assert list(folder.iterdir()) == kept != []
    prepare(own, portrait, extra_margin=11)
    assert len(list(folder.iterdir())) == 1
    assert list(folder.iterdir()) != kept


@pytest.mark.parametrize("most", [100, 40_000], ids=["header", "last byte"])
def test_a_full_disk_leaves_no_file(encoder, portrait, tmp_path, most: int) -> None:
    own, before = preparer(encoder, tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            prepare(own, portrait)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())
