"""The face parser: what it is, that it computes that, and weights that it refuses."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_parser as reference
import torch
from PIL import Image
from reference_layers import Weights
from safetensors.torch import save_file
from tiny_models import PARSER, random_weights, tiny_networks, write_parser

from musetalk_fast.engines.musetalk import load_engine
from musetalk_fast.engines.musetalk.accelerator import Accelerator
from musetalk_fast.engines.musetalk.compute import ComputeOptions, LocalCompute
from musetalk_fast.engines.musetalk.face_parser import CLASSES, FaceParser, parser_only
from musetalk_fast.engines.musetalk.model_folder import find_models
from musetalk_fast.engines.musetalk.networks import load_networks
from musetalk_fast.engines.musetalk.weights import fill, read_weights
from musetalk_fast.engines.musetalk.worker_pool import start_workers
from musetalk_fast.errors import UsageError, WeightsFormatError, WeightsMissingError

CPU = Accelerator(torch.device("cpu"), torch.float32, None, 1)
PORTRAIT = Path(__file__).parents[2] / "examples/portrait.png"
NAME = "face-parse-bisent/79999_iter.pth"


@pytest.fixture
def folder(models: Path, tmp_path: Path) -> Path:
    copy = shutil.copytree(models, tmp_path / "models")
    write_parser(copy)
    return copy


def load(folder: Path, **options: Any) -> Any:
    return load_engine(
        models_dir=folder,
        latents_dir=folder.parent / "latents",
        device="cpu",
        half="off",
        **options,
    )


def tiny_parser(picture: np.ndarray) -> FaceParser:
    """Its classes differ by what differs between the pixels of a picture."""
    parser = FaceParser(**PARSER)
    weights = random_weights(parser, 4)
    for name, values in weights.items():
        if name.endswith("running_var"):
            weights[name] = 0.5 + values.abs() * 20  # nothing else shows where they belong
    last = weights["conv_out.conv_out.weight"]
    weights["conv_out.conv_out.weight"] = torch.eye(*last.shape[:2])[:, :, None, None]
    fill(parser, weights, Path("tiny"))
    mean = parser.scores(torch.from_numpy(picture[None]))[0, : last.shape[1]].mean(dim=(1, 2))
    share = torch.einsum("ocxy,c->oxy", last, mean)[:, None] / (mean @ mean)
    fill(
        parser, weights | {"conv_out.conv_out.weight": last - share * mean[:, None, None]}, PORTRAIT
    )
    return parser


def test_the_published_network_has_its_tensors() -> None:
    """191 in the published file of 53.3 MB, 29 counters and 14 of training's heads included."""
    found = FaceParser().state_dict()
    head = 128 * 64 * 9 + 4 * 64 + 64 * 19
    count = sum(tensor.numel() for tensor in found.values())
    assert (len(found), count) == (191 - 29 - 14, 13_162_688)
    assert abs(4 * (count + 2 * head) / 53.3e6 - 1) < 0.002
    shapes = {
        "cp.resnet.conv1.weight": (64, 3, 7, 7),
        "cp.resnet.layer1.1.bn2.running_var": (64,),
        "cp.resnet.layer2.0.downsample.0.weight": (128, 64, 1, 1),
        "cp.resnet.layer4.1.conv2.weight": (512, 512, 3, 3),
        "cp.arm16.conv.conv.weight": (128, 256, 3, 3),
        "cp.arm32.conv.bn.running_mean": (128,),
        "cp.arm32.conv_atten.weight": (128, 128, 1, 1),
        "cp.arm16.bn_atten.weight": (128,),
        "cp.conv_head32.conv.weight": (128, 128, 3, 3),
        "cp.conv_avg.conv.weight": (128, 512, 1, 1),
        "ffm.convblk.conv.weight": (256, 256, 1, 1),
        "ffm.conv1.weight": (64, 256, 1, 1),
        "ffm.conv2.weight": (256, 64, 1, 1),
        "conv_out.conv.bn.bias": (256,),
        "conv_out.conv_out.weight": (19, 256, 1, 1),
    }
    assert {name: tuple(found[name].shape) for name in shapes} == shapes
    assert not any(name.startswith("cp.resnet.fc") for name in found)


def test_it_computes_what_the_reference_does() -> None:
    """In float32: to a ten-thousandth of the largest score."""
    picture = np.array(Image.open(PORTRAIT).convert("RGB").resize((64, 96)))
    parser = tiny_parser(picture)
    weights = {name: each.double().numpy() for name, each in parser.state_dict().items()}
    wanted = reference.parse(picture, Weights(weights))
    found = parser.scores(torch.from_numpy(picture[None]))[0].numpy()
    assert found.shape == wanted.shape == (CLASSES, 96, 64)
    assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()
    labels = parser.labels(np.stack([picture, picture[::-1]]))
    assert labels.dtype == np.uint8
    best = np.sort(wanted, axis=0)
    clear = best[-1] - best[-2] > 1e-3 * np.abs(wanted).max()
    assert clear.mean() > 0.9
    assert len(np.unique(labels[0])) > 1
    assert np.array_equal(labels[0][clear], wanted.argmax(axis=0)[clear])
    assert np.array_equal(parser.labels(picture[None])[0], labels[0])


def test_it_is_loaded_where_it_is_there(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = find_models(folder, with_parser=None)
    assert files.parser is not None
    own = load_networks(files, CPU)
    assert own.parser is not None
    plain = load_networks(find_models(folder, with_parser=False), CPU)
    assert (plain.parser, plain.parser_digest) == (None, None)
    assert plain.digest == own.digest  # masks are no crops
    engine = load(folder)
    engine.close()
    assert "masks are made by the face parser" in caplog.text
    tensors = torch.load(folder / NAME, weights_only=True)
    assert "cp.resnet.bn1.num_batches_tracked" in tensors
    (folder / NAME).unlink()
    save_file(tensors, folder / "face-parse-bisent/79999_iter.safetensors")
    again = load_networks(find_models(folder, with_parser=True), CPU)
    assert again.parser_digest == own.parser_digest


def test_without_its_weights_the_mesh_makes_masks(
    models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = shutil.copytree(models, tmp_path / "models")
    load(copy).close()
    assert "masks are made of the mesh: no face parser is loaded" in caplog.text
    with pytest.raises(WeightsMissingError, match=NAME) as caught:
        load(copy, mask="parser")
    assert "models pull --face-parser" in (caught.value.hint or "")
    with pytest.raises(UsageError, match="the mesh has no neck") as refused:
        load(copy, parsing_mode="neck")
    assert "models pull --face-parser" in (refused.value.hint or "")


def test_the_mesh_can_be_asked_for(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / NAME).write_bytes(b"no weights at all")
    load(folder, mask="mesh").close()
    assert "masks are made of the mesh" in caplog.text


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40_000])


def _unet(path: Path) -> None:
    shutil.copy(path.parents[1] / "musetalkV15/unet.pth", path)


def _other_classes(path: Path) -> None:
    tensors = torch.load(path, weights_only=True)
    tensors["conv_out.conv_out.weight"] = torch.zeros(16, 16, 1, 1)
    torch.save(tensors, path)


def _without_a_layer(path: Path) -> None:
    tensors = torch.load(path, weights_only=True)
    del tensors["cp.arm16.conv_atten.weight"]
    torch.save(tensors, path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_cut, "not complete"),
        (lambda path: path.write_bytes(b""), "empty"),
        (_unet, "another network"),
        (_other_classes, r"conv_out.conv_out.weight is \(16, 16, 1, 1\), not \(19, 16, 1, 1\)"),
        (_without_a_layer, "lacks cp.arm16.conv_atten.weight"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(
    folder: Path, change: Callable[[Path], None], words: str
) -> None:
    change(folder / NAME)
    with pytest.raises(WeightsFormatError, match=words) as caught:
        load(folder)
    assert NAME in (caught.value.where or "")
    assert caught.value.hint


def test_workers_parse_as_this_process_does(folder: Path) -> None:
    pictures = np.random.default_rng(2).integers(0, 256, (2, 64, 64, 3), np.uint8)
    networks = replace(tiny_networks(), parser=load_parser(folder), parser_digest="x")
    wanted = LocalCompute(networks, CPU).labels(pictures)
    pool = start_workers(ComputeOptions(models=folder, parser=True), "cpu")
    try:
        assert pool.info.parser_digest is not None
        assert np.array_equal(pool.labels(pictures), wanted)
    finally:
        pool.close()


def load_parser(folder: Path) -> FaceParser:
    parser = FaceParser(**PARSER)
    fill(parser, parser_only(read_weights(folder / NAME)), folder / NAME)
    return parser
