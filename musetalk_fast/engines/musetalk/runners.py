"""Batches of one shape through the networks: kernel by kernel, or as one recorded CUDA graph.

A pass is some thousand kernels. Recorded once, they are started by one call, and the GPU does not
wait for Python between them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import torch

from musetalk_fast.engines.musetalk.accelerator import Accelerator, device_errors, first_sentence
from musetalk_fast.engines.musetalk.architecture import LATENT_CHANNELS, LATENT_SIDE
from musetalk_fast.engines.musetalk.forward import Outputs, forward
from musetalk_fast.engines.musetalk.networks import Networks
from musetalk_fast.engines.musetalk.speech_windows import WINDOW
from musetalk_fast.errors import DeviceMemoryError

_LOG = logging.getLogger(__name__)

Record: TypeAlias = Callable[[Callable[[], Outputs]], tuple[Outputs, Callable[[], None]]]
"""Records work: its outputs, and what fills them anew from what its inputs hold then."""

_WARM_UPS = 2
"""Passes before a recording: libraries choose kernels and allocate what they keep."""
_MAX_LEVELS_AWAY = 1
"""Of a recorded crop from the same one made kernel by kernel."""


class Runner(Protocol):
    """Runs the networks. Its outputs are the caller's: no later run changes them."""

    def run(self, latents: Any, tokens: Any) -> Outputs:
        """Tensors of the host, (n, 8, 32, 32) and (n, 50, 384) -> see `Outputs`."""
        ...


class EagerRunner:
    """Kernel by kernel; any number of crops."""

    def __init__(self, networks: Networks, device: Any) -> None:
        self._networks = networks
        self._device = device

    def run(self, latents: Any, tokens: Any) -> Outputs:
        """See `Runner`."""
        on_device = (each.to(self._device, non_blocking=True) for each in (latents, tokens))
        return forward(self._networks, *on_device)


class GraphRunner:
    """A recorded pass: inputs are copied into its memory, outputs out of it.

    Args:
        latents, tokens: of the shape and the numbers of every later run; on the host.
    """

    def __init__(
        self, networks: Networks, device: Any, latents: Any, tokens: Any, record: Record
    ) -> None:
        # `to` may give the tensor itself: the recording's memory is nobody else's.
        self._inputs = [each.to(device).clone() for each in (latents, tokens)]
        self._outputs, self._replay = record(lambda: forward(networks, *self._inputs))

    def run(self, latents: Any, tokens: Any) -> Outputs:
        """See `Runner`."""
        for own, given in zip(self._inputs, (latents, tokens), strict=True):
            own.copy_(given, non_blocking=True)
        self._replay()
        levels, valid = self._outputs
        return levels.clone(), valid.clone()


def record_graph(work: Callable[[], Outputs]) -> tuple[Outputs, Callable[[], None]]:
    """Record work as a CUDA graph, with memory of its own.

    Raises:
        RuntimeError: something in it cannot be recorded.
        torch.OutOfMemoryError: its memory does not fit.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UPS):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    # Faces may be encoded in another thread meanwhile: what that one does is no error here.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        outputs = work()
    return outputs, graph.replay


def make_runner(
    networks: Networks, accelerator: Accelerator, size: int, record: Record | None = None
) -> Runner:
    """What runs batches of a size: recorded, where that can be done and gives the same crops.

    Args:
        record: None: as a CUDA graph on a GPU, not at all on a CPU.

    Raises:
        errors.DeviceMemoryError: a recording of more than one crop does not fit.
    """
    eager = EagerRunner(networks, accelerator.device)
    if record is None and accelerator.gpu_name is not None:
        record = record_graph
    if record is None:
        return eager
    try:
        with device_errors():
            return _recorded(networks, accelerator, size, eager, record)
    except DeviceMemoryError as error:
        if size > 1:
            raise
        reason = error.message
    except RuntimeError as error:
        reason = first_sentence(error)
    _LOG.warning("batches of %d are not recorded as a CUDA graph, and slower: %s", size, reason)
    return eager


def _recorded(
    networks: Networks, accelerator: Accelerator, size: int, eager: EagerRunner, record: Record
) -> GraphRunner:
    """A recording that was compared with the same work unrecorded.

    Raises:
        RuntimeError: it cannot be recorded, or gives other crops.
    """
    shapes = (
        (size, 2 * LATENT_CHANNELS, LATENT_SIDE, LATENT_SIDE),
        (size, WINDOW * networks.speech_layers, networks.token_width),
    )
    generator = torch.Generator().manual_seed(0)
    noise = [torch.randn(shape, generator=generator).to(accelerator.dtype) for shape in shapes]
    wanted = eager.run(*noise)
    latents, tokens = (torch.zeros_like(each) for each in noise)
    runner = GraphRunner(networks, accelerator.device, latents, tokens, record)
    away = _levels_away(wanted, runner.run(*noise))
    if away > _MAX_LEVELS_AWAY:
        raise RuntimeError(f"its crops are {away} levels away")
    return runner


def _levels_away(one: Outputs, other: Outputs) -> int:
    """The largest difference of two batches; more than any where only one is of numbers."""
    levels, valid = one
    if not torch.equal(valid, other[1]):
        return 256
    away = (levels.int() - other[0].int()).abs().flatten(1).amax(dim=1)
    return int((away * valid).max())
