"""Old weights in today's form: a table of numbers that is mapped, never executed."""

from __future__ import annotations

import stat
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
    with AtomicFile(target) as file, write_errors(target):
        mode = stat.S_IMODE(file.unfinished.stat().st_mode)
        try:
            # It may replace the file of this name by another one, which only its owner may read.
            save_file(tensors, file.unfinished, metadata={"format": "pt"})
        except SafetensorError as error:
            raise OutputWriteError(f"cannot be written: {error}", where=str(target)) from error
        file.unfinished.chmod(mode)
        size = sync_file(file.unfinished)
        if file.commit_if_absent() is None:
            raise OutputExistsError("a file came here meanwhile", where=str(target))
    return size


def _apart(tensors: Tensors) -> Tensors:
    """Each with memory of its own, which a pickle may share among them."""
    seen: set[int] = set()
    apart = {}
    for name, tensor in tensors.items():
        own = tensor.contiguous()
        place = own.untyped_storage().data_ptr()
        apart[name] = own.clone() if place in seen else own
        seen.add(place)
    return apart
