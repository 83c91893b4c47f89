"""Weights from files, into networks: by name and shape, all of them or none.

Old files are pickles. Nothing that stands in them is executed: torch's `weights_only` reader
takes tensors and plain containers, and refuses the rest.
"""

from __future__ import annotations

import hashlib
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from musetalk_fast.engines.musetalk.file_status import cannot_be_read
from musetalk_fast.errors import WeightsFormatError

Tensors: TypeAlias = dict[str, Any]
"""Names and torch tensors."""

_SAMPLES = 64
"""Numbers of each tensor that its fingerprint is taken of."""
_MAX_NAMED = 3
_MAX_WORDS = 200
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_REASON = re.compile(r"Unsupported \w+:? (?:GLOBAL )?\S+|WeightsUnpickler error: .*")
"""What torch has refused, in the midst of what it says to programmers."""
_OLD_ATTENTION = re.compile(r"(?<=attentions\.)(\d+)\.(query|key|value|proj_attn)\.")
_NEW_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


def read_weights(path: Path) -> Tensors:
    """The tensors of a file, mapped from it where its format allows it.

    Args:
        path: `.safetensors`, or a state dict as `torch.save` writes it.

    Raises:
        errors.WeightsFormatError: damaged, cut, no weights, or with more in it than weights.
        errors.WeightsMissingError: it cannot be read.
    """
    try:
        found = load_file(path) if path.suffix == ".safetensors" else _load_pickle(path)
    except OSError as error:
        raise cannot_be_read(path, error) from error
    except pickle.UnpicklingError as error:
        reason = found[0] if (found := _REASON.search(str(error))) else _first_line(error)
        raise WeightsFormatError(
            f"holds more than weights, or is damaged: {reason[:_MAX_WORDS]}", where=str(path)
        ) from error
    except (SafetensorError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise WeightsFormatError(
            f"damaged or not complete: {_first_line(error)}", where=str(path)
        ) from error
    if not isinstance(found, Mapping) or not all(map(_is_entry, found.items())):
        raise WeightsFormatError("no table of named tensors", where=str(path))
    return dict(found)


def with_new_names(tensors: Tensors) -> Tensors:
    """The VAE's tensors by the names of today; its published file has older ones."""

    def rename(name: str) -> str:
        return _OLD_ATTENTION.sub(lambda old: f"{old[1]}.{_NEW_ATTENTION[old[2]]}.", name)

    return {rename(name): tensor for name, tensor in tensors.items()}


def encoder_only(tensors: Tensors) -> Tensors:
    """Whisper's encoder out of the tensors of the entire model."""
    plain = {name.removeprefix("model."): tensor for name, tensor in tensors.items()}
    start = "encoder."
    return {
        name.removeprefix(start): tensor for name, tensor in plain.items() if name.startswith(start)
    }


def draft_decoder_only(tensors: Tensors) -> Tensors:
    """TAESD's decoder out of diffusers' file, or of its author's, which counts its clamp as 0."""
    start = "decoder."
    if any(name.startswith(start) for name in tensors):
        return {
            name.removeprefix(start): tensor
            for name, tensor in tensors.items()
            if name.startswith(start)
        }

    def rename(name: str) -> str:
        return re.sub(r"^\d{1,3}(?=\.)", lambda place: f"layers.{int(place[0]) - 1}", name)

    return {rename(name): tensor for name, tensor in tensors.items()}


def fill(network: Any, tensors: Tensors, path: Path) -> None:
    """Give a network that was built on the `meta` device its weights.

    Raises:
        errors.WeightsFormatError: names or shapes are not exactly the network's.
    """
    wanted = network.state_dict()
    missing, more = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    if missing or more:
        lacks = f"it lacks {_named(missing)}" if missing else ""
        has = f"it has {_named(more)}, which belongs to none" if more else ""
        raise WeightsFormatError(
            f"weights of another network: {' and '.join(filter(None, (lacks, has)))}",
            where=str(path),
        )
    for name, tensor in wanted.items():
        if tensors[name].shape != tensor.shape:
            raise WeightsFormatError(
                f"weights of another network: {name} is {tuple(tensors[name].shape)}, "
                f"not {tuple(tensor.shape)}",
                where=str(path),
            )
        if not tensors[name].is_floating_point():
            raise WeightsFormatError(f"{name} are no floating-point numbers", where=str(path))
    network.load_state_dict(tensors, assign=True)


def fingerprint(*networks: Any) -> str:
    """Eight hex digits over a sample of all tensors: other weights, other digits."""
    digest = hashlib.sha256()
    for network in networks:
        for name, tensor in sorted(network.state_dict().items()):
            flat = tensor.detach().reshape(-1)
            digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
            digest.update(flat[_sampled_places(flat.numel())].float().numpy().tobytes())
    return digest.hexdigest()[:8]


def _sampled_places(length: int) -> Any:
    """Evenly spread, first and last among them; in integers, as floats have not all places."""
    count = min(_SAMPLES, length)
    return torch.arange(count) * (length - 1) // max(1, count - 1)


def _load_pickle(path: Path) -> Any:
    with path.open("rb") as file:
        start = file.read(len(_ZIP))
    if start != _ZIP and start[:1] != _PICKLE:
        raise WeightsFormatError("no weights of torch: another kind of file", where=str(path))
    with warnings.catch_warnings():
        # Of sparse tensors, which are refused here.
        warnings.filterwarnings("ignore", "Validating sparse tensor", UserWarning)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=start == _ZIP)


def _is_entry(item: tuple[object, object]) -> bool:
    """Whether it is a name with numbers: not sparse, and not only a shape."""
    name, tensor = item
    if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
        return False
    return bool(tensor.layout == torch.strided and not tensor.is_meta)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:_MAX_WORDS]


def _named(names: list[str]) -> str:
    more = len(names) - _MAX_NAMED
    return ", ".join(names[:_MAX_NAMED]) + (f" and {more} more tensors" if more > 0 else "")
