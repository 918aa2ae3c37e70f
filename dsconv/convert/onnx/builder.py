"""An ONNX graph that grows node by node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from dsconv.convert.onnx.file import Initializer
from dsconv.formats.toolkits import import_onnx
from dsconv.version import __version__

Size: TypeAlias = "int | str"
"""The size of a dimension, or its name if it is dynamic."""

MICROSOFT = "com.microsoft"
"""The domain of ONNX Runtime's own ops."""

# Opset 17 is the first with LayerNormalization.
_OPSETS = {"": 17, MICROSOFT: 1}
# The version of the file format that opset 17 came with.
_IR_VERSION = 8


class GraphBuilder:
    """Nodes and initializers; every tensor has a name that says where in the network it is.

    `public` are the names of the model's inputs and outputs; no tensor inside gets one of them.
    """

    def __init__(self, public: Iterable[str]) -> None:
        self._public = frozenset(public)
        self._onnx = import_onnx()
        self._nodes: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._described_inside: list[Any] = []
        self.initializers: list[Initializer] = []

    def input(self, name: str, shape: Sequence[Size], dtype: DTypeLike = np.float32) -> str:
        """An input of the model."""
        self._inputs.append(self._described(name, shape, dtype))
        return name

    def output(self, name: str, shape: Sequence[Size]) -> None:
        """Make a float32 tensor an output of the model."""
        self._outputs.append(self._described(name, shape, np.float32))

    def describe(self, name: str, shape: Sequence[Size]) -> None:
        """Tell the shape of a float32 tensor inside, where it cannot be inferred."""
        self._described_inside.append(self._described(self.inside(name), shape, np.float32))

    def node(self, op: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """A node with one output; returns its name. ``domain`` is among the attributes."""
        return self.nodes(op, inputs, [output], **attributes)[0]

    def result(self, op: str, inputs: Sequence[str], output: str, **attributes: Any) -> None:
        """A node that makes an output of the model."""
        self._add(op, inputs, [output], attributes)

    def nodes(
        self, op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any
    ) -> Sequence[str]:
        """A node with several outputs; returns their names."""
        names = [self.inside(output) for output in outputs]
        self._add(op, inputs, names, attributes)
        return names

    def constant(self, name: str, value: ArrayLike, dtype: DTypeLike = np.float32) -> str:
        """A small constant."""
        return self.weights(Initializer.of_array(self.inside(name), np.asarray(value, dtype)))

    def inside(self, name: str) -> str:
        """A name for a tensor inside: that one, or if it is public one that is not."""
        while name in self._public:
            name += "_"
        return name

    def weights(self, initializer: Initializer) -> str:
        """A constant whose values are made when they are written."""
        self.initializers.append(initializer)
        return initializer.name

    def model(self, name: str, properties: Mapping[str, str]) -> Any:
        """The ModelProto without the initializers."""
        helper = self._onnx.helper
        graph = helper.make_graph(
            self._nodes,
            name,
            self._inputs,
            self._outputs,
            value_info=self._described_inside,
        )
        domains = {node.domain for node in self._nodes} | {""}
        opsets = [helper.make_opsetid(domain, _OPSETS[domain]) for domain in sorted(domains)]
        model = helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=_IR_VERSION,
            producer_name="dsconv",
            producer_version=__version__,
        )
        helper.set_model_props(model, dict(properties))
        return model

    def _add(
        self, op: str, inputs: Sequence[str], outputs: list[str], attributes: Mapping[str, Any]
    ) -> None:
        self._nodes.append(
            self._onnx.helper.make_node(op, list(inputs), outputs, name=outputs[0], **attributes)
        )

    def _described(self, name: str, shape: Sequence[Size], dtype: DTypeLike) -> Any:
        element = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self._onnx.helper.make_tensor_value_info(name, element, list(shape))
