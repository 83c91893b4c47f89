"""The face parser in float64 NumPy, from its definition: nothing of torch computes here.

Sources: Yu et al., "BiSeNet", 2018; He et al., "Deep Residual Learning for Image Recognition",
2016; the names of tensors.
"""

from __future__ import annotations

import numpy as np
from reference_layers import Array, Weights, conv


def parse(picture: Array, w: Weights) -> Array:
    """(h, w, 3) uint8 -> (classes, h, w) scores."""
    mean, spread = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    x = ((picture / 255 - mean) / spread).transpose(2, 0, 1)
    eighth, sixteenth, last = backbone(x, w["cp.resnet"])
    own = w["cp"]
    deep = refined(last, own["arm32"]) + unit(average(last), own["conv_avg"])
    deep = unit(twice(deep), own["conv_head32"])
    deep = refined(sixteenth, own["arm16"]) + deep
    context = unit(twice(deep), own["conv_head16"])
    fused = unit(np.concatenate([eighth, context]), w["ffm.convblk"])
    shares = conv(relu(conv(average(fused), w["ffm.conv1"])), w["ffm.conv2"])
    fused = fused * (1 + sigmoid(shares))
    scores = conv(unit(fused, w["conv_out.conv"]), w["conv_out.conv_out"])
    return stretched(scores, *picture.shape[:2])


def backbone(x: Array, w: Weights) -> tuple[Array, Array, Array]:
    x = relu(norm(conv(x, w["conv1"], stride=2), w["bn1"]))
    x = np.pad(x, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    x = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2]
    x = x.max(axis=(3, 4))
    stages = []
    for stage in (1, 2, 3, 4):
        for number, block in enumerate(w.each(f"layer{stage}")):
            stride = 2 if stage > 1 and number == 0 else 1
            y = relu(norm(conv(x, block["conv1"], stride=stride), block["bn1"]))
            y = norm(conv(y, block["conv2"]), block["bn2"])
            if "downsample" in block:
                x = norm(conv(x, block["downsample.0"], stride=stride), block["downsample.1"])
            x = relu(x + y)
        stages.append(x)
    return stages[1], stages[2], stages[3]


def unit(x: Array, w: Weights) -> Array:
    return relu(norm(conv(x, w["conv"]), w["bn"]))


def refined(x: Array, w: Weights) -> Array:
    x = unit(x, w["conv"])
    return x * sigmoid(norm(conv(average(x), w["conv_atten"]), w["bn_atten"]))


def norm(x: Array, w: Weights) -> Array:
    """Batch norm by the means and variances of training."""
    mean, variance = w.other("running_mean"), w.other("running_var")
    scale = w.weight / np.sqrt(variance + 1e-5)
    return (x - mean[:, None, None]) * scale[:, None, None] + np.reshape(w.bias, (-1, 1, 1))


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def average(x: Array) -> Array:
    return x.mean(axis=(1, 2), keepdims=True)


def twice(x: Array) -> Array:
    return x.repeat(2, axis=1).repeat(2, axis=2)


def stretched(x: Array, height: int, width: int) -> Array:
    """Bilinear, corner on corner."""
    for axis, length in ((1, height), (2, width)):
        x = np.moveaxis(x, axis, 0)
        at = np.linspace(0, len(x) - 1, length)
        first = np.minimum(at.astype(int), len(x) - 2)
        rest = (at - first)[:, None, None]
        x = np.moveaxis(x[first] * (1 - rest) + x[first + 1] * rest, 0, axis)
    return x
