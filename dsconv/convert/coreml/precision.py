"""How the weights are compressed: by the toolkit's passes, or its functions for networks."""

from __future__ import annotations

from typing import Any

from dsconv.convert.coreml.form import CoreMlForm
from dsconv.convert.coreml.front_end import FRONT_END, MATRICES
from dsconv.formats.toolkits import import_coremltools

# With fewer weights the palette would save nothing, and the toolkit needs scikit-learn to find one.
_LEAST_PALETTIZED = 10_000


def pipeline(form: CoreMlForm) -> Any:
    """The passes of an ML program: the toolkit's own, and the compression of the weights."""
    passes = import_coremltools().PassPipeline()
    import coremltools.optimize.coreml as optimize

    bits = form.core_ml.palette_bits
    if bits is not None:
        name = "compression::palettize_weights"
        config: Any = optimize.OpPalettizerConfig(
            mode="kmeans", nbits=bits, weight_threshold=_LEAST_PALETTIZED
        )
    elif form.precision == "int8":
        name = "compression::linear_quantize_weights"
        config = optimize.OpLinearQuantizerConfig(mode="linear_symmetric")
    else:
        return passes
    # An error in what makes the features would reach everything.
    untouched = dict.fromkeys(MATRICES)
    passes.append_pass(name)
    passes.set_options(
        name, {"config": optimize.OptimizationConfig(config, op_name_configs=untouched)}
    )
    return passes


def compressed_network(model: Any, form: CoreMlForm) -> Any:
    """The Model message of a neural network with its weights in the precision of a form."""
    if form.precision == "fp32":
        return model.get_spec()
    from coremltools.models.neural_network.quantization_utils import (
        QuantizedLayerSelector,
        quantize_weights,
    )

    class Weights(QuantizedLayerSelector):  # type: ignore[misc]
        """The layers whose weights may be rounded."""

        def do_quantize(self, layer: Any, **asked: Any) -> bool:
            return _is_rounded(layer, form) and bool(super().do_quantize(layer, **asked))

    bits, mode = (16, "linear") if form.precision == "fp16" else (8, "linear_symmetric")
    found = quantize_weights(model, bits, mode, selector=Weights())
    # On macOS it is a model, elsewhere the message.
    return found if hasattr(found, "neuralNetwork") else found.get_spec()


def _is_rounded(layer: Any, form: CoreMlForm) -> bool:
    """Whether the weights of a layer may be rounded.

    Constants are numbers of frames among others. Convolutions are the spectrum and the first layer
    of a model of samples; the first layer is where most of the error would come from.
    """
    if layer.WhichOneof("layer") in ("loadConstantND", "convolution"):
        return False
    first = f"{form.network.before[0].name}_product"
    return not layer.name.startswith(FRONT_END) and layer.name != first
