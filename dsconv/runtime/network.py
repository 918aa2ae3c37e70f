"""Evaluate an acoustic network in numpy, many calls at once, rounding as a file's runtime does.

What a file computes is its weights and the arithmetic of its runtime, which rounds what it
multiplies with integers. With both known the numbers come out as the runtime's do, but for single
values on the edge between two integers; what is left of a difference is an error, no rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dsconv.acoustic.stored import StoredLayer, StoredLstm, StoredMatrix, StoredNetwork
from dsconv.speech.features import FloatArray

Activation: TypeAlias = Callable[[FloatArray], FloatArray]
"""A function of each number."""

Rounding: TypeAlias = Callable[[FloatArray], FloatArray]
"""Rounds values [calls, rows, numbers] to what 8-bit integers can hold."""


@dataclass(frozen=True)
class Calls:
    """Calls of a network, each from states of its own.

    `windows` are [calls, steps, values], `cell` and `hidden` [calls, cells], `lengths` [calls] the
    numbers of valid frames.
    """

    windows: FloatArray
    cell: FloatArray
    hidden: FloatArray
    lengths: NDArray[np.int64]


@dataclass(frozen=True)
class Answers:
    """What the calls give: `logits` [calls, steps, classes], and the states [calls, cells]."""

    logits: FloatArray
    cell: FloatArray
    hidden: FloatArray


def sigmoid(numbers: FloatArray) -> FloatArray:
    """The logistic function, by tanh, so that it never overflows."""
    return np.asarray((np.tanh(numbers * np.float32(0.5)) + 1) * np.float32(0.5))


@dataclass(frozen=True)
class Arithmetic:
    """How a runtime rounds what it multiplies with integers, not at all unless told.

    With `half` what each layer gives is rounded to float16. `gate` and `squash` are the functions
    of the LSTM.
    """

    name: str = "float32"
    rounding: Rounding | None = None
    half: bool = False
    gate: Activation = sigmoid
    squash: Activation = np.tanh


def rows_asymmetric(numbers: FloatArray) -> FloatArray:
    """Each row between its least and its largest number: XNNPACK.

    Source: ``xnn_f32_qd8_asymmetric_quantization_params`` in XNNPACK's packing of qd8 operators.
    """
    least = np.minimum(numbers.min(axis=-1, keepdims=True), 0)
    most = np.maximum(numbers.max(axis=-1, keepdims=True), 0)
    span = np.where(least == most, np.float32(1), most - least)
    scale = np.where(least == most, np.float32(1), np.float32(255) / span)
    low, high = least * scale, most * scale
    zero = np.where((low - 128) + (high + 127) > 0, -128 - low, 127 - high)
    zero = np.rint(np.clip(zero, -128, 127))
    codes = np.clip(np.rint(numbers * scale) + zero, -128, 127)
    return np.asarray((codes - zero) / scale, np.float32)


def rows_symmetric(numbers: FloatArray) -> FloatArray:
    """Each row by its largest number, halves to even: OpenVINO's CPU plugin."""
    scale = _symmetric_scale(numbers)
    return np.asarray(np.clip(np.rint(numbers / scale), -128, 127) * scale, np.float32)


def rows_symmetric_away(numbers: FloatArray) -> FloatArray:
    """Each row by its largest number, halves away from zero: TensorFlow Lite's own kernels."""
    scale = _symmetric_scale(numbers)
    scaled = numbers / scale
    codes = np.trunc(scaled + np.copysign(np.float32(0.5), scaled))
    return np.asarray(np.clip(codes, -127, 127) * scale, np.float32)


def call_asymmetric(numbers: FloatArray) -> FloatArray:
    """All rows of a call between their least and largest number: ONNX's DynamicQuantizeLinear."""
    least = np.minimum(numbers.min(axis=(1, 2), keepdims=True), 0)
    most = np.maximum(numbers.max(axis=(1, 2), keepdims=True), 0)
    scale = np.where(least == most, np.float32(1), (most - least) / np.float32(255))
    zero = np.rint(np.clip(-least / scale, 0, 255))
    codes = np.clip(np.rint(numbers / scale) + zero, 0, 255)
    return np.asarray((codes - zero) * scale, np.float32)


def _symmetric_scale(numbers: FloatArray) -> FloatArray:
    largest = np.abs(numbers).max(axis=-1, keepdims=True)
    return np.asarray(np.where(largest == 0, 1, largest / np.float32(127)), np.float32)


class NetworkEvaluator:
    """A network with weights as they are stored, in a runtime's arithmetic."""

    def __init__(self, network: StoredNetwork, arithmetic: Arithmetic | None = None) -> None:
        self._network = network
        self._arithmetic = arithmetic or Arithmetic()
        self._rounding = self._arithmetic.rounding
        self.largest: dict[str, float] = {}
        """What each layer with a clip came to at most, before it was clipped."""

    def run(self, calls: Calls) -> Answers:
        """Run all calls; frames behind a call's length give what zeros as hidden states give."""
        network = self._network
        rows = calls.windows if network.factors is None else calls.windows * network.factors
        for layer in network.before:
            rows = self._dense(rows, layer)
        hidden, cell, last = self._lstm(network.lstm, rows, calls)
        if network.backward is not None:
            found, _, _ = self._lstm(network.backward, _reversed(rows, calls.lengths), calls)
            hidden = np.concatenate([hidden, _reversed(found, calls.lengths)], axis=-1)
        rows = hidden
        for layer in (*network.after, network.output):
            rows = self._dense(rows, layer)
        return Answers(rows, cell, last)

    def _dense(self, rows: FloatArray, layer: StoredLayer) -> FloatArray:
        rows = self._kept(self._product(rows, layer.weights) + layer.bias)
        if layer.clip is not None:
            largest = float(rows.max(initial=0.0))
            self.largest[layer.name] = max(largest, self.largest.get(layer.name, 0.0))
        if layer.relu or layer.clip is not None:
            rows = np.clip(rows, 0 if layer.relu else None, layer.clip)
        if layer.norm is None:
            return rows
        mean = rows.mean(axis=-1, keepdims=True)
        variance = np.square(rows - mean).mean(axis=-1, keepdims=True)
        unit = (rows - mean) / np.sqrt(variance + np.float32(layer.norm.epsilon))
        return self._kept(np.asarray(unit * layer.norm.scale + layer.norm.offset))

    def _lstm(
        self, lstm: StoredLstm, rows: FloatArray, calls: Calls
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The hidden states [calls, steps, cells], zero behind the lengths, and the last states."""
        valid = np.arange(rows.shape[1])[None, :] < calls.lengths[:, None]
        # A runtime that rounds all rows of a call together sees none behind the length.
        rows = np.where(valid[..., None], rows, np.float32(0))
        given = None if lstm.joint else self._product(rows, lstm.inputs)
        cell, hidden = self._kept(calls.cell), self._kept(calls.hidden)
        outputs = np.zeros((*rows.shape[:2], lstm.cells), np.float32)
        for step in range(rows.shape[1]):
            if given is None:
                sums = self._joint(rows[:, step], hidden, lstm)
            else:
                sums = given[:, step] + self._product(hidden[:, None], lstm.recurrent)[:, 0]
            new_cell, new_hidden = self._cell(sums + lstm.bias, cell)
            now = valid[:, step, None]
            cell, hidden = np.where(now, new_cell, cell), np.where(now, new_hidden, hidden)
            outputs[:, step] = np.where(now, new_hidden, 0)
        return self._kept(outputs), self._kept(cell), self._kept(hidden)

    def _kept(self, numbers: FloatArray) -> FloatArray:
        """What a layer gives, as the runtime keeps it for the next one."""
        if not self._arithmetic.half:
            return numbers
        return numbers.astype(np.float16).astype(np.float32)

    def _joint(self, inputs: FloatArray, hidden: FloatArray, lstm: StoredLstm) -> FloatArray:
        """Products of the input and the hidden state, which are rounded as one row."""
        joined = np.concatenate([inputs, hidden], axis=-1)[:, None]
        if self._rounding is not None and lstm.inputs.is_integer:
            joined = self._rounding(joined)
        width = inputs.shape[-1]
        return np.asarray(
            joined[:, 0, :width] @ lstm.inputs.floats + joined[:, 0, width:] @ lstm.recurrent.floats
        )

    def _product(self, rows: FloatArray, matrix: StoredMatrix) -> FloatArray:
        if self._rounding is not None and matrix.is_integer:
            rows = self._rounding(rows)
        return np.asarray(rows @ matrix.floats)

    def _cell(self, sums: FloatArray, cell: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The states after a frame, from the sums of the gates in the order of `GATES`."""
        gate, squash = self._arithmetic.gate, self._arithmetic.squash
        opened, candidate, kept, shown = np.split(sums, 4, axis=-1)
        cell = np.asarray(gate(kept) * cell + gate(opened) * squash(candidate))
        return cell, np.asarray(gate(shown) * squash(cell))


def _reversed(rows: FloatArray, lengths: NDArray[np.int64]) -> FloatArray:
    """The rows of each call turned round within its length."""
    steps = np.arange(rows.shape[1])[None, :]
    indices = np.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return np.take_along_axis(rows, indices[..., None], axis=1)
