"""A network computed in double precision without toolkits, over whole clips or call by call.

Written from the formulas in `dsconv.acoustic.network`, not from any graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dsconv.acoustic.network import DenseLayer, Lstm, Network

DoubleArray = NDArray[np.float64]


def evaluate(network: Network, windows: ArrayLike, lengths: Sequence[int]) -> DoubleArray:
    """The scores [steps, batch, classes] of windows [batch, steps, values].

    The LSTMs read each clip up to its length, and give zeros from there on.
    """
    assert network.backward is not None
    assert not network.softmax
    rows: DoubleArray = np.asarray(windows, np.float64).swapaxes(0, 1)
    for layer in network.before:
        rows = _dense(layer, rows)
    both = np.zeros((*rows.shape[:2], 2 * network.lstm.cells))
    for clip, length in enumerate(lengths):
        frames = rows[:length, clip]
        forward, backward = _run(network.lstm, frames), _run(network.backward, frames[::-1])[::-1]
        both[:length, clip] = np.concatenate([forward, backward], axis=1)
    for layer in (*network.after, network.output):
        both = _dense(layer, both)
    return both


def evaluate_call(
    network: Network, windows: ArrayLike, lengths: Sequence[int], cell: Any, hidden: Any
) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """The scores [steps, batch, classes] of windows [batch, steps, ...], and the states after them.

    The states are [batch, cells]. The LSTM stands still from each clip's length on.
    """
    scores, states = [], []
    for clip, length, *before in zip(np.asarray(windows), lengths, cell, hidden, strict=True):
        rows: DoubleArray = clip.reshape(len(clip), -1).astype(np.float64)
        for layer in network.before:
            rows = _dense(layer, rows)
        outputs: DoubleArray = np.zeros((len(rows), network.lstm.cells))
        outputs[:length], *after = _run_from(network.lstm, rows[:length], *before)
        for layer in (*network.after, network.output):
            outputs = _dense(layer, outputs)
        scores.append(outputs)
        states.append(after)
    found = np.stack(scores, axis=1)
    if network.softmax:
        found = np.exp(found - found.max(axis=-1, keepdims=True))
        found /= found.sum(axis=-1, keepdims=True)
    cells, hiddens = np.moveaxis(np.array(states), 1, 0)
    return found, cells, hiddens


def _dense(layer: DenseLayer, rows: DoubleArray) -> DoubleArray:
    assert layer.norm is None
    weights, bias = (value.array().astype(np.float64) for value in (layer.weights, layer.bias))
    rows = rows @ weights + bias
    if layer.relu:
        rows = np.maximum(rows, 0)
    return rows if layer.clip is None else np.minimum(rows, layer.clip)


def _run(lstm: Lstm, frames: DoubleArray) -> DoubleArray:
    """The hidden states [steps, cells], from states of zeros."""
    return _run_from(lstm, frames, *np.zeros((2, lstm.cells)))[0]


def _run_from(
    lstm: Lstm, frames: DoubleArray, cell: DoubleArray, hidden: DoubleArray
) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """The hidden states [steps, cells], and both states after the last step."""
    kernel, bias = (tensor.array().astype(np.float64) for tensor in (lstm.kernel, lstm.bias))
    outputs = np.zeros((len(frames), lstm.cells))
    for number, frame in enumerate(frames):
        sums = np.split(np.concatenate([frame, hidden]) @ kernel + bias, 4)
        gate = dict(zip(lstm.gates, sums, strict=True))
        cell = _sigmoid(gate["f"] + lstm.forget_bias) * cell
        cell += _sigmoid(gate["i"]) * np.tanh(gate["c"])
        hidden = outputs[number] = _sigmoid(gate["o"]) * np.tanh(cell)
    return outputs, cell, hidden


def _sigmoid(values: DoubleArray) -> DoubleArray:
    return 1 / (1 + np.exp(-values))
