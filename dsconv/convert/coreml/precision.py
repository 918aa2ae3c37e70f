"""What a program goes through for each precision of its numbers and its weights."""

from __future__ import annotations

from typing import Any

from dsconv.convert.coreml.front_end import FRONT_END
from dsconv.convert.options import Plan
from dsconv.toolkits import import_coremltools

_CAST = ("common::add_fp16_cast", "common::add_int16_cast")


def pipeline(plan: Plan) -> Any:
    """The passes of an ML program: the toolkit's own, and the compression of the weights."""
    ct = import_coremltools()
    passes = ct.PassPipeline()
    config = _compression(plan)
    if config is not None:
        name, options = config
        passes.append_pass(name)
        passes.set_options(name, {"config": options})
    return passes


def compute_precision(plan: Plan) -> Any:
    """float32, or float16 for all but the front end, whose powers exceed its range."""
    ct = import_coremltools()
    if plan.precision == "fp32":
        return ct.precision.FLOAT32
    if not plan.front_end:
        return ct.precision.FLOAT16
    return ct.transform.FP16ComputePrecision(lambda op: not _in_front_end(op))


def _in_front_end(op: Any) -> bool:
    """Whether an op makes features."""
    return str(op.name).startswith(FRONT_END)


def _compression(plan: Plan) -> tuple[str, Any] | None:
    """The pass that compresses the weights, and its options; None if they stay as they are."""
    bits = plan.core_ml.palette_bits
    if bits is None and plan.precision != "int8":
        return None
    import coremltools.optimize.coreml as optimize

    if bits is not None:
        palette = optimize.OpPalettizerConfig(mode="kmeans", nbits=bits)
        return "compression::palettize_weights", optimize.OptimizationConfig(palette)
    linear = optimize.OpLinearQuantizerConfig(mode="linear_symmetric")
    return "compression::linear_quantize_weights", optimize.OptimizationConfig(linear)


def quantized_network(model: Any, plan: Plan) -> Any:
    """The Model message of a neural network with its weights in the precision of a plan."""
    bits = plan.core_ml.palette_bits or {"fp32": 32, "fp16": 16, "int8": 8}[plan.precision]
    if bits == 32:
        return model.get_spec()
    from coremltools.models.neural_network.quantization_utils import quantize_weights

    mode = "kmeans_lut" if plan.core_ml.palette_bits else "linear_symmetric"
    quantized = quantize_weights(model, bits, mode)
    return quantized if hasattr(quantized, "neuralNetwork") else quantized.get_spec()
