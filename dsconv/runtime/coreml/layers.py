"""The layers of neural networks that dsconv computes, by kind.

Layers that run other networks (loop, branch) belong to ``network.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dsconv.errors import ConversionError
from dsconv.formats.coreml.network import Layer
from dsconv.runtime.coreml.layer_kind import LayerKind
from dsconv.runtime.coreml.layer_parameters import Parameters, unsupported
from dsconv.runtime.coreml.layer_weights import FloatArray
from dsconv.runtime.coreml.layers_elementwise import ELEMENTWISE
from dsconv.runtime.coreml.layers_lstm import LSTMS
from dsconv.runtime.coreml.layers_matrix import MATRICES
from dsconv.runtime.coreml.layers_shape import SHAPES

LAYERS: dict[str, LayerKind] = ELEMENTWISE | SHAPES | MATRICES | LSTMS


class LayerEvaluator:
    """A layer, ready to be computed.

    Raises ConversionError for a kind, a parameter or a number of inputs that is not known.
    """

    def __init__(self, layer: Layer) -> None:
        if layer.kind not in LAYERS:
            raise unsupported(layer, "layer")
        self._layer = layer
        self._kind = LAYERS[layer.kind]
        self._parameters = Parameters(layer, layer.parameters, self._kind.fields)
        for what, names in (("inputs", layer.inputs), ("outputs", layer.outputs)):
            least, most = getattr(self._kind, what)
            if not least <= len(names) <= most:
                raise unsupported(layer, f"with {len(names)} {what}")

    def run(self, inputs: Sequence[FloatArray]) -> tuple[FloatArray, ...]:
        """The outputs. Raises ConversionError if the inputs do not fit the layer."""
        try:
            with np.errstate(all="ignore"):
                result = self._kind.compute(self._parameters, inputs)
        except (ArithmeticError, LookupError, MemoryError, TypeError, ValueError) as error:
            shapes = ", ".join(str(list(value.shape)) for value in inputs) or "none"
            raise ConversionError(
                f"layer '{self._layer.name}' ({self._layer.kind}) cannot be computed of inputs of "
                f"shape {shapes}: {error}."
            ) from error
        outputs = result if isinstance(result, tuple) else (result,)
        if len(outputs) != len(self._layer.outputs):
            raise unsupported(self._layer, f"with {len(self._layer.outputs)} outputs")
        return tuple(np.atleast_1d(np.asarray(output, np.float32)) for output in outputs)
