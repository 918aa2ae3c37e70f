"""A converted file that can be spoiled: its weights by name, and what can be done to its ops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dsconv.acoustic.network import GATES, Network
from dsconv.acoustic.stored import stored
from dsconv.speech.features import FloatArray

Array = NDArray[Any]

LAYERS = ("layer_1", "layer_2", "layer_3", "layer_5", "layer_6")
"""The dense layers; the LSTM stands between the third and the fifth."""


class NotHere(Exception):  # noqa: N818
    """A file of this format, or in this form, has no such thing to spoil."""


@dataclass
class Tensor:
    """Weights of a file, [inputs, outputs] or [outputs], the gates in the order of `GATES`.

    `store` puts them back into the file in its own order: the numbers in the type that they are
    stored in, and the scales.
    """

    numbers: Array
    scales: FloatArray | None
    store: Callable[[Array, FloatArray | None], None]
    floats: FloatArray = field(default_factory=lambda: np.zeros(0, np.float32))
    """What a converter would store: the weights of the graph."""

    def write(self, floats: FloatArray) -> None:
        """Store other weights as a converter would: integers in steps of the largest."""
        if self.scales is None:
            self.store(floats.astype(self.numbers.dtype), None)
            return
        axis = 0 if self.scales.size > 1 else None
        largest = np.asarray(np.abs(floats).max(axis=axis), np.float32)
        scales = np.where(largest == 0, 1, largest / np.float32(127)).astype(np.float32)
        numbers = np.clip(np.rint(floats / scales), -127, 127).astype(np.int8)
        self.store(numbers, scales.reshape(self.scales.shape))


class Spoilable(Protocol):
    """A converted file in memory.

    Each method but the first and the last is an error in its ops; it raises `NotHere` where the
    file has none of these.
    """

    factors: FloatArray | None
    """What the features are multiplied with before the first layer."""

    def tensors(self) -> dict[str, Tensor]:
        """By name: ``layer_1/weights``, its ``bias``, ``lstm/W``, ``lstm/R``, ``lstm/b``."""

    def no_clip(self, layer: str) -> None: ...

    def no_relu(self, layer: str) -> None: ...

    def no_softmax(self) -> None: ...

    def two_softmaxes(self) -> None: ...

    def lengths_ignored(self) -> None: ...

    def last_step(self) -> None: ...

    def states_in_swapped(self) -> None: ...

    def states_out_swapped(self) -> None: ...

    def states_reset(self, which: str) -> None: ...

    def states_kept(self) -> None: ...

    def hard_sigmoid(self) -> None: ...

    def tanh_gates(self) -> None: ...

    def sigmoid_cell(self) -> None: ...

    def gates_rewired(self) -> None: ...

    def context_off(self) -> None: ...

    def epsilon(self) -> None: ...

    def no_norm(self) -> None: ...

    def save(self, path: Path) -> None:
        """Write the file, and what belongs to it, beside a path of its own."""


def open_spoilable(target: str, path: Path) -> Spoilable:
    """A converted file of a target, to be spoiled."""
    from tests.inspect.parity.sabotage.coreml import CoreMlFile
    from tests.inspect.parity.sabotage.onnx import OnnxFile
    from tests.inspect.parity.sabotage.openvino import OpenVinoFile
    from tests.inspect.parity.sabotage.tflite import TfliteFile

    kinds: dict[str, Callable[[Path], Spoilable]] = {
        "tflite": TfliteFile,
        "onnx": OnnxFile,
        "openvino": OpenVinoFile,
        "coreml": CoreMlFile,
    }
    return kinds[target](path)


def with_floats(file: Spoilable, network: Network) -> dict[str, Tensor]:
    """The weights of a file, and what they are in its graph."""
    found, graph = file.tensors(), stored(network)
    for layer in graph.layers:
        weights = layer.weights.floats
        if layer is graph.layers[0] and file.factors is not None:
            weights = weights / file.factors[:, None]
        found[f"{layer.name}/weights"].floats = weights
        found[f"{layer.name}/bias"].floats = layer.bias
    found["lstm/W"].floats = graph.lstm.inputs.floats
    found["lstm/R"].floats = graph.lstm.recurrent.floats
    found["lstm/b"].floats = graph.lstm.bias
    return found


def reordered(columns: Array, order: str, wanted: str) -> Array:
    """Blocks of columns [..., 4 * cells] in one order of gates, in another."""
    blocks = np.split(columns, 4, axis=-1)
    return np.concatenate([blocks[order.index(gate)] for gate in wanted], axis=-1)


def gated(tensor: Tensor, order: str) -> Tensor:
    """A tensor whose file has its gates in an order such as ``iofc``."""
    ours = "".join(GATES)

    def moved(values: Array | None, source: str, wanted: str) -> Array | None:
        return values if values is None or values.size == 1 else reordered(values, source, wanted)

    def store(numbers: Array, scales: FloatArray | None) -> None:
        tensor.store(reordered(numbers, ours, order), moved(scales, ours, order))

    return replace(
        tensor,
        numbers=reordered(tensor.numbers, order, ours),
        scales=moved(tensor.scales, order, ours),
        store=store,
    )
