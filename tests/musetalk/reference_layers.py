"""MuseTalk's networks in float64 NumPy, from their definitions: nothing of torch computes here.

Sources: Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", 2022; Ho et
al., "Denoising Diffusion Probabilistic Models", 2020; Radford et al., "Robust Speech Recognition
via Large-Scale Weak Supervision", 2022; the names of tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import erf

import numpy as np

Array = np.ndarray  # float64 throughout


class Weights:
    """Tensors under a name; `weights["conv1"]` are those under `conv1.`."""

    def __init__(self, tensors: Mapping[str, Array], start: str = "") -> None:
        self._tensors = tensors
        self._start = start

    def __getitem__(self, name: str) -> Weights:
        return Weights(self._tensors, f"{self._start}{name}.")

    def __contains__(self, name: str) -> bool:
        return any(key.startswith(f"{self._start}{name}.") for key in self._tensors)

    @property
    def weight(self) -> Array:
        return self._tensors[f"{self._start}weight"]

    @property
    def bias(self) -> Array | float:
        return self._tensors.get(f"{self._start}bias", 0.0)

    def other(self, name: str) -> Array:
        """A tensor that is neither a weight nor a bias."""
        return self._tensors[self._start + name]

    def each(self, name: str) -> list[Weights]:
        """`name.0`, `name.1` and so on."""
        found: list[Weights] = []
        while f"{name}.{len(found)}" in self:
            found.append(self[f"{name}.{len(found)}"])
        return found


def linear(x: Array, w: Weights) -> Array:
    return x @ w.weight.T + w.bias


def conv(x: Array, w: Weights, stride: int = 1, pad: tuple[int, int] | None = None) -> Array:
    """(c, h, w) -> (d, h', w'); padded by half the kernel, or (before, after)."""
    kernel = w.weight
    size = kernel.shape[-1]
    x = np.pad(x, ((0, 0), *[pad or (size // 2, size // 2)] * 2))
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))
    out = np.einsum("chwij,dcij->dhw", windows[:, ::stride, ::stride], kernel, optimize=True)
    return out + np.reshape(w.bias, (-1, 1, 1))


def group_norm(x: Array, w: Weights, groups: int, eps: float) -> Array:
    grouped = x.reshape(groups, -1)
    mean, spread = grouped.mean(axis=1, keepdims=True), grouped.var(axis=1, keepdims=True)
    normal = ((grouped - mean) / np.sqrt(spread + eps)).reshape(x.shape)
    return normal * w.weight[:, None, None] + np.asarray(w.bias)[:, None, None]


def layer_norm(x: Array, w: Weights) -> Array:
    mean, spread = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(spread + 1e-5) * w.weight + w.bias


def silu(x: Array) -> Array:
    return x / (1 + np.exp(-x))


def gelu(x: Array) -> Array:
    return x * (1 + np.vectorize(erf)(x / np.sqrt(2))) / 2


def attend(q: Array, k: Array, v: Array, heads: int) -> Array:
    """(n, d), (m, d), (m, d) -> (n, d)."""
    q, k, v = (each.reshape(len(each), heads, -1).swapaxes(0, 1) for each in (q, k, v))
    scores = q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1])
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    return (shares @ v).swapaxes(0, 1).reshape(q.shape[1], -1)


def attention(x: Array, context: Array, w: Weights, heads: int) -> Array:
    q, k, v = linear(x, w["to_q"]), linear(context, w["to_k"]), linear(context, w["to_v"])
    return linear(attend(q, k, v, heads), w["to_out.0"])


def resnet(x: Array, w: Weights, groups: int, eps: float, time: Array | None = None) -> Array:
    hidden = conv(silu(group_norm(x, w["norm1"], groups, eps)), w["conv1"])
    if time is not None:
        hidden = hidden + linear(silu(time), w["time_emb_proj"])[:, None, None]
    hidden = conv(silu(group_norm(hidden, w["norm2"], groups, eps)), w["conv2"])
    return hidden + (conv(x, w["conv_shortcut"]) if "conv_shortcut" in w else x)


def upsample(x: Array, w: Weights) -> Array:
    return conv(x.repeat(2, axis=1).repeat(2, axis=2), w["conv"])


def spatial_attention(x: Array, w: Weights, groups: int) -> Array:
    """The VAE's, of one head."""
    tokens = group_norm(x, w["group_norm"], groups, 1e-6).reshape(len(x), -1).T
    return x + attention(tokens, tokens, w, 1).T.reshape(x.shape)


def transformer(x: Array, context: Array, w: Weights, groups: int, heads: int) -> Array:
    """The U-Net's: attention to itself, to speech, and a gated layer."""
    shape = x.shape
    hidden = conv(group_norm(x, w["norm"], groups, 1e-6), w["proj_in"]).reshape(len(x), -1).T
    block = w["transformer_blocks.0"]
    normal = layer_norm(hidden, block["norm1"])
    hidden = hidden + attention(normal, normal, block["attn1"], heads)
    normal = layer_norm(hidden, block["norm2"])
    hidden = hidden + attention(normal, context, block["attn2"], heads)
    values, gates = np.split(
        linear(layer_norm(hidden, block["norm3"]), block["ff.net.0.proj"]), 2, 1
    )
    hidden = hidden + linear(values * gelu(gates), block["ff.net.2"])
    return x + conv(hidden.T.reshape(shape), w["proj_out"])


def time_embedding(step: float, width: int, w: Weights) -> Array:
    """Cosines, then sines."""
    angles = step * np.exp(-np.log(10_000) * np.arange(width // 2) / (width // 2))
    waves = np.concatenate([np.cos(angles), np.sin(angles)])
    return linear(silu(linear(waves, w["linear_1"])), w["linear_2"])


def unet(x: Array, context: Array, w: Weights, groups: int, heads: int) -> Array:
    """(8, h, w) and (tokens, d) -> (4, h, w), at step 0."""
    x = conv(x, w["conv_in"])
    time = time_embedding(0, len(x), w["time_embedding"])
    skips = [x]

    def layers(x: Array, block: Weights, number: int) -> Array:
        x = resnet(x, block.each("resnets")[number], groups, 1e-5, time)
        if "attentions" in block:
            x = transformer(x, context, block.each("attentions")[number], groups, heads)
        return x

    for block in w.each("down_blocks"):
        for number in range(len(block.each("resnets"))):
            x = layers(x, block, number)
            skips.append(x)
        if "downsamplers" in block:
            x = conv(x, block["downsamplers.0.conv"], stride=2)
            skips.append(x)
    middle = w["mid_block"]
    x = layers(x, middle, 0)
    x = resnet(x, middle["resnets.1"], groups, 1e-5, time)
    for block in w.each("up_blocks"):
        for number in range(len(block.each("resnets"))):
            x = layers(np.concatenate([x, skips.pop()]), block, number)
        if "upsamplers" in block:
            x = upsample(x, block["upsamplers.0"])
    return conv(silu(group_norm(x, w["conv_norm_out"], groups, 1e-5)), w["conv_out"])


def vae_encoder(x: Array, w: Weights, groups: int) -> Array:
    """(3, h, w) in -1..1 -> (4, h/8, w/8): the mode of the posterior."""
    own = w["encoder"]
    x = conv(x, own["conv_in"])
    for block in own.each("down_blocks"):
        for each in block.each("resnets"):
            x = resnet(x, each, groups, 1e-6)
        if "downsamplers" in block:
            x = conv(x, block["downsamplers.0.conv"], stride=2, pad=(0, 1))
    x = conv(
        silu(group_norm(_middle(x, own, groups), own["conv_norm_out"], groups, 1e-6)),
        own["conv_out"],
    )
    return conv(x, w["quant_conv"])[:4]


def vae_decoder(x: Array, w: Weights, groups: int) -> Array:
    """(4, h, w) -> (3, 8h, 8w)."""
    own = w["decoder"]
    x = _middle(conv(conv(x, w["post_quant_conv"]), own["conv_in"]), own, groups)
    for block in own.each("up_blocks"):
        for each in block.each("resnets"):
            x = resnet(x, each, groups, 1e-6)
        if "upsamplers" in block:
            x = upsample(x, block["upsamplers.0"])
    return conv(silu(group_norm(x, own["conv_norm_out"], groups, 1e-6)), own["conv_out"])


def tiny_decoder(x: Array, w: Weights) -> Array:
    """TAESD's: (4, h, w) -> (3, 8h, 8w). Its layers are counted, those without weights too."""
    x = conv(3 * np.tanh(x.astype(np.float64) / 3), w["layers.0"])
    x = np.maximum(x, 0)
    last = max(number for number in range(99) if f"layers.{number}" in w)
    for number in range(2, last + 1):
        layer = w[f"layers.{number}"]
        if "conv" in layer:  # a block: three convolutions beside what they are added to
            hidden = np.maximum(conv(x, layer["conv.0"]), 0)
            hidden = conv(np.maximum(conv(hidden, layer["conv.2"]), 0), layer["conv.4"])
            x = np.maximum(x + hidden, 0)
        elif f"layers.{number}" in w:
            x = conv(x, layer)
        else:
            x = x.repeat(2, axis=1).repeat(2, axis=2)
    return 2 * x - 1


def _middle(x: Array, w: Weights, groups: int) -> Array:
    x = resnet(x, w["mid_block.resnets.0"], groups, 1e-6)
    x = spatial_attention(x, w["mid_block.attentions.0"], groups)
    return resnet(x, w["mid_block.resnets.1"], groups, 1e-6)


def whisper_layers(mel: Array, w: Weights, positions: Array, heads: int) -> list[Array]:
    """(80, 3000) -> the input of the first layer, and what each gives: (1500, d)."""
    x = gelu(_conv1d(gelu(_conv1d(mel, w["conv1"], 1)), w["conv2"], 2)).T + positions
    found = [x]
    for layer in w.each("layers"):
        own, normal = layer["self_attn"], layer_norm(x, layer["self_attn_layer_norm"])
        parts = (linear(normal, own[f"{name}_proj"]) for name in "qkv")
        x = x + linear(attend(*parts, heads), own["out_proj"])
        normal = layer_norm(x, layer["final_layer_norm"])
        x = x + linear(gelu(linear(normal, layer["fc1"])), layer["fc2"])
        found.append(x)
    return [*found[:-1], layer_norm(found[-1], w["layer_norm"])]


def _conv1d(x: Array, w: Weights, stride: int) -> Array:
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((0, 0), (1, 1))), 3, axis=1)
    out = np.einsum("cti,dci->dt", windows[:, ::stride], w.weight, optimize=True)
    return out + np.asarray(w.bias)[:, None]


def log_mel(samples: Array) -> Array:
    """(n,) in -1..1 at 16 kHz -> (80, 3000): of half a minute, silence after the samples."""
    sound = np.zeros(480_000)
    sound[: len(samples)] = samples
    padded = np.pad(sound, 200, mode="reflect")
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = np.lib.stride_tricks.sliding_window_view(padded, 400)[:-1:160][:3000]
    power = np.abs(np.fft.rfft(frames * hann)) ** 2
    levels = np.log10(np.maximum(power @ _mel_filters().T, 1e-10)).T
    return (np.maximum(levels, levels.max() - 8) + 4) / 4


def _mel_filters() -> Array:
    """(80, 201): Slaney's scale (linear below 1 kHz, logarithmic above) and normalisation."""
    step = np.log(6.4) / 27
    top = 15 + np.log(8000 / 1000) / step
    mels = np.linspace(0, top, 82)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(step * (mels - 15)))
    bins = np.linspace(0, 8000, 201)
    rise = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rise, fall)) * (2 / (edges[2:] - edges[:-2]))[:, None]
