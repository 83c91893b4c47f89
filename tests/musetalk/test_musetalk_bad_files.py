"""Files in place of weights that are none, or are hostile: an error with the fix."""

from __future__ import annotations

import json
import os
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from musetalk_fast.engines.musetalk.accelerator import DeviceChoice, Half, choose_accelerator
from musetalk_fast.engines.musetalk.model_folder import ModelVersion, find_models
from musetalk_fast.engines.musetalk.weights import read_weights
from musetalk_fast.errors import DeviceError, WeightsFormatError, WeightsMissingError

ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


def safetensors(header: object, length: int | None = None) -> bytes:
    """A file of four bytes of numbers; the header's own length is said to be `length`."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + b"1234"


@pytest.mark.parametrize(
    "data",
    [
        safetensors({"a": ONE}, 1 << 60),
        safetensors({"a": ONE}, (1 << 64) - 1),
        safetensors({"a": ONE}, 2),
        safetensors({"a": ONE})[:-1],
        safetensors({"a": ONE})[:5],
        safetensors({"a": ONE | {"shape": [1 << 40], "data_offsets": [0, 1 << 42]}}),
        safetensors({"a": ONE | {"shape": [1 << 62, 1 << 62]}}),
        safetensors({"a": ONE, "b": ONE}),
        safetensors({"a": ONE | {"dtype": "F4711"}}),
        safetensors(b"[" * 100_000),
        safetensors(b"\xff{}"),
        b"<!DOCTYPE html><title>Log in</title>",
    ],
    ids=range(12),
)
def test_a_hostile_header_costs_no_memory(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "unet.safetensors"
    path.write_bytes(data)
    with pytest.raises(WeightsFormatError, match="damaged or not complete") as caught:
        read_weights(path)
    assert "models pull" in (caught.value.hint or "")


def _bomb(path: Path) -> None:
    """Numbers that are compressed: 8 MB in a few kilobytes."""
    torch.save({"a": torch.zeros(2_000_000)}, path.with_suffix(".source"))
    source = zipfile.ZipFile(path.with_suffix(".source"))
    with source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        for each in source.infolist():
            bomb.writestr(each.filename, source.read(each))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(bytes(1000)), "another kind of file"),
        (lambda path: path.write_text("<!DOCTYPE html>"), "another kind of file"),
        (lambda path: path.write_bytes(b"\x80\x02]q\x00."), "damaged or not complete"),
        (lambda path: torch.save([torch.ones(1)], path), "no table of named tensors"),
        (lambda path: torch.save({"a": {"b": torch.ones(1)}}, path), "no table"),
        (lambda path: torch.save({"a": torch.eye(3).to_sparse()}, path), "no table"),
        (lambda path: torch.save({"a": torch.empty(1, device="meta")}, path), "no table"),
        (_bomb, "damaged or not complete"),
    ],
    ids=range(8),
)
def test_a_pickle_without_a_table_of_numbers_is_refused(
    tmp_path: Path, make: Callable[[Path], object], words: str
) -> None:
    path = tmp_path / "unet.pth"
    make(path)
    with pytest.raises(WeightsFormatError, match=words):
        read_weights(path)


def _nowhere(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Path.mkdir, r"musetalkV15/unet\.pth \(a folder is there\)"),
        (os.mkfifo, r"musetalkV15/unet\.pth \(no regular file is there\)"),
        (_nowhere, r"musetalkV15/unet\.pth \(a link is there that leads nowhere\)"),
        (lambda path: path.symlink_to(path.name), r"unet\.pth \(a link is there"),
    ],
    ids=["folder", "pipe", "dangling link", "link to itself"],
)
def test_what_is_no_file_is_said(
    models: Path, tmp_path: Path, make: Callable[[Path], object], words: str
) -> None:
    folder = shutil.copytree(models, tmp_path / "models")
    path = folder / "musetalkV15" / "unet.pth"
    path.unlink()
    make(path)
    with pytest.raises(WeightsMissingError, match=words) as caught:
        find_models(folder)
    assert "models pull" in (caught.value.hint or "")


def test_links_to_files_are_followed(models: Path, tmp_path: Path) -> None:
    """As a cache of other programs has them."""
    for each in ("musetalkV15", "sd-vae", "whisper"):
        (tmp_path / each).mkdir()
        for file in (models / each).iterdir():
            (tmp_path / each / file.name).symlink_to(file)
    assert find_models(tmp_path).unet.weights == tmp_path / "musetalkV15" / "unet.pth"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_closed_folder_is_said(models: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(models, tmp_path / "models")
    (folder / "sd-vae").chmod(0o700)
    (folder / "whisper" / "pytorch_model.bin").chmod(0)
    for each in [folder, *folder.parents]:
        each.chmod(each.stat().st_mode | 0o111)
    os.seteuid(65534)
    try:
        with pytest.raises(WeightsMissingError, match="cannot be read: Permission denied"):
            find_models(folder)
    finally:
        os.seteuid(0)


def test_the_older_weights_are_named(models: Path, tmp_path: Path, caplog) -> None:
    folder = shutil.copytree(models, tmp_path / "models")
    (folder / "musetalkV15").rename(folder / "musetalk")
    (folder / "musetalk/unet.pth").rename(folder / "musetalk/pytorch_model.bin")
    assert find_models(folder).version is ModelVersion.V10
    assert "holds MuseTalk 1.0, not 1.5" in caplog.text


def test_an_old_gpu_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (6, 1))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "GeForce GTX 1080")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(DeviceError, match=r"GTX 1080 has CUDA capability 6\.1") as caught:
        choose_accelerator(DeviceChoice.CUDA, Half.AUTO, None)
    assert "--device cpu" in (caught.value.hint or "")
