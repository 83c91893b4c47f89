"""A TFLite model of this folder and the runtime that runs it."""

from __future__ import annotations

import importlib.resources
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class Model:
    """One loaded model. Runs release the GIL; one object serves one thread at a time.

    Args:
        name: file name in this folder.
        outputs: names of its outputs, in the order in which `run` returns them.
        threads: threads of the runtime.
    """

    def __init__(self, name: str, outputs: Sequence[str], threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        self._interpreter = Interpreter(
            model_content=importlib.resources.files(__package__).joinpath(name).read_bytes(),
            num_threads=threads,
            # The default delegate (XNNPACK) is twice as fast a run, but takes longer to prepare
            # than a portrait needs runs, and writes a line of its own to stderr.
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
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
