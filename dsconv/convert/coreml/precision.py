"""How the weights are compressed: by the toolkit's passes, or its functions for networks."""

from __future__ import annotations

from typing import Any

from dsconv.convert.coreml.front_end import MATRICES
from dsconv.convert.options import Plan
from dsconv.toolkits import import_coremltools

# With fewer weights the palette would save nothing, and the toolkit wants scikit-learn to find one.
_LEAST_PALETTIZED = 10_000


def pipeline(plan: Plan) -> Any:
    """The passes of an ML program: the toolkit's own, and the compression of the weights."""
    passes = import_coremltools().PassPipeline()
    import coremltools.optimize.coreml as optimize

    bits = plan.core_ml.palette_bits
    if bits is not None:
        name = "compression::palettize_weights"
        config: Any = optimize.OpPalettizerConfig(
            mode="kmeans", nbits=bits, weight_threshold=_LEAST_PALETTIZED
        )
    elif plan.precision == "int8":
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


def compressed_network(model: Any, plan: Plan) -> Any:
    """The Model message of a neural network with its weights in the precision of a plan."""
    from coremltools.models.neural_network.quantization_utils import quantize_weights

    if plan.precision == "fp32":
        return model.get_spec()
    bits, mode = (16, "linear") if plan.precision == "fp16" else (8, "linear_symmetric")
    found = quantize_weights(model, bits, mode)
    # On macOS it is a model, elsewhere the message.
    return found if hasattr(found, "neuralNetwork") else found.get_spec()
