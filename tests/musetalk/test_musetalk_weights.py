"""What the networks are, where their weights come from, and weights that cannot be used."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from musetalk_fast.engines.musetalk import load_engine
from musetalk_fast.engines.musetalk.accelerator import (
    Accelerator,
    DeviceChoice,
    Half,
    choose_accelerator,
)
from musetalk_fast.engines.musetalk.architecture import MUSETALK
from musetalk_fast.engines.musetalk.model_folder import ModelVersion, find_models
from musetalk_fast.engines.musetalk.networks import build_draft, build_networks, load_networks
from musetalk_fast.errors import (
    DeviceError,
    FaceOptionsError,
    WeightsFormatError,
    WeightsMissingError,
)
from musetalk_fast.types import AvatarOptions

CPU = Accelerator(torch.device("cpu"), torch.float32, None, 1)
UNET = "musetalkV15/unet.pth"
VAE = "sd-vae/diffusion_pytorch_model.bin"


@pytest.fixture
def folder(models: Path, tmp_path: Path) -> Path:
    return shutil.copytree(models, tmp_path / "models")


def test_the_published_networks_have_their_parameters() -> None:
    """Counts from the published files; Whisper-tiny's encoder: its paper's 4 layers of 384."""
    found = [network.state_dict() for network in build_networks(MUSETALK)]
    sizes = [(len(each), sum(tensor.numel() for tensor in each.values())) for each in found]
    assert sizes == [(686, 849_947_844), (248, 83_653_863), (67, 8_208_384)]
    unet, vae, whisper = found
    assert unet["conv_in.weight"].shape == (320, 8, 3, 3)
    name = "up_blocks.3.attentions.2.transformer_blocks.0.attn2.to_k.weight"
    assert unet[name].shape == (320, 384)
    assert unet["mid_block.resnets.1.time_emb_proj.weight"].shape == (1280, 1280)
    assert vae["decoder.mid_block.attentions.0.to_q.weight"].shape == (512, 512)
    assert vae["quant_conv.weight"].shape == (8, 8, 1, 1)
    assert whisper["conv1.weight"].shape == (384, 80, 3)


def test_a_file_of_any_kind_gives_the_same_networks(folder: Path) -> None:
    before = load_networks(find_models(folder), CPU)
    for name in (UNET, VAE, "whisper/pytorch_model.bin"):
        tensors = torch.load(folder / name, weights_only=True)
        (folder / name).unlink()
        names = {"unet.pth": "unet", "diffusion_pytorch_model.bin": "diffusion_pytorch_model"}
        stem = names.get(Path(name).name, "model")
        save_file(tensors, folder / Path(name).with_name(f"{stem}.safetensors"))
    after = load_networks(find_models(folder), CPU)
    assert after.digest == before.digest
    tensors = {name: each.contiguous() for name, each in before.vae.state_dict().items()}
    assert "decoder.mid_block.attentions.0.to_out.0.bias" in tensors
    tensors["quant_conv.bias"] = tensors["quant_conv.bias"] + 1e-3
    save_file(tensors, folder / "sd-vae/diffusion_pytorch_model.safetensors")
    other = load_networks(find_models(folder), CPU)
    assert other.digest != before.digest
    assert other.vae_digest != before.vae_digest


def test_a_version_is_what_its_folder_holds(folder: Path) -> None:
    assert find_models(folder).version is ModelVersion.V15
    shutil.copytree(folder / "musetalkV15", folder / "musetalk")
    (folder / "musetalk/unet.pth").rename(folder / "musetalk/pytorch_model.bin")
    assert find_models(folder).version is ModelVersion.V15
    assert find_models(folder, ModelVersion.V10).version is ModelVersion.V10
    shutil.rmtree(folder / "musetalkV15")
    assert find_models(folder).version is ModelVersion.V10


def test_the_decoder_of_drafts_is_taken_from_either_of_its_files(models, folder) -> None:
    file = folder / "taesd/diffusion_pytorch_model.safetensors"
    draft = load_networks(find_models(folder, with_draft=True), CPU)
    assert find_models(folder).draft is None
    assert load_networks(find_models(folder), CPU).digest != draft.digest
    tensors = load_file(file)
    file.unlink()
    with pytest.raises(WeightsMissingError, match=r"taesd/taesd_decoder.pth") as caught:
        find_models(folder, with_draft=True)
    assert "--draft" in (caught.value.hint or "")
    # As its author writes it: the clamp before the first convolution is counted, too.
    plain = {}
    for name, tensor in tensors.items():
        _, _, number, rest = name.split(".", 3)
        plain[f"{int(number) + 1}.{rest}"] = tensor
    torch.save(plain, folder / "taesd/taesd_decoder.pth")
    assert load_networks(find_models(folder, with_draft=True), CPU).digest == draft.digest
    published = build_draft(MUSETALK).state_dict()
    assert sum(tensor.numel() for tensor in published.values()) == 1_222_531


def test_each_version_refuses_what_only_the_other_has() -> None:
    from musetalk_fast.engines.musetalk.musetalk_avatar import options_of

    assert options_of(ModelVersion.V15, AvatarOptions(extra_margin=20)).extra_margin == 20
    assert options_of(ModelVersion.V10, AvatarOptions(bbox_shift=-5)).extra_margin == 0
    with pytest.raises(FaceOptionsError, match="no bbox_shift"):
        options_of(ModelVersion.V15, AvatarOptions(bbox_shift=1))
    with pytest.raises(FaceOptionsError, match="no extra_margin"):
        options_of(ModelVersion.V10, AvatarOptions(extra_margin=11))


class _Executed:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch executed",)


def _cut(folder: Path, name: str = UNET) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])


def _lfs(folder: Path) -> None:
    (folder / VAE).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")


def _pickle(folder: Path) -> None:
    torch.save({"conv_in.weight": _Executed()}, folder / UNET)


def _renamed(folder: Path) -> None:
    shutil.copy(folder / VAE, folder / UNET)


def _reshaped(folder: Path) -> None:
    tensors = torch.load(folder / UNET, weights_only=True)
    tensors["conv_in.weight"] = tensors["conv_in.weight"][:, :4].clone()
    torch.save(tensors, folder / UNET)


def _config(**members: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "musetalkV15/musetalk.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | members))

    return change


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (shutil.rmtree, WeightsMissingError, "no such folder"),
        (lambda folder: (folder / VAE).unlink(), WeightsMissingError, f"missing weights: {VAE}"),
        (_cut, WeightsFormatError, "not complete"),
        (lambda folder: (folder / UNET).write_bytes(b""), WeightsFormatError, "empty"),
        (_lfs, WeightsFormatError, "Git LFS"),
        (_pickle, WeightsFormatError, "more than weights"),
        (_renamed, WeightsFormatError, "another network"),
        (_reshaped, WeightsFormatError, r"conv_in.weight is \(32, 4, 3, 3\), not \(32, 8, 3, 3\)"),
        (_config(in_channels=4), WeightsFormatError, "in_channels is 4, not 8"),
        (_config(cross_attention_dim=64), WeightsFormatError, "64 numbers a token, Whisper .* 32"),
        (_config(norm_num_groups=7), WeightsFormatError, "make no network"),
        (_config(block_out_channels=[1 << 40] * 4), WeightsFormatError, "block_out_channels"),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_weights_that_cannot_be_used_are_refused_by_name(
    folder: Path, change, kind, words, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(folder)
    monkeypatch.chdir(folder.parent)
    with pytest.raises(kind, match=words) as caught:
        load_engine(models_dir=folder, latents_dir=folder.parent / "latents", device="cpu")
    assert str(folder) in (caught.value.where or "")
    assert caught.value.hint
    assert not (folder.parent / "executed").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said() -> None:
    with pytest.raises(DeviceError, match="CUDA"):
        choose_accelerator(DeviceChoice.CUDA, Half.AUTO, None)
    found = choose_accelerator(DeviceChoice.AUTO, Half.OFF, None)
    assert (found.device.type, found.numbers, found.gpu_name, found.batch) == (
        "cpu",
        "fp32",
        None,
        1,
    )
