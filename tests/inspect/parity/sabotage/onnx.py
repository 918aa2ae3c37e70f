"""ONNX files, by the onnx package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dsconv.formats.toolkits import import_onnx
from dsconv.speech.features import FloatArray
from tests.inspect.parity.sabotage.files import LAYERS, Array, NotHere, Tensor, gated, reordered

_GATES = "iofc"
_LSTM = ("LSTM", "DynamicQuantizeLSTM")


class OnnxFile:
    """A file with one LSTM node."""

    factors: FloatArray | None = None

    def __init__(self, path: Path) -> None:
        self.onnx = import_onnx()
        self.model = self.onnx.load(str(path))
        self.graph = self.model.graph
        self.constants = {each.name: each for each in self.graph.initializer}

    # What the file holds.

    def tensors(self) -> dict[str, Tensor]:
        """All weights."""
        found = {}
        for layer in LAYERS:
            found[f"{layer}/weights"] = self._matrix(f"{layer}/weights")
            found[f"{layer}/bias"] = self._floats(f"{layer}/bias")
        for part in "WR":
            found[f"lstm/{part}"] = gated(self._kernel(f"lstm/{part}"), _GATES)
        found["lstm/b"] = gated(self._biases(), _GATES)
        return found

    def _array(self, name: str) -> Array:
        return np.array(self.onnx.numpy_helper.to_array(self.constants[name]))

    def _put(self, name: str, values: Array) -> None:
        old = self.constants[name]
        old.CopyFrom(self.onnx.numpy_helper.from_array(np.ascontiguousarray(values), name))

    def _stored(self, name: str) -> str:
        return f"{name}/half" if f"{name}/half" in self.constants else name

    def _floats(self, name: str) -> Tensor:
        return Tensor(self._array(name), None, lambda numbers, _: self._put(name, numbers))

    def _matrix(self, name: str) -> Tensor:
        stored, scaled = self._stored(name), f"{name}/scales"

        def store(numbers: Array, scales: Array | None) -> None:
            self._put(stored, numbers)
            if scales is not None:
                self._put(scaled, scales)

        scales = self._array(scaled) if scaled in self.constants else None
        return Tensor(self._array(stored), scales, store)

    def _kernel(self, name: str) -> Tensor:
        """Floats stand as [1, 4 * cells, inputs], integers as [1, inputs, 4 * cells]."""
        stored, scaled = self._stored(name), f"{name}/scales"
        integers = scaled in self.constants

        def store(numbers: Array, scales: Array | None) -> None:
            self._put(stored, (numbers if integers else numbers.T)[None])
            if scales is not None:
                self._put(scaled, scales.reshape(1, -1))

        numbers = self._array(stored)[0]
        scales = self._array(scaled)[0] if integers else None
        return Tensor(numbers if integers else numbers.T, scales, store)

    def _biases(self) -> Tensor:
        both = self._array("lstm/B")[0]
        half = len(both) // 2

        def store(numbers: Array, _: Array | None) -> None:
            self._put("lstm/B", np.concatenate([numbers, np.zeros_like(numbers)])[None])

        return Tensor(both[:half] + both[half:], None, store)

    # Errors in ops.

    def no_clip(self, layer: str) -> None:
        clip = self._maker(f"{layer}/clipped")
        clip.op_type = "Relu"
        del clip.input[1:]

    def no_relu(self, layer: str) -> None:
        clip = self._maker(f"{layer}/clipped")
        clip.op_type = "Min"
        del clip.input[1]

    def no_softmax(self) -> None:
        softmax = self._maker("logits")
        softmax.op_type = "Identity"
        del softmax.attribute[:]

    def two_softmaxes(self) -> None:
        softmax = self._maker("logits")
        given = softmax.input[0]
        self._insert(softmax, "Softmax", [given], "logits/once", axis=-1)
        softmax.input[0] = "logits/once"

    def lengths_ignored(self) -> None:
        self._lstm().input[4] = ""
        for node in self.graph.node:
            if node.op_type == "Where":
                node.op_type = "Identity"
                found = node.input[1]
                del node.input[:]
                node.input.append(found)

    def last_step(self) -> None:
        lstm = self._lstm()
        if not lstm.input[4]:
            raise NotHere("no lengths")
        again = self.onnx.NodeProto()
        again.CopyFrom(lstm)
        again.input[4] = ""
        del again.output[:]
        again.output.extend(["", "lstm/last_step_h", ""])
        again.name = "lstm_of_all"
        self.graph.node.insert(list(self.graph.node).index(lstm), again)
        for node in self.graph.node:
            if node.op_type == "Where" and "last_h" in node.output[0]:
                node.input[1] = "lstm/last_step_h"

    def states_in_swapped(self) -> None:
        given = self._lstm().input
        given[5], given[6] = given[6], given[5]

    def states_out_swapped(self) -> None:
        first, second = self._maker("new_state_c"), self._maker("new_state_h")
        first.input[0], second.input[0] = second.input[0], first.input[0]

    def states_reset(self, which: str) -> None:
        for index in {"both": (5, 6), "cell": (6,), "hidden": (5,)}[which]:
            self._lstm().input[index] = ""

    def states_kept(self) -> None:
        for kind in "ch":
            node = self._maker(f"new_state_{kind}")
            node.op_type = "Identity"
            del node.input[:]
            node.input.append(f"previous_state_{kind}")

    def hard_sigmoid(self) -> None:
        self._activations("HardSigmoid", "Tanh", "Tanh")
        lstm, make = self._lstm(), self.onnx.helper.make_attribute
        lstm.attribute.append(make("activation_alpha", [0.2, 1.0, 1.0]))
        lstm.attribute.append(make("activation_beta", [0.5, 0.0, 0.0]))

    def tanh_gates(self) -> None:
        self._activations("Tanh", "Tanh", "Tanh")

    def sigmoid_cell(self) -> None:
        self._activations("Sigmoid", "Sigmoid", "Sigmoid")

    def gates_rewired(self) -> None:
        """The node has one order; the blocks of all three tensors in another are the same error."""
        for tensor in (self._kernel("lstm/W"), self._kernel("lstm/R"), self._biases()):
            scales = tensor.scales
            if scales is not None:
                scales = reordered(scales, "iofc", "ifoc")
            tensor.store(reordered(tensor.numbers, "iofc", "ifoc"), scales)

    def context_off(self) -> None:
        if "features/padding" not in self.constants:
            raise NotHere("no front end")
        ends = self._array("features/padding")
        ends[0] -= 1
        ends[2] += 1
        self._put("features/padding", ends)

    def epsilon(self) -> None:
        for node in self._norms():
            for attribute in node.attribute:
                if attribute.name == "epsilon":
                    attribute.f = 1e-3

    def no_norm(self) -> None:
        for node in self._norms():
            node.op_type = "Identity"
            del node.input[1:]
            del node.attribute[:]

    def save(self, path: Path) -> None:
        """The file."""
        self.onnx.save(self.model, str(path))

    # How.

    def _norms(self) -> list[Any]:
        found = [node for node in self.graph.node if node.op_type == "LayerNormalization"]
        if not found:
            raise NotHere("no normalization")
        return found

    def _lstm(self) -> Any:
        return next(node for node in self.graph.node if node.op_type in _LSTM)

    def _maker(self, name: str) -> Any:
        for node in self.graph.node:
            if name in node.output:
                return node
        raise NotHere(name)

    def _activations(self, *names: str) -> None:
        make = self.onnx.helper.make_attribute
        self._lstm().attribute.append(make("activations", names))

    def _insert(self, before: Any, kind: str, inputs: list[str], output: str, **more: Any) -> None:
        node = self.onnx.helper.make_node(kind, inputs, [output], **more)
        self.graph.node.insert(list(self.graph.node).index(before), node)
