"""The face parser: a picture of a face becomes the class of each pixel, by BiSeNet.

Sources: Yu et al., "BiSeNet: Bilateral Segmentation Network for Real-time Semantic Segmentation",
2018, whose spatial path is replaced by the ResNet-18's stage at an eighth of the size; He et al.,
"Deep Residual Learning for Image Recognition", 2016; the names and shapes of the tensors of
`79999_iter.pth` of zllrunning/face-parsing.PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from musetalk_fast.engines.musetalk.accelerator import device_errors
from musetalk_fast.engines.musetalk.weights import Tensors

WIDTH, CLASSES = 64, 19
"""As published."""

_STAGES, _BLOCKS = 4, 2
_EPSILON = 1e-5
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of red, green and blue, over ImageNet."""
_OF_TRAINING = ("conv_out16.", "conv_out32.")
"""Heads that only training has a use for."""


class Convolution(NamedTuple):
    """A convolution without a bias, and the batch norm behind it.

    Attributes:
        norm: None: there is none.
        taken, given: channels.
        size: of its square kernel.
    """

    name: str
    norm: str | None
    taken: int
    given: int
    size: int


class FaceParser:
    """The network; its batch norms become part of its convolutions when the weights come.

    Args:
        width: channels of the first stage, of which all others are multiples.
        classes: of a pixel.
    """

    def __init__(self, width: int = WIDTH, classes: int = CLASSES) -> None:
        self._convolutions = tuple(convolutions(width, classes))
        shapes = _shapes(self._convolutions)
        self._tensors = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
        self._folded: dict[str, tuple[Any, Any]] = {}

    def state_dict(self) -> Tensors:
        """Names and tensors, without numbers until they are loaded."""
        return self._tensors

    def load_state_dict(self, tensors: Tensors, *, assign: bool = True) -> None:
        """Take the weights, of the same names and shapes."""
        del assign  # here they always are
        self._tensors = tensors
        for each in self._convolutions:
            self._folded[each.name] = _folded(tensors, each)

    def to(self, device: Any) -> None:
        """Move it; its numbers stay float32."""
        with device_errors():
            for name, (kernel, bias) in self._folded.items():
                moved = None if bias is None else bias.to(device)
                self._folded[name] = kernel.to(device), moved

    def labels(self, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The class of each pixel.

        Args:
            pictures: (n, h, w, 3) uint8 RGB, sides multiples of 32.

        Returns:
            (n, h, w) uint8.

        Raises:
            errors.DeviceMemoryError, errors.MemoryLimitError: there is no memory for it.
            errors.DeviceFaultError: the GPU failed.
        """
        device = self._folded["conv_out.conv_out"][0].device
        with torch.inference_mode(), device_errors():
            # One by one: a face's labels are the same whatever is beside it.
            found = [
                self.scores(torch.from_numpy(each[None]).to(device)).argmax(dim=1)
                for each in pictures
            ]
            return np.asarray(torch.cat(found).to(torch.uint8).cpu().numpy())

    def scores(self, pictures: Any) -> Any:
        """Tensor (n, h, w, 3) of 0..255 -> (n, classes, h, w)."""
        mean, spread = (pictures.new_tensor(each, dtype=torch.float32) for each in (_MEAN, _SPREAD))
        values = ((pictures.float() / 255 - mean) / spread).permute(0, 3, 1, 2).contiguous()
        eighth, sixteenth, last = self._backbone(values)
        fused = self._fused(torch.cat([eighth, self._context(eighth, sixteenth, last)], dim=1))
        scores = self._convolve(self._activated(fused, "conv_out.conv.conv"), "conv_out.conv_out")
        return functional.interpolate(
            scores, pictures.shape[1:3], mode="bilinear", align_corners=True
        )

    def _backbone(self, values: Any) -> tuple[Any, Any, Any]:
        """ResNet-18: its stages at 1/8, 1/16 and 1/32 of the size."""
        values = self._activated(values, "cp.resnet.conv1", stride=2)
        values = functional.max_pool2d(values, 3, stride=2, padding=1)
        stages = []
        for stage in range(1, _STAGES + 1):
            for block in range(_BLOCKS):
                name = f"cp.resnet.layer{stage}.{block}"
                values = self._residual(values, name, 2 if stage > 1 and block == 0 else 1)
            stages.append(values)
        return stages[1], stages[2], stages[3]

    def _residual(self, values: Any, name: str, stride: int) -> Any:
        inner = self._activated(values, f"{name}.conv1", stride=stride)
        inner = self._convolve(inner, f"{name}.conv2")
        if f"{name}.downsample.0" in self._folded:
            values = self._convolve(values, f"{name}.downsample.0", stride=stride)
        return functional.relu(inner + values)

    def _context(self, eighth: Any, sixteenth: Any, last: Any) -> Any:
        """What the deep stages say, at 1/8."""
        everywhere = self._activated(_mean(last), "cp.conv_avg.conv")
        deep = self._refined(last, "cp.arm32") + everywhere
        deep = self._activated(_larger(deep, sixteenth), "cp.conv_head32.conv")
        deep = self._refined(sixteenth, "cp.arm16") + deep
        return self._activated(_larger(deep, eighth), "cp.conv_head16.conv")

    def _refined(self, values: Any, name: str) -> Any:
        values = self._activated(values, f"{name}.conv.conv")
        return values * torch.sigmoid(self._convolve(_mean(values), f"{name}.conv_atten"))

    def _fused(self, values: Any) -> Any:
        values = self._activated(values, "ffm.convblk.conv")
        shares = self._convolve(self._activated(_mean(values), "ffm.conv1"), "ffm.conv2")
        return values * torch.sigmoid(shares) + values

    def _activated(self, values: Any, name: str, *, stride: int = 1) -> Any:
        return functional.relu(self._convolve(values, name, stride=stride))

    def _convolve(self, values: Any, name: str, *, stride: int = 1) -> Any:
        kernel, bias = self._folded[name]
        return functional.conv2d(values, kernel, bias, stride, kernel.shape[-1] // 2)


def convolutions(width: int, classes: int) -> Iterator[Convolution]:
    """All convolutions of the network."""
    yield Convolution("cp.resnet.conv1", "cp.resnet.bn1", 3, width, 7)
    taken = width
    for stage in range(1, _STAGES + 1):
        given = width << stage - 1
        for block in range(_BLOCKS):
            name = f"cp.resnet.layer{stage}.{block}"
            yield Convolution(f"{name}.conv1", f"{name}.bn1", taken, given, 3)
            yield Convolution(f"{name}.conv2", f"{name}.bn2", given, given, 3)
            if taken != given:
                yield Convolution(f"{name}.downsample.0", f"{name}.downsample.1", taken, given, 1)
            taken = given
    own = 2 * width
    for name, channels in (("cp.arm16", 4 * width), ("cp.arm32", 8 * width)):
        yield _with_norm(f"{name}.conv", channels, own, 3)
        yield Convolution(f"{name}.conv_atten", f"{name}.bn_atten", own, own, 1)
    yield _with_norm("cp.conv_head32", own, own, 3)
    yield _with_norm("cp.conv_head16", own, own, 3)
    yield _with_norm("cp.conv_avg", 8 * width, own, 1)
    both = 2 * own
    yield _with_norm("ffm.convblk", both, both, 1)
    yield Convolution("ffm.conv1", None, both, both // 4, 1)
    yield Convolution("ffm.conv2", None, both // 4, both, 1)
    yield _with_norm("conv_out.conv", both, both, 3)
    yield Convolution("conv_out.conv_out", None, both, classes, 1)


def parser_only(tensors: Tensors) -> Tensors:
    """What parsing needs of the published file: neither heads nor counters of training."""
    return {
        name: tensor
        for name, tensor in tensors.items()
        if not name.startswith(_OF_TRAINING) and not name.endswith(".num_batches_tracked")
    }


def _with_norm(name: str, taken: int, given: int, size: int) -> Convolution:
    return Convolution(f"{name}.conv", f"{name}.bn", taken, given, size)


def _shapes(wanted: tuple[Convolution, ...]) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for each in wanted:
        shapes[f"{each.name}.weight"] = each.given, each.taken, each.size, each.size
        if each.norm is not None:
            for part in ("weight", "bias", "running_mean", "running_var"):
                shapes[f"{each.norm}.{part}"] = (each.given,)
    return shapes


def _folded(tensors: Tensors, convolution: Convolution) -> tuple[Any, Any]:
    """Kernel and bias, float32."""
    kernel = tensors[f"{convolution.name}.weight"].float()
    if convolution.norm is None:
        return kernel, None
    scale, bias, mean, variance = (
        tensors[f"{convolution.norm}.{part}"].float()
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = scale / torch.sqrt(variance + _EPSILON)
    return kernel * scale[:, None, None, None], bias - mean * scale


def _mean(values: Any) -> Any:
    return values.mean(dim=(2, 3), keepdim=True)


def _larger(values: Any, like: Any) -> Any:
    return functional.interpolate(values, like.shape[2:], mode="nearest")
