"""Old weights in today's form: a table of numbers that is mapped, never executed."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file

from musetalk_fast.engines.musetalk.weights import Tensors, read_weights
from musetalk_fast.errors import OutputExistsError, OutputWriteError
from musetalk_fast.storage import AtomicFile, sync_file, write_errors


def write_safetensors(source: Path, target: Path) -> int:
    """Write the tensors of a file as safetensors, by the same names; its bytes.

    Args:
        source: as `weights.read_weights` takes it; nothing in it is executed.

    Raises:
        errors.WeightsFormatError, errors.WeightsMissingError: see `read_weights`.
        errors.OutputExistsError: the target came meanwhile.
        errors.OutputWriteError: it cannot be written.
    """
    tensors = _apart(read_weights(source))
    with AtomicFile(target) as file:
        try:
            save_file(tensors, file.unfinished, metadata={"format": "pt"})
        except SafetensorError as error:
            raise OutputWriteError(f"cannot be written: {error}", where=str(target)) from error
        with write_errors(target):
            sync_file(file.unfinished)
        size = file.commit_if_absent()
    if size is None:
        raise OutputExistsError("a file came here meanwhile", where=str(target))
    return size


def _apart(tensors: Tensors) -> Tensors:
    """Each with memory of its own, which a pickle may share among them."""
    seen: set[int] = set()
    apart = {}
    for name, tensor in tensors.items():
        place = tensor.untyped_storage().data_ptr()
        apart[name] = tensor.clone() if place in seen else tensor.contiguous()
        seen.add(place)
    return apart
