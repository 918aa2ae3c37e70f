"""The acoustic network of a graph as an ONNX model, built by hand for the tests.

It is written from the description of the network, and shares no code with dsconv's converters.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from dsconv.acoustic.metadata import Metadata
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.node import TensorName

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    onnx = pytest.importorskip("onnx", reason="ONNX is not installed")
    helper = onnx.helper

Array: TypeAlias = NDArray[Any]

OPSET = 17
IR_VERSION = 9
RELU_CLIP = 20.0

# The LSTM's gates: TensorFlow's columns are i, c, f, o; ONNX wants i, o, f, c.
_GATE_ORDER = (0, 3, 2, 1)


class OnnxNetwork:
    """Puts the network together, node by node. `storage` is the type of the stored matrices."""

    def __init__(self, graph: Graph, storage: str = "float32") -> None:
        self._graph = graph
        self._storage = storage
        self._nodes: list[Any] = []
        self._initializers: list[Any] = []

    def model(self, frames: int | str, metadata: Metadata) -> Any:
        """The ModelProto for so many frames; any number, if that is a name."""
        hidden, classes = self._layers()
        graph = helper.make_graph(
            self._nodes,
            "acoustic",
            [
                _tensor("input_node", (1, frames, 19, 26)),
                _tensor("previous_state_c", (1, hidden)),
                _tensor("previous_state_h", (1, hidden)),
            ],
            [
                _tensor("logits", (frames, 1, classes)),
                _tensor("new_state_c", (1, hidden)),
                _tensor("new_state_h", (1, hidden)),
            ],
            self._initializers,
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
        helper.set_model_props(model, metadata.to_text())
        onnx.checker.check_model(model, full_check=True)
        return model

    def _layers(self) -> tuple[int, int]:
        """All nodes; returns the number of cells and of classes."""
        self._node("Transpose", ["input_node"], "by_time", perm=[1, 0, 2, 3])
        flat = self._reshape("by_time", [-1, 19 * 26], "flat")
        for layer in ("layer_1", "layer_2", "layer_3"):
            flat = self._clipped(layer, flat)
        size = len(self._weight("layer_3/bias"))
        hidden = self._lstm(self._reshape(flat, [-1, 1, size], "sequence"))
        top = self._clipped("layer_5", self._reshape("lstm_out", [-1, hidden], "lstm_flat"))
        scores = self._dense("layer_6", top)
        classes = len(self._weight("layer_6/bias"))
        scores = self._reshape(scores, [-1, 1, classes], "scores")
        self._node("Softmax", [scores], "logits", axis=-1)
        return hidden, classes

    def _dense(self, layer: str, source: str) -> str:
        weights = self._matrix(f"{layer}/weights", self._weight(f"{layer}/weights"))
        self._node("MatMul", [source, weights], f"{layer}/product")
        bias = self._constant(f"{layer}/bias", self._weight(f"{layer}/bias"))
        return self._node("Add", [f"{layer}/product", bias], f"{layer}/biased")

    def _clipped(self, layer: str, source: str) -> str:
        relu = self._node("Relu", [self._dense(layer, source)], f"{layer}/relu")
        clip = self._constant(f"{layer}/clip", np.array(RELU_CLIP, np.float32))
        return self._node("Min", [relu, clip], f"{layer}/clipped")

    def _lstm(self, source: str) -> int:
        """One LSTM node and the states around it; returns the number of cells."""
        lstm = next(node for node in self._graph if node.op == "BlockLSTM")
        kernel, bias = (self._weight(lstm.data_inputs[index]) for index in (4, 8))
        hidden = kernel.shape[1] // 4
        forget_bias = np.zeros((4, hidden), np.float32)
        forget_bias[2] = lstm.attribute("forget_bias", float)
        gates = (bias.reshape(4, hidden) + forget_bias)[list(_GATE_ORDER)].reshape(-1)
        columns = kernel.reshape(-1, 4, hidden)[:, list(_GATE_ORDER)].reshape(-1, 4 * hidden).T
        inputs = len(kernel) - hidden
        weights = [
            self._matrix("lstm/W", columns[None, :, :inputs]),
            self._matrix("lstm/R", columns[None, :, inputs:]),
            self._constant("lstm/B", np.concatenate([gates, np.zeros_like(gates)])[None]),
        ]
        states = [
            self._reshape(f"previous_state_{state}", [1, 1, hidden], f"lstm/first_{state}")
            for state in "hc"
        ]
        self._nodes.append(
            helper.make_node(
                "LSTM",
                [source, *weights, "", *states],
                ["lstm_out", "lstm/last_h", "lstm/last_c"],
                hidden_size=hidden,
            )
        )
        for state in "hc":
            self._reshape(f"lstm/last_{state}", [1, hidden], f"new_state_{state}")
        return hidden

    def _node(self, op: str, inputs: Iterable[str], output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def _reshape(self, source: str, sizes: list[int], output: str) -> str:
        shape = self._constant(f"{output}/shape", np.array(sizes, np.int64))
        return self._node("Reshape", [source, shape], output)

    def _constant(self, name: str, value: Array) -> str:
        self._initializers.append(onnx.numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _matrix(self, name: str, value: Array) -> str:
        """A matrix as it is stored, and what makes float32 of it."""
        if self._storage == "float32":
            return self._constant(name, value)
        if self._storage == "float16":
            stored = self._constant(f"{name}/stored", value.astype(np.float16))
            return self._node("Cast", [stored], name, to=onnx.TensorProto.FLOAT)
        scale = np.float32(np.abs(value).max() / 127)
        stored = self._constant(f"{name}/stored", np.rint(value / scale).astype(np.int8))
        factor = self._constant(f"{name}/scale", np.array(scale))
        return self._node("DequantizeLinear", [stored, factor], name)

    def _weight(self, name: TensorName | str) -> Array:
        tensor = self._graph.constant(name)
        assert tensor is not None
        return np.asarray(tensor.array())


def write_onnx(
    path: Path,
    graph: Graph,
    frames: int | str,
    metadata: Metadata,
    storage: str = "float32",
) -> Path:
    """Write the network of a graph in the 0.9.3 exporter's form as an ONNX model."""
    onnx.save(OnnxNetwork(graph, storage).model(frames, metadata), str(path))
    return path


def _tensor(name: str, shape: tuple[int | str, ...]) -> Any:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
