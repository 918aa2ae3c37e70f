"""The fused LSTM of MIL, with the number of valid frames frozen or as an input.

MIL's ``lstm`` knows no lengths and gives the cell state after the last frame only. So a frame that
is not valid closes the input gate and opens the forget gate, which leaves the cell state as it is:
one more input, 0 in valid frames, drives both gates to their ends.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dsconv.acoustic.network import Lstm
from dsconv.acoustic.weights import input_kernel, lstm_bias, recurrent_kernel
from dsconv.convert.coreml.builder import ProgramBuilder
from dsconv.convert.coreml.form import CoreMlForm
from dsconv.speech.features import FloatArray

GATES = "ifoc"
"""The order of the gates in MIL's weights."""

# Beyond this a sigmoid is 0 or 1 in float32.
_SATURATED = 120.0
# The input that drives the gates stays far below the largest float16, 65504.
_LARGEST_DRIVE = 20_000.0
# How often the drive outweighs all else, as compressed weights are not exact.
_MARGIN = 4.0


class LstmBuilder:
    """Adds an LSTM to a program; `backward` one that reads from the last frame to the first."""

    def __init__(
        self, builder: ProgramBuilder, lstm: Lstm, form: CoreMlForm, *, backward: bool = False
    ) -> None:
        self.builder = builder
        self.lstm = lstm
        self.form = form
        self.backward = backward
        self.prefix = "backward_" if backward else ""
        self.name = f"{self.prefix}lstm"
        self.inputs = np.concatenate([input_kernel(lstm, gate) for gate in GATES], axis=1).T

    def add(self, rows: Any, lengths: Any, hidden: Any, cell: Any) -> tuple[Any, Any, Any]:
        """Rows [frames, cells] of hidden states, and the states after the last valid frame.

        `rows` are [frames, inputs], the states [1, cells]; `lengths` None takes all frames for
        valid.
        """
        rows = self.turned("inputs", rows)
        frames = self.builder.reshape(f"{self.name}_inputs", rows, [-1, 1, self.lstm.inputs])
        if lengths is None:
            every, last, cell = self.fused(frames, hidden, cell, self.inputs)
            rows = self.builder.reshape(f"{self.prefix}hidden_states", every, [-1, self.lstm.cells])
            return self.turned("outputs", rows), last, cell
        invalid = self.invalid(rows, lengths)
        drive, weights = self.driven()
        frames = self.driven_where(invalid, frames, drive)
        every, _, cell = self.fused(frames, hidden, cell, weights)
        every = self.select("valid_hidden_states", invalid, self.builder.number(0), every)
        rows = self.builder.reshape("hidden_states", every, [-1, self.lstm.cells])
        return rows, self.last_valid(rows, lengths, hidden), cell

    def fused(
        self, frames: Any, hidden: Any, cell: Any, inputs: FloatArray
    ) -> tuple[Any, Any, Any]:
        """The op: all hidden states [frames, 1, cells], and the states after the last frame."""
        builder = self.builder
        recurrent = np.concatenate([recurrent_kernel(self.lstm, gate) for gate in GATES], axis=1).T
        given = {"x": frames, "initial_h": hidden, "initial_c": cell}
        bias = lstm_bias(self.lstm, GATES)
        weights = {"weight_ih": inputs, "weight_hh": recurrent, "bias": bias}
        if builder.lstm_is_single:
            return self.single(given, weights)
        constants = {key: builder.constant(value) for key, value in weights.items()}
        every, last, cell = builder.op(
            "lstm", self.name, **given, **constants, output_sequence=True
        )
        return every, last, cell

    def single(self, given: dict[str, Any], weights: dict[str, FloatArray]) -> tuple[Any, Any, Any]:
        """The op in float32 in a program of float16, where systems know no other."""
        builder = self.builder
        given = {key: builder.single(f"{self.name}_{key}", value) for key, value in given.items()}
        constants = {key: self.wide(key, value) for key, value in weights.items()}
        found = builder.op("lstm", self.name, **given, **constants, output_sequence=True)
        every, last, cell = (
            builder.computed(f"{self.name}_{name}", value)
            for name, value in zip(("every", "last", "cell"), found, strict=True)
        )
        return every, last, cell

    def wide(self, name: str, weights: FloatArray) -> Any:
        """Weights in float32; the toolkit compresses no others than plain constants."""
        if self.form.precision == "int8":
            return np.ascontiguousarray(weights)
        return self.builder.wide(f"{self.name}_{name}", weights)

    def turned(self, name: str, rows: Any) -> Any:
        """The rows, the last first where the LSTM reads backward."""
        if not self.backward:
            return rows
        return self.builder.op("reverse", f"{self.prefix}{name}", x=rows, axes=[0])

    def driven(self) -> tuple[float, FloatArray]:
        """The input that closes the cell, and the input weights with a column for it.

        The drive outweighs whatever else reaches the gates of a frame without inputs. Its weights
        are as large as the others of their rows if that is enough, so that a scale for each row of
        compressed weights fits both.
        """
        others = np.concatenate(
            [np.abs(recurrent_kernel(self.lstm, gate)).sum(axis=0) for gate in "if"]
        )
        cells = self.lstm.cells
        reach = others + np.abs(lstm_bias(self.lstm, "if")) + _SATURATED
        target = _MARGIN * float(reach.max())
        usual = np.abs(self.inputs[: 2 * cells]).max(axis=1)
        drive = min(target / max(float(usual.min()), 1e-6), _LARGEST_DRIVE)
        column = np.zeros((4 * cells, 1), np.float32)
        column[: 2 * cells, 0] = np.maximum(usual, target / drive)
        column[:cells] *= -1
        return drive, np.concatenate([self.inputs, column], axis=1)

    def invalid(self, rows: Any, lengths: Any) -> Any:
        """Which frames are not valid [frames, 1, 1]."""
        builder = self.builder
        if not self.form.dynamic:
            numbers: Any = np.arange(self.form.steps, dtype=np.int32)[:, None, None]
        else:
            sizes = builder.op("shape", "input_sizes", x=rows)
            frames = builder.op("gather", "frames", x=sizes, indices=0, axis=0)
            counted = builder.op("range_1d", "counted", start=0, end=frames, step=1)
            numbers = self.builder.reshape("frame_numbers", counted, [-1, 1, 1])
        return builder.op("greater_equal", "invalid_frames", x=numbers, y=lengths)

    def last_valid(self, rows: Any, lengths: Any, hidden: Any) -> Any:
        """The hidden state after the last valid frame; the one before where there is none."""
        states = self.builder.op("concat", "all_hidden_states", values=[hidden, rows], axis=0)
        return self.builder.op("gather", "last_hidden_state", x=states, indices=lengths, axis=0)

    def driven_where(self, invalid: Any, frames: Any, drive: float) -> Any:
        """The frames with one more input; those that are not valid are nothing but the drive."""
        builder = self.builder
        widths = np.array([0, 0, 0, 0, 0, 1], np.int32)
        wider = builder.op(
            "pad", "wider_inputs", x=frames, pad=widths, constant_val=builder.number(0)
        )
        driven = np.zeros((1, 1, self.lstm.inputs + 1))
        driven[..., -1] = drive
        return self.select("driven_inputs", invalid, builder.constant(driven), wider)

    def select(self, name: str, condition: Any, value: Any, other: Any) -> Any:
        """One value where a condition holds, the other elsewhere."""
        return self.builder.op("select", name, cond=condition, a=value, b=other)
