"""What the original exporter's 8-bit weights would cost, without the file that it would write.

Its TFLite files hold one scale for each matrix, the LSTM's two joined, and are unrolled. The
runtime rounds what it multiplies row by row.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dsconv.acoustic.stored import StoredLayer, StoredLstm, StoredMatrix, StoredNetwork
from dsconv.acoustic.weights import quantize_with_one_scale
from dsconv.runtime.network import Arithmetic, Calls, NetworkEvaluator, rows_asymmetric
from dsconv.speech.decode import softmax
from dsconv.speech.features import FloatArray

# The exporter's converter leaves smaller matrices as they are.
_FEW_ELEMENTS = 1024


class ExportersWay:
    """A network as the original exporter would have quantized it."""

    def __init__(self, network: StoredNetwork) -> None:
        quantized = replace(
            network,
            before=tuple(map(_layer, network.before)),
            lstm=_lstm(network.lstm),
            after=tuple(map(_layer, network.after)),
            output=_layer(network.output),
        )
        self._cells = network.lstm.cells
        self._evaluator = NetworkEvaluator(quantized, Arithmetic("rows", rows_asymmetric))

    def probabilities(self, windows: FloatArray) -> FloatArray:
        """The probabilities [frames, classes] over the windows [frames, values] of a clip."""
        zeros = np.zeros((1, self._cells), np.float32)
        calls = Calls(windows[None], zeros, zeros, np.array([len(windows)]))
        return softmax(self._evaluator.run(calls).logits[0])


def _layer(layer: StoredLayer) -> StoredLayer:
    return replace(layer, weights=_quantized(layer.weights.floats))


def _lstm(lstm: StoredLstm) -> StoredLstm:
    inputs = len(lstm.inputs.numbers)
    joined = _quantized(np.concatenate([lstm.inputs.floats, lstm.recurrent.floats]))
    return replace(
        lstm,
        inputs=replace(joined, numbers=joined.numbers[:inputs]),
        recurrent=replace(joined, numbers=joined.numbers[inputs:]),
        joint=True,
    )


def _quantized(weights: FloatArray) -> StoredMatrix:
    if weights.size < _FEW_ELEMENTS:
        return StoredMatrix(weights)
    found = quantize_with_one_scale(weights)
    return StoredMatrix(found.values, found.scales)
