"""`models convert`: pickles become safetensors, and nothing in them is executed."""

from __future__ import annotations

import os
import shutil
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_models import write_models

from musetalk_fast.engines.musetalk.accelerator import Accelerator
from musetalk_fast.engines.musetalk.model_folder import find_models
from musetalk_fast.engines.musetalk.networks import load_networks
from musetalk_fast.errors import (
    OutputWriteError,
    WeightsDifferError,
    WeightsFormatError,
    WeightsMissingError,
)
from musetalk_fast.models import convert as conversion
from musetalk_fast.models.convert import Conversion, convert
from musetalk_fast.models.inventory import FileState, inventory, verify
from musetalk_fast.models.pull_record import read_record

CPU = Accelerator(torch.device("cpu"), torch.float32, None, 1)
UNET = "musetalkV15/unet.pth"


@pytest.fixture
def folder(models: Path, tmp_path: Path) -> Path:
    return shutil.copytree(models, tmp_path / "models")


def test_converted_weights_make_the_same_networks(folder: Path) -> None:
    before = load_networks(find_models(folder), CPU)
    said: list[Conversion] = []
    done = convert(folder, said.append)
    assert [each.target for each in done] == [
        "whisper/model.safetensors",
        "sd-vae/diffusion_pytorch_model.safetensors",
        "musetalkV15/unet.safetensors",
    ]
    assert said == done
    found = find_models(folder)
    assert found.unet.weights.name == "unet.safetensors"
    assert load_networks(found, CPU).digest == before.digest
    modes = {(folder / each.target).stat().st_mode & 0o777 for each in done}
    assert modes == {(folder / UNET).stat().st_mode & 0o777}  # for all whom the umask lets
    assert (folder / UNET).exists()  # it is not ours to remove
    assert {each.state for each in verify(folder) if each.recorded} == {FileState.WHOLE}
    assert all(each.was_there for each in convert(folder, said.append))
    (folder / UNET).unlink()
    states = {each.name: each.state for each in inventory(folder)}
    assert states[UNET] is FileState.CONVERTED


def test_tensors_that_share_memory_are_written_apart(tmp_path: Path) -> None:
    """As tied weights do, and slices of one tensor."""
    whole = torch.arange(12.0).reshape(3, 4)
    path = tmp_path / "whisper" / "pytorch_model.bin"
    path.parent.mkdir()
    torch.save(OrderedDict(a=whole, b=whole, c=whole[1:], d=whole.t()), path)
    convert(tmp_path, lambda _each: None)
    found = load_file(tmp_path / "whisper" / "model.safetensors")
    assert torch.equal(found["a"], whole)
    assert torch.equal(found["b"], whole)
    assert torch.equal(found["c"], whole[1:])
    assert torch.equal(found["d"], whole.t())


def test_another_pickle_than_was_converted_is_said(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    convert(folder, lambda _each: None)
    find_models(folder)
    assert "newer" not in caplog.text
    other = write_models(tmp_path / "others", seed=7) / UNET
    shutil.copyfile(other, folder / UNET)
    made = folder / "musetalkV15" / "unet.safetensors"
    before = made.read_bytes()
    with pytest.raises(
        WeightsDifferError, match=r"made of another musetalkV15/unet\.pth"
    ) as caught:
        convert(folder, lambda _each: None)
    assert "move musetalkV15/unet.safetensors away" in (caught.value.hint or "")
    assert made.read_bytes() == before
    os.utime(folder / UNET, (made.stat().st_mtime + 1,) * 2)
    assert find_models(folder).unet.weights == made
    assert "unet.safetensors is read, and not unet.pth, which is newer" in caplog.text
    made.unlink()
    assert not convert(folder, lambda _each: None)[-1].was_there
    assert made.read_bytes() != before


class _Executed:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch executed",)


@pytest.mark.parametrize("is_old", [False, True], ids=["zip", "plain pickle"])
def test_what_stands_in_a_pickle_is_not_executed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, is_old: bool
) -> None:
    monkeypatch.chdir(folder)
    state = {"a": torch.ones(2), "b": _Executed()}
    torch.save(state, folder / UNET, _use_new_zipfile_serialization=not is_old)
    with pytest.raises(WeightsFormatError, match="more than weights") as caught:
        convert(folder, lambda _each: None)
    assert str(folder / UNET) == caught.value.where
    assert not (folder / "executed").exists()
    assert not (folder / "musetalkV15" / "unet.safetensors").exists()
    assert not list(folder.rglob("*.tmp"))
    assert set(read_record(folder)) == {
        "whisper/model.safetensors",
        "sd-vae/diffusion_pytorch_model.safetensors",
    }


def test_a_disk_too_small_and_nothing_to_convert_are_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr(conversion.shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(OutputWriteError, match="bytes are to be written, and 1000 are free"):
        convert(folder, lambda _each: None)
    with pytest.raises(WeightsMissingError, match="no weights to convert"):
        convert(folder / "sd-vae", lambda _each: None)
