"""A TFLite model of this folder and the runtime that runs it."""

from __future__ import annotations

import importlib.resources
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray


class Model:
    """One loaded model. Runs release the GIL; one object serves one thread at a time.

    Args:
        name: file name in this folder.
        outputs: names of its outputs, in the order in which `run` returns them.
    """

    def __init__(self, name: str, outputs: Sequence[str]) -> None:
        from ai_edge_litert.interpreter import Interpreter

        with _without_delegate_line():
            self._interpreter = Interpreter(
                model_content=importlib.resources.files(__package__).joinpath(name).read_bytes(),
                num_threads=1,
            )
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        places = {each["name"]: each["index"] for each in self._interpreter.get_output_details()}
        self._outputs = [places[output] for output in outputs]

    def run(self, patch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run the model on one (H, W, 3) float32 patch of its own size and range."""
        self._interpreter.set_tensor(self._input, patch[None])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(output) for output in self._outputs]


_STDERR = 2
_DELEGATE_LINE = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
_redirecting = threading.Lock()


def _held() -> BinaryIO:
    """An empty file that has no place of its own; in memory where the system has such."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("stderr"), "w+b")
    return cast("BinaryIO", tempfile.TemporaryFile())


@contextmanager
def _without_delegate_line() -> Iterator[None]:
    """Keep the line that the runtime writes for each delegate from the user.

    Its logger has no switch. What others write meanwhile comes a few milliseconds later.
    """
    with _redirecting, _held() as held:
        before = os.dup(_STDERR)
        os.dup2(held.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(before, _STDERR)
            os.close(before)
            held.seek(0)
            rest = held.read().replace(_DELEGATE_LINE, b"")
            if rest:
                os.write(_STDERR, rest)
