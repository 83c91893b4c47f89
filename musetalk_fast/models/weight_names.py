"""Names of weights in their two forms: as published (a pickle), and as safetensors."""

from __future__ import annotations

from pathlib import PurePosixPath

SAFETENSORS = ".safetensors"
_PICKLES = (".pth", ".bin")
_OTHER_STEM = {"whisper/pytorch_model.bin": "model"}
"""transformers' own name for what it writes in place of `pytorch_model.bin`."""


def converted_name(name: str) -> str | None:
    """The name of a weights file as safetensors; None for what is no pickle.

    Args:
        name: its path in a models folder.
    """
    path = PurePosixPath(name)
    if path.suffix not in _PICKLES:
        return None
    return str(path.with_name(_OTHER_STEM.get(name, path.stem) + SAFETENSORS))
