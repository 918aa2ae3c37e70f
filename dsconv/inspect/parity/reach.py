"""How large the numbers of each layer can become, and windows that make them large.

A clip that no input can reach changes nothing, whether it is there or not; one that can be reached
must be reached by some call that is replayed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from dsconv.acoustic.stored import StoredLayer, StoredNetwork
from dsconv.speech.features import FloatArray

_SEED = 23
_TRIED = 80
_SIZES = (4.0, 16.0, 64.0)
"""The sizes of features that are tried; those of speech are below 20 but for the first."""

_ANY = 1e30


def coverage(network: StoredNetwork, largest: Mapping[str, float]) -> Iterator[str]:
    """What no call exercised: clips that were not reached, and why if they never can be."""
    bounds = reach(network)
    for layer in network.layers:
        reached = largest.get(layer.name, 0.0)
        if layer.clip is None or reached > layer.clip:
            continue
        clip, bound = f"the clip of {layer.name} at {layer.clip:g}", bounds[layer.name]
        if bound <= layer.clip:
            yield f"{clip} can never be reached (at most {bound:.3g})"
        else:
            yield f"{clip} was not reached (at most {reached:.3g})"


def reach(network: StoredNetwork) -> dict[str, float]:
    """What each layer can come to at most before its clip, for any features and any states.

    Intervals through the layers: features may be anything, hidden states are between -1 and 1.
    """
    found = {}
    for layers, size in ((network.before, _ANY), ((*network.after, network.output), 1.0)):
        width = len(layers[0].weights.numbers)
        low: FloatArray = np.full(width, -size)
        high: FloatArray = np.full(width, size)
        for layer in layers:
            low, high = _interval(layer, low, high)
            found[layer.name] = float(high.max())
            low, high = _after(layer, low, high)
    return found


def _interval(layer: StoredLayer, low: FloatArray, high: FloatArray) -> tuple[FloatArray, ...]:
    """Between what the sums of each unit are."""
    weights = layer.weights.floats.astype(np.float64)
    positive, negative = np.maximum(weights, 0), np.minimum(weights, 0)
    return (
        low @ positive + high @ negative + layer.bias,
        high @ positive + low @ negative + layer.bias,
    )


def _after(layer: StoredLayer, low: FloatArray, high: FloatArray) -> tuple[FloatArray, ...]:
    """The same after the activation and the normalization."""
    if layer.norm is not None:
        # No unit is further from the mean than the root of their number, in standard deviations.
        size = np.sqrt(len(low)) * np.abs(layer.norm.scale.astype(np.float64))
        return layer.norm.offset - size, layer.norm.offset + size
    lowest = 0.0 if layer.relu else -_ANY
    highest = _ANY if layer.clip is None else layer.clip
    return np.clip(low, lowest, highest), np.clip(high, lowest, highest)


def loud_windows(network: StoredNetwork, count: int) -> FloatArray:
    """Windows [count, values] of which some make units of each layer as large as was found."""
    random = np.random.default_rng(_SEED)
    width = len(network.before[0].weights.numbers)
    sizes = np.repeat(np.array(_SIZES), _TRIED)[:, None]
    windows = (random.standard_normal((len(sizes), width)) * sizes).astype(np.float32)
    rows = windows if network.factors is None else windows * network.factors
    chosen = []
    for layer in network.before:
        rows = rows @ layer.weights.floats + layer.bias
        chosen.append(np.argsort(-rows.max(axis=1)))
        if layer.relu:
            rows = np.clip(rows, 0, layer.clip)
        if layer.norm is not None:
            centred = rows - rows.mean(axis=1, keepdims=True)
            rows = centred / np.sqrt(centred.var(axis=1, keepdims=True) + layer.norm.epsilon)
            rows = rows * layer.norm.scale + layer.norm.offset
    # The best of each layer in turn.
    order = dict.fromkeys(int(index) for best in zip(*chosen, strict=True) for index in best)
    return np.asarray(windows[np.resize(list(order), count)])
