"""Recorded batches: what goes in and out of their memory, and what happens where they fail.

A recording here runs its work again, into the outputs of the first time: as a CUDA graph does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import tiny_networks

from musetalk_fast.engines.musetalk.accelerator import Accelerator, device_errors
from musetalk_fast.engines.musetalk.crop_maker import CropMaker, make_eager
from musetalk_fast.engines.musetalk.networks import Networks
from musetalk_fast.engines.musetalk.runners import EagerRunner, GraphRunner, make_runner
from musetalk_fast.errors import DeviceFaultError, DeviceMemoryError, MemoryLimitError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def networks() -> Networks:
    return tiny_networks(with_draft=True)  # the decoder of drafts is a quick one


def accelerator(batch: int, dtype: Any = torch.float32) -> Accelerator:
    return Accelerator(CPU, dtype, None, batch)


def inputs(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(8)
    latents = rng.normal(size=(count, 8, 32, 32)).astype(np.float32)
    return latents, rng.normal(size=(count, 50, 32)).astype(np.float32)


def record(work: Callable[[], Any]) -> Any:
    outputs = work()

    def replay() -> None:
        for own, new in zip(outputs, work(), strict=True):
            own.copy_(new)

    return outputs, replay


def replaying(networks: Networks, own: Accelerator, size: int) -> Any:
    return make_runner(networks, own, size, record)


def test_a_recording_makes_the_same_crops_and_no_later_run_changes_them(networks) -> None:
    with torch.inference_mode():
        first, second = [
            tuple(torch.from_numpy(each[part]) for each in inputs(4))
            for part in (slice(0, 2), slice(2, 4))
        ]
        runner = make_runner(networks, accelerator(2), 2, record)
        assert isinstance(runner, GraphRunner)
        kept = [each.clone() for each in first]
        found = runner.run(*first)
        later = runner.run(*second)
        eager = EagerRunner(networks, CPU)
        for outputs, given in ((found, first), (later, second)):
            for one, other in zip(outputs, eager.run(*given), strict=True):
                assert torch.equal(one, other)
        assert not torch.equal(found[0], later[0])
        assert all(map(torch.equal, kept, first))


def test_crops_are_the_same_recorded_or_not(networks) -> None:
    latents, tokens = inputs(5)
    tokens[3, 1, 1] = np.nan
    good = [0, 1, 2, 4]
    wanted = CropMaker(networks, accelerator(2), make=make_eager).make(latents[good], tokens[good])
    maker = CropMaker(networks, accelerator(2), make=replaying)
    assert np.array_equal(maker.make(latents[good], tokens[good]), wanted)
    with pytest.raises(Exception, match="no numbers"):
        maker.make(latents, tokens)
    assert np.array_equal(maker.make(latents[good], tokens[good]), wanted)


def test_a_recording_is_made_once_in_the_numbers_that_were_asked_for(networks) -> None:
    made = []

    def counting(own: Networks, given: Accelerator, size: int) -> Any:
        made.append((given.dtype, size))
        return replaying(own, given, size)

    maker = CropMaker(networks, accelerator(2), make=counting)
    for _ in range(3):
        maker.make(*inputs(3))
    assert made == [(torch.float32, 2)]  # `--half off`


def test_less_memory_makes_a_smaller_recording(networks, caplog) -> None:
    """One that does not fit, and one that fits until a run needs more."""
    recorded, left = [], [2]

    def scarce(own: Networks, given: Accelerator, size: int) -> Any:
        def record_if_it_fits(work: Callable[[], Any]) -> Any:
            if size > 2:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB. GPU 0")
            outputs, replay = record(work)
            recorded.append(size)

            def replay_while_it_fits() -> None:
                left[0] -= 1
                if size > 1 and left[0] < 0:
                    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
                replay()

            return outputs, replay_while_it_fits

        return make_runner(own, given, size, record_if_it_fits)

    latents, tokens = inputs(4)
    maker = CropMaker(networks, accelerator(4), make=scarce)
    wanted = CropMaker(networks, accelerator(1), make=make_eager).make(latents, tokens)
    # Another batch size may change single levels.
    assert np.abs(maker.make(latents, tokens).astype(int) - wanted).max() <= 1
    assert recorded == [2, 1]
    assert maker.batch == 1
    assert "crops are made 1 at a time" in caplog.text


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (RuntimeError("CUDA error: operation not permitted when stream is capturing"), "permitted"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "no more memory"),
    ],
)
def test_what_cannot_be_recorded_runs_all_the_same_and_it_is_said(
    networks, caplog, failure, words
) -> None:
    def fail(_work: object) -> Any:
        raise failure

    runner = make_runner(networks, accelerator(1), 1, fail)
    assert isinstance(runner, EagerRunner)
    assert "batches of 1 are not recorded" in caplog.text
    assert words in caplog.text


def test_a_recording_that_gives_other_crops_is_not_used(networks, caplog) -> None:
    def deaf(work: Callable[[], Any]) -> Any:
        return work(), lambda: None  # what goes in later is not heard

    with torch.inference_mode():
        assert isinstance(make_runner(networks, accelerator(2), 2, deaf), EagerRunner)
    assert "levels away" in caplog.text


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("CUDA error: an illegal memory access was encountered\nCUDA kernel", DeviceFaultError),
        ("CUDA error: uncorrectable ECC error encountered", DeviceFaultError),
        ("CUDA error: out of memory\nCUDA kernel errors might", DeviceMemoryError),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`", DeviceMemoryError),
        ("[enforce fail at alloc_cpu.cpp:127] . can't allocate memory: 9", MemoryLimitError),
        ("an unknown error of somebody else", RuntimeError),
    ],
)
def test_what_torch_says_becomes_an_error_of_ours(text, kind) -> None:
    with pytest.raises(kind) as caught, device_errors():
        raise RuntimeError(text)
    assert type(caught.value) is kind
    assert "\n" not in getattr(caught.value, "message", "")
