"""The LSTM in the forms that the CPU plugin runs fastest.

The product of all frames with the input's weights is one MatMul ahead of the steps. A small
number of steps is unrolled, all steps multiplying with one constant; many or any number run in a
TensorIterator, which holds the weights once as well. OpenVINO's own LSTMSequence is slower than
both, and where the number of steps is open it ignores the lengths.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dsconv.acoustic.network import Lstm
from dsconv.acoustic.weights import input_kernel, lstm_bias, recurrent_kernel
from dsconv.convert.openvino.builder import ModelBuilder
from dsconv.convert.openvino.weights import MakeWeights, matmul
from dsconv.formats.graphdef.steps import DYNAMIC

# Compiling takes a fiftieth of a second a step.
_UNROLLED_STEPS = 32


class LstmBuilder:
    """Adds an LSTM to a model; `backward` one that reads from the last frame to the first."""

    def __init__(
        self,
        builder: ModelBuilder,
        lstm: Lstm,
        weights: MakeWeights,
        steps: int,
        *,
        backward: bool = False,
    ) -> None:
        self.builder = builder
        self.lstm = lstm
        self.steps = steps
        self.weights = weights
        self.backward = backward
        self.name = "backward" if backward else "lstm"

    def add(self, rows: Any, lengths: Any | None, hidden: Any, cell: Any) -> tuple[Any, Any, Any]:
        """The hidden states [frames, cells], zero after the lengths, and the last two states.

        `rows` are [frames, inputs], `lengths` is an int32 [1] or None for all frames, the states
        are [1, cells].
        """
        builder, name = self.builder, self.name
        weights = self.weights(builder, f"{name}/W", input_kernel(self.lstm))
        bias = builder.constant(f"{name}/B", lstm_bias(self.lstm, "".join(self.lstm.gates))[None])
        projection = matmul(builder, f"{name}/projection", rows, weights)
        projected = builder.op("add", f"{name}/projected", projection, bias)
        if self.backward or self.steps == DYNAMIC or self.steps > _UNROLLED_STEPS:
            return self.iterated(projected, lengths, hidden, cell)
        return self.unrolled(projected, lengths, hidden, cell)

    def unrolled(
        self, projected: Any, lengths: Any | None, hidden: Any, cell: Any
    ) -> tuple[Any, Any, Any]:
        """One step after the other."""
        builder = self.builder
        recurrent = self.recurrent()
        axis = builder.constant("lstm/frames", 0, np.int64)
        frames = builder.op("split", "lstm/split", projected, axis, self.steps).outputs()
        outputs = []
        for number, frame in enumerate(frames):
            name = f"lstm/step_{number}"
            new_hidden, new_cell = self.step(name, frame, hidden, cell, recurrent)
            if lengths is None:
                output, hidden, cell = new_hidden, new_hidden, new_cell
            else:
                limit = builder.constant(f"{name}/number", [[number]], np.int32)
                valid = builder.op("greater", f"{name}/valid", lengths, limit)
                output, hidden, cell = self.where(
                    name, valid, (new_hidden, hidden), (new_cell, cell)
                )
            outputs.append(output)
        return builder.op("concat", "lstm/hidden", outputs, 0), hidden, cell

    def iterated(
        self, projected: Any, lengths: Any | None, hidden: Any, cell: Any
    ) -> tuple[Any, Any, Any]:
        """A loop over the frames, whichever of them is the first."""
        builder, cells = self.builder, self.lstm.cells
        frame = builder.op("parameter", "step/frame", [1, 4 * cells], np.float32)
        before_h = builder.op("parameter", "step/previous_h", [1, cells], np.float32)
        before_c = builder.op("parameter", "step/previous_c", [1, cells], np.float32)
        parameters = [frame, before_h, before_c]
        new_h, new_c = self.step("step", frame, before_h, before_c, self.recurrent())
        output = new_h
        if lengths is not None:
            valid = builder.op("parameter", "step/valid", [1, 1], bool)
            parameters.append(valid)
            output, new_h, new_c = self.where("step", valid, (new_h, before_h), (new_c, before_c))
        results = [
            builder.op("result", f"step/{name}/result", source)
            for name, source in (("output", output), ("new_h", new_h), ("new_c", new_c))
        ]
        loop = builder.op("tensor_iterator", f"{self.name}/steps")
        loop.set_function(builder.openvino.Model(results, parameters, "step"))
        # From which frame on, how far apart, how many at a time, up to which, along which axis.
        slices = (-1, -1, 1, 0, 0) if self.backward else (0, 1, 1, -1, 0)
        loop.set_sliced_input(frame, _port(projected), *slices)
        if lengths is not None:
            loop.set_sliced_input(valid, _port(self.valid_frames(projected, lengths)), *slices)
        output, new_h, new_c = (result.output(0) for result in results)
        loop.set_merged_input(before_h, _port(hidden), new_h)
        loop.set_merged_input(before_c, _port(cell), new_c)
        outputs = loop.get_concatenated_slices(output, *slices)
        last_h, last_c = (loop.get_iter_value(state, -1) for state in (new_h, new_c))
        return outputs, self.alone("h", last_h), self.alone("c", last_c)

    def alone(self, kind: str, output: Any) -> Any:
        """An output of the loop as an op with one output, which can have a name of its own."""
        name = f"{self.name}/last_{kind}"
        shape = self.builder.constant(f"{name}/shape", [1, self.lstm.cells], np.int64)
        return self.builder.op("reshape", name, output, shape, False)

    def valid_frames(self, projected: Any, lengths: Any) -> Any:
        """Whether each frame is valid: [frames, 1]."""
        builder = self.builder
        shape = builder.op("shape_of", "lstm/shape", projected, "i32")
        zero = builder.constant("lstm/zero", 0, np.int32)
        one = builder.constant("lstm/one", 1, np.int32)
        count = builder.op("gather", "lstm/count", shape, zero, zero)
        numbers = builder.op("range", "lstm/numbers", zero, count, one, "i32")
        valid = builder.op("less", "lstm/is_valid", numbers, lengths)
        return builder.op("unsqueeze", "lstm/valid", valid, one)

    def recurrent(self) -> Any:
        """The weights [4 * cells, cells] of the hidden state."""
        return self.weights(self.builder, f"{self.name}/R", recurrent_kernel(self.lstm))

    def step(
        self, name: str, projected: Any, hidden: Any, cell: Any, recurrent: Any
    ) -> tuple[Any, Any]:
        """The hidden state and the cell after a frame."""
        op = self.builder.op
        recurrence = matmul(self.builder, f"{name}/product", hidden, recurrent)
        gates = op("add", f"{name}/gates", projected, recurrence)
        axis = self.builder.constant(f"{name}/gates/axis", 1, np.int64)
        parts = op("split", f"{name}/split", gates, axis, 4).outputs()
        gate = dict(zip(self.lstm.gates, parts, strict=True))
        i, f, o = (op("sigmoid", f"{name}/{key}", gate[key]) for key in "ifo")
        candidate = op("tanh", f"{name}/candidate", gate["c"])
        kept = op("multiply", f"{name}/kept", f, cell)
        added = op("multiply", f"{name}/added", i, candidate)
        cell = op("add", f"{name}/cell", kept, added)
        squashed = op("tanh", f"{name}/squashed", cell)
        return op("multiply", f"{name}/hidden", o, squashed), cell

    def where(
        self, name: str, valid: Any, hidden: tuple[Any, Any], cell: tuple[Any, Any]
    ) -> tuple[Any, Any, Any]:
        """The output and the states of a step, (new, old): zeros and the old ones in padding."""
        op = self.builder.op
        zero = self.builder.constant(f"{name}/zero", 0.0)
        output = op("select", f"{name}/output", valid, hidden[0], zero)
        hidden_after = op("select", f"{name}/valid_hidden", valid, *hidden)
        return output, hidden_after, op("select", f"{name}/valid_cell", valid, *cell)


def _port(source: Any) -> Any:
    """An op's only output, as the loop takes it."""
    return source.output(0) if hasattr(source, "output") else source
