"""Small Core ML models of every form that can be inspected, made with coremltools."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.errors import ToolkitError
from dsconv.formats.toolkits import import_coremltools

SIZE = 64
PARAMETERS = SIZE * SIZE + SIZE
RNG = np.random.default_rng(3)
WEIGHTS = RNG.standard_normal((SIZE, SIZE)).astype(np.float32)
BIAS = RNG.standard_normal(SIZE).astype(np.float32)


def coremltools() -> Any:
    """The toolkit, or a skip that says why not."""
    try:
        return import_coremltools()
    except ToolkitError as error:
        pytest.skip(str(error))


@contextlib.contextmanager
def quietly() -> Iterator[Any]:
    """The toolkit, without what it prints and warns of."""
    toolkit = coremltools()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield toolkit


def program(specs: list[Any], opset: str | None) -> Callable[[Callable[..., Any]], Any]:
    """Make a MIL program of a function; without an opset it is one for neural networks."""
    ct = coremltools()
    asked = {"opset_version": getattr(ct.target, opset)} if opset else {}

    def made(function: Callable[..., Any]) -> Any:
        return ct.converters.mil.Builder.program(input_specs=specs, **asked)(function)

    return made


def dense(steps: Any = 4, opset: str | None = None) -> Any:
    """``logits`` = softmax of one layer of weights, as a MIL program."""
    mb = coremltools().converters.mil.Builder

    @program([mb.TensorSpec(shape=(steps, SIZE))], opset)
    def network(x: Any) -> Any:
        scores = mb.linear(x=x, weight=WEIGHTS, bias=BIAS, name="dense")
        return mb.softmax(x=scores, axis=-1, name="logits")

    return network


def converted(
    source: Any, opset: str = "iOS17", precision: str = "FLOAT32", inputs: Any = None
) -> Any:
    """A MIL program as an ML program in memory."""
    with quietly() as ct:
        return ct.convert(
            source,
            source="milinternal",
            convert_to="mlprogram",
            inputs=inputs,
            compute_precision=getattr(ct.precision, precision),
            minimum_deployment_target=getattr(ct.target, opset),
            skip_model_load=True,
        )


def package(folder: Path, opset: str = "iOS17", precision: str = "FLOAT32") -> Path:
    """`dense` as a package."""
    return saved(converted(dense(opset=opset), opset, precision), folder / "dense.mlpackage")


def saved(model: Any, path: Path) -> Path:
    with quietly():
        model.save(str(path))
    return path


def flexible(folder: Path, shape: Callable[[Any], Any]) -> Path:
    """`dense` of so many steps as `shape` says."""
    with quietly() as ct:
        from coremltools.converters.mil.mil import get_new_symbol

        inputs = [ct.TensorType("x", shape(ct))]
        model = converted(dense(get_new_symbol(), "iOS17"), inputs=inputs)
    return saved(model, folder / "flexible.mlpackage")


def quantized(model: Any, **asked: Any) -> Any:
    """The weights as a scale times whole numbers."""
    with quietly():
        import coremltools.optimize.coreml as cto

        how = cto.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=0, **asked)
        return cto.linear_quantize_weights(model, cto.OptimizationConfig(how))


def palettized(model: Any, *, joint: bool = False, **asked: Any) -> Any:
    """The weights as positions in a table."""
    with quietly():
        import coremltools.optimize.coreml as cto

        how = cto.OpPalettizerConfig(mode="uniform", weight_threshold=0, **asked)
        config = cto.OptimizationConfig(how)
        return cto.palettize_weights(model, config, joint_compression=joint)


def pruned(model: Any) -> Any:
    """Most of the weights left out."""
    with quietly():
        import coremltools.optimize.coreml as cto

        how = cto.OpMagnitudePrunerConfig(target_sparsity=0.6, weight_threshold=0)
        return cto.prune_weights(model, cto.OptimizationConfig(how))


def jointly_quantized(model: Any, **asked: Any) -> Any:
    """What is left of compressed weights as a scale times whole numbers."""
    with quietly():
        import coremltools.optimize.coreml as cto

        how = cto.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=0, **asked)
        config = cto.OptimizationConfig(how)
        return cto.linear_quantize_weights(model, config, joint_compression=True)


def stateful(folder: Path) -> Path:
    """A sum that is kept from call to call."""
    mb = coremltools().converters.mil.Builder
    from coremltools.converters.mil.mil import types

    specs = [mb.TensorSpec((1, 4)), mb.StateTensorSpec((1, 4), dtype=types.fp16)]

    @program(specs, "iOS18")
    def network(x: Any, total: Any) -> Any:
        before = mb.cast(x=mb.read_state(input=total), dtype="fp32")
        after = mb.add(x=x, y=before)
        mb.coreml_update_state(state=total, value=mb.cast(x=after, dtype="fp16"))
        return mb.identity(x=after, name="logits")

    return saved(converted(network, "iOS18"), folder / "state.mlpackage")


def looping(folder: Path) -> Path:
    """A sum in a while loop, with weights in its body."""
    mb = coremltools().converters.mil.Builder

    def body(count: Any, x: Any) -> Any:
        return mb.add(x=count, y=1.0), mb.linear(x=x, weight=WEIGHTS, bias=BIAS)

    @program([mb.TensorSpec((1,)), mb.TensorSpec((4, SIZE))], "iOS17")
    def network(count: Any, x: Any) -> Any:
        start = mb.tanh(x=x)
        outputs = mb.while_loop(
            _cond=lambda count, _: mb.squeeze(x=mb.less(x=count, y=3.0)),
            _body=body,
            loop_vars=(count, start),
        )
        return mb.identity(x=outputs[1], name="logits")

    return saved(converted(network), folder / "loop.mlpackage")


def streaming(steps: int = 16, hidden: int = 8, classes: int = 29) -> Any:
    """An interface like that of a streaming acoustic model, in float32."""
    mb = coremltools().converters.mil.Builder

    shapes = [(1, steps, 19, 26), (1,), (1, hidden), (1, hidden)]

    @program(list(map(mb.TensorSpec, shapes)), "iOS13")
    def network(
        input_node: Any, input_lengths: Any, previous_state_c: Any, previous_state_h: Any
    ) -> Any:
        frames = mb.reshape(x=input_node, shape=[steps, 494])
        scores = mb.linear(x=frames, weight=RNG.standard_normal((classes, 494)).astype("f4"))
        scores = mb.mul(x=mb.reshape(x=scores, shape=[steps, 1, classes]), y=input_lengths)
        return (
            mb.softmax(x=scores, axis=-1, name="logits"),
            mb.relu(x=previous_state_c, name="new_state_c"),
            mb.tanh(x=previous_state_h, name="new_state_h"),
        )

    return network


def as_network(source: Any) -> Any:
    """A MIL program as a neural network in memory."""
    with quietly() as ct:
        return ct.convert(source, source="milinternal", convert_to="neuralnetwork")


def quantized_network(model: Any, bits: int, mode: str = "linear") -> Any:
    """A neural network with weights of fewer bits."""
    with quietly() as ct:
        from coremltools.models.neural_network import quantization_utils

        done = quantization_utils.quantize_weights(model, bits, mode)
        return done if hasattr(done, "save") else ct.models.MLModel(done)


def lstm_network(folder: Path, inputs: int, hidden: int) -> Path:
    """One LSTM layer without biases."""
    with quietly() as ct:
        from coremltools.models import datatypes
        from coremltools.models.neural_network import NeuralNetworkBuilder

        builder = NeuralNetworkBuilder(
            [("x", datatypes.Array(1, 1, inputs, 1, 1))],
            [("logits", None)],
            disable_rank5_shape_mapping=True,
        )
        recursion = [RNG.standard_normal((hidden, hidden)).astype("f4") for _ in range(4)]
        weights = [RNG.standard_normal((hidden, inputs)).astype("f4") for _ in range(4)]
        names = ["x", "h", "c"], ["logits", "h_after", "c_after"]
        builder.add_unilstm("lstm", recursion, weights, None, hidden, inputs, *names)
        path = folder / "lstm.mlmodel"
        ct.models.utils.save_spec(builder.spec, str(path))
    return path


def of_two_functions(folder: Path) -> Path:
    """`dense` twice, with the second function as the default."""
    source = package(folder, "iOS18")
    path = folder / "two.mlpackage"
    with quietly() as ct:
        functions = ct.utils.MultiFunctionDescriptor()
        for name in ("one", "two"):
            functions.add_function(str(source), src_function_name="main", target_function_name=name)
        functions.default_function_name = "two"
        ct.utils.save_multifunction(functions, str(path))
    return path


def palette_of_vectors(folder: Path) -> Path:
    """Weights of which pairs share an entry of a table."""
    mb = coremltools().converters.mil.Builder
    from coremltools.converters.mil.mil import types

    indices = RNG.integers(0, 16, (SIZE // 2, SIZE)).astype(types.np_uint4_dtype)
    table = RNG.standard_normal((1, 1, 16, 2)).astype(np.float32)

    @program([mb.TensorSpec((4, SIZE))], "iOS18")
    def network(x: Any) -> Any:
        weights = mb.constexpr_lut_to_dense(indices=indices, lut=table, vector_axis=0)
        return mb.linear(x=x, weight=weights, name="logits")

    return saved(converted(network, "iOS18"), folder / "vectors.mlpackage")
