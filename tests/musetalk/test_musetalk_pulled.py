"""What `models pull` brings beside the weights is what the engine loads."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import torch
from loopback_hub import serving_hub
from safetensors.torch import save
from tiny_models import random_weights

from musetalk_fast.client.address import parse_address
from musetalk_fast.engines.musetalk.accelerator import Accelerator
from musetalk_fast.engines.musetalk.architecture import MUSETALK
from musetalk_fast.engines.musetalk.face_parser import FaceParser
from musetalk_fast.engines.musetalk.model_folder import find_models
from musetalk_fast.engines.musetalk.networks import build_draft, load_networks
from musetalk_fast.models.convert import convert
from musetalk_fast.models.hub_access import HubAccess
from musetalk_fast.models.inventory import FileState, verify
from musetalk_fast.models.published_files import DRAFT, FACE_PARSER, OPTIONAL, PublishedFile
from musetalk_fast.models.pull import pull

CPU = Accelerator(torch.device("cpu"), torch.float32, None, 1)
TAESD_CONFIG = {
    "_class_name": "AutoencoderTiny",
    "_diffusers_version": "0.20.0.dev0",
    "act_fn": "relu",
    "decoder_block_out_channels": [64, 64, 64, 64],
    "encoder_block_out_channels": [64, 64, 64, 64],
    "force_upcast": False,
    "in_channels": 3,
    "latent_channels": 4,
    "latent_magnitude": 3,
    "latent_shift": 0.5,
    "num_decoder_blocks": [3, 3, 3, 1],
    "num_encoder_blocks": [1, 3, 3, 3],
    "out_channels": 3,
    "scaling_factor": 1.0,
    "upsampling_scaling_factor": 2,
}


def taesd() -> bytes:
    """As published: the encoder is in it, too."""
    decoder = random_weights(build_draft(MUSETALK), 3)
    tensors = {f"decoder.{name}": tensor for name, tensor in decoder.items()}
    return save(tensors | {"encoder.layers.0.weight": torch.zeros(64, 3, 3, 3)})


def face_parser() -> bytes:
    weights = random_weights(FaceParser(), 5)
    for name in [name for name in weights if name.endswith("running_var")]:
        weights[name] = weights[name].abs() + 1
        weights[name.replace("running_var", "num_batches_tracked")] = torch.tensor(80_000)
    file = io.BytesIO()
    torch.save(weights, file)
    return file.getvalue()


async def test_what_was_pulled_is_loaded(models: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(models, tmp_path / "models")
    shutil.rmtree(folder / "taesd")
    contents = json.dumps(TAESD_CONFIG).encode(), taesd(), face_parser()
    with serving_hub() as hub:
        for file, content in zip(OPTIONAL, contents, strict=True):
            hub.contents[_path(file)] = content
        access = HubAccess(parse_address(hub.endpoint), None)
        done = await pull(folder, access, lambda _event: None, files=(*DRAFT, *FACE_PARSER))
    assert done.brought == tuple(file.name for file in OPTIONAL)
    before = load_networks(find_models(folder, with_draft=True, with_parser=None), CPU)
    assert before.parser is not None
    assert sum(each.numel() for each in before.draft.state_dict().values()) == 1_222_531
    # As safetensors, whose pickle is gone, it is the same.
    convert(folder, lambda _done: None)
    (folder / FACE_PARSER[0].name).unlink()
    states = {each.name: each.state for each in verify(folder)}
    assert states[FACE_PARSER[0].name] is FileState.CONVERTED
    assert states["face-parse-bisent/79999_iter.safetensors"] is FileState.WHOLE
    after = load_networks(find_models(folder, with_parser=None), CPU)
    assert after.parser_digest == before.parser_digest


def _path(file: PublishedFile) -> str:
    return f"/{file.repository}/resolve/{file.revision}/{file.path}"
