"""Make the weights of the preview engine's network: `make weights`.

Needs flite and its voices (Debian: `apt-get install flite`) and a few minutes. The result depends
on nothing else: sentences, voices and seeds are fixed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from phonemes import CLOSED, targets
from synthesis import Recording, recordings

import musetalk_fast.engines.preview
from musetalk_fast.engines.preview.loudness import EDGE, Pieces, Surroundings, Voice
from musetalk_fast.engines.preview.mel import BANDS, Floats, log_mel
from musetalk_fast.engines.preview.network import (
    CONTEXT,
    HIDDEN,
    OUTPUTS,
    SCALE,
    STEP,
    TAPS,
    WEIGHTS,
)

HERE = Path(__file__).parent
PACKAGE = Path(musetalk_fast.engines.preview.__file__).parent

SEED = 1
SENTENCES_EACH = 8
"""Sentences to a recording: about 20 s."""
TRACTS = (0.82, 0.9, 1.0, 1.1)
"""Lengths of vocal tracts that are heard: each stretches the bands by as much."""
NOISES = (70.0, 45.0, 35.0, 28.0)
"""Decibels by which noise is quieter than loud speech, drawn for each recording."""
LOWEST, HIGHEST, LOST = (0.0, 4.0), (17.0, 26.0), 1.2
"""Between which bands the outermost lies that a poor microphone hears, and the nepers of power
that are lost with each band beyond."""
REACH = 2.5
"""Hundredths of a second by which a phoneme's shape reaches into its neighbours."""
CLOSED_WEIGHT = 6.0
"""What an error on closed lips counts: they are few and all eyes are on them."""

EPOCHS, BATCH = 8, 256
FIRST_RATE, LAST_RATE = 2e-3, 2e-5


class Examples(NamedTuple):
    """What the network learns from.

    Attributes:
        voice: (26,) float32: mean spectrum.
        spectra: (N, 26) float32: recordings one after another.
        moments: (M,): features of it that have neighbours of their own recording.
        wanted: (N, 2) float32: open, wide.
        weights: (N, 1) float32: what an error counts.
    """

    voice: Floats
    spectra: Floats
    moments: NDArray[np.intp]
    wanted: Floats
    weights: Floats


def main() -> None:
    """Speak, listen, learn, write."""
    random = np.random.default_rng(SEED)
    sentences = (HERE / "sentences.txt").read_text().splitlines()
    examples = gather(list(recordings(sentences, SENTENCES_EACH)), random)
    print(f"{len(examples.moments) / 6000:.0f} minutes of sound, warps included", flush=True)
    layers = learn(examples, random)
    names = ("hidden", "hidden_bias", "output", "output_bias")
    arrays = {"voice": examples.voice, **dict(zip(names, layers, strict=True))}
    halves = {name: array.astype(np.float16) for name, array in arrays.items()}
    np.savez(PACKAGE / WEIGHTS, **halves)


def gather(spoken: list[Recording], random: np.random.Generator) -> Examples:
    """Features of all recordings with all lengths of tract, each through its own microphone."""
    heard = [(features, each.names) for each in spoken for features in variants(each, random)]
    pieces = [Pieces.of(features) for features, _ in heard]
    all_pieces = Pieces.joined(pieces)
    voice = all_pieces.spectrum.sum(axis=0) / all_pieces.voiced.sum()
    spectra, moments, wanted, weights = [], [], [], []
    start = 0
    for (features, names), each in zip(heard, pieces, strict=True):
        around = Surroundings.of(each, Voice(voice, 100.0))
        spectra.append(around.hear(features, 0).spectra)
        moments.append(np.arange(start + CONTEXT, start + len(names) - CONTEXT))
        wanted.append(targets(names, REACH))
        weights.append(np.where(np.isin(names, CLOSED), CLOSED_WEIGHT, 1))
        start += len(names)
    return Examples(
        voice,
        np.concatenate(spectra) * SCALE,
        np.concatenate(moments),
        np.concatenate(wanted).astype(np.float32),
        np.concatenate(weights).astype(np.float32)[:, None],
    )


def variants(recording: Recording, random: np.random.Generator) -> Iterator[Floats]:
    """Features of a recording as spoken by throats of other lengths, through a microphone."""
    features = log_mel(recording.pcm, -EDGE, len(recording.names) + EDGE)
    for tract in TRACTS:
        places = np.clip(np.arange(BANDS) * tract, 0, BANDS - 1)
        below = places.astype(int)
        above = np.minimum(below + 1, BANDS - 1)
        share = (places - below).astype(np.float32)
        throat = features[:, below] * (1 - share) + features[:, above] * share
        yield through_microphone(throat, random)


def through_microphone(features: Floats, random: np.random.Generator) -> Floats:
    """Half the time lose the outer bands; always add noise of a random colour."""
    if random.random() < 0.5:
        bands = np.arange(BANDS)
        lowest, highest = random.uniform(*LOWEST), random.uniform(*HIGHEST)
        beyond = np.maximum(bands - highest, 0) + np.maximum(lowest - bands, 0)
        features = features - (LOST * beyond).astype(np.float32)
    loud = np.quantile(features.max(axis=1), 0.95)
    noise = loud - random.choice(NOISES) * np.log(10) / 10 + random.normal(0, 0.7, BANDS)
    grain = random.gamma(4, 0.25, features.shape)
    return np.log(np.exp(features) + np.exp(noise) * grain).astype(np.float32)


def learn(examples: Examples, random: np.random.Generator) -> list[Floats]:
    """Adam on the weighted squared error; the rate falls evenly on a logarithmic scale."""
    layers = start_layers(examples, random)
    means, squares = ([np.zeros_like(layer) for layer in layers] for _ in range(2))
    steps = len(examples.moments) // BATCH
    step = 0
    for epoch in range(EPOCHS):
        order = random.permutation(examples.moments)
        lost = 0.0
        for batch in order[: steps * BATCH].reshape(steps, BATCH):
            slopes, loss = backward(layers, examples, batch)
            lost += loss / steps
            rate = FIRST_RATE * (LAST_RATE / FIRST_RATE) ** (step / (steps * EPOCHS))
            step += 1
            for k, slope in enumerate(slopes):
                means[k] += 0.1 * (slope - means[k])
                squares[k] += 0.001 * (slope**2 - squares[k])
                size = np.sqrt(squares[k] / (1 - 0.999**step)) + 1e-8
                layers[k] -= np.float32(rate / (1 - 0.9**step)) * means[k] / size
        print(f"epoch {epoch + 1}: loss {lost:.4f}", flush=True)
    return layers


def start_layers(examples: Examples, random: np.random.Generator) -> list[Floats]:
    """Random weights of a size that keeps tanh awake."""
    size = TAPS * BANDS
    return [
        (random.standard_normal((size, HIDDEN)) / np.sqrt(size)).astype(np.float32),
        np.zeros(HIDDEN, np.float32),
        (random.standard_normal((HIDDEN, OUTPUTS)) * 0.3 / np.sqrt(HIDDEN)).astype(np.float32),
        examples.wanted.mean(axis=0),
    ]


def backward(
    layers: list[Floats], examples: Examples, batch: NDArray[np.intp]
) -> tuple[list[Floats], float]:
    """Slopes of a batch's loss by layer, and the loss."""
    hidden, hidden_bias, output, output_bias = layers
    neighbours = batch[:, None] + np.arange(-CONTEXT, CONTEXT + 1, STEP)
    seen = examples.spectra[neighbours].reshape(len(batch), -1)
    active = np.tanh(seen @ hidden + hidden_bias)
    wrong = active @ output + output_bias - examples.wanted[batch]
    weights = examples.weights[batch]
    slope = wrong * weights / len(batch)
    behind = slope @ output.T * (1 - active * active)
    slopes = [seen.T @ behind, behind.sum(axis=0), active.T @ slope, slope.sum(axis=0)]
    return slopes, float((weights * wrong**2).mean())


if __name__ == "__main__":
    main()
