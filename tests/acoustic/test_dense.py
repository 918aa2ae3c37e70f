"""Dense layers that compute something else are refused, with the place and what was expected.

Each table has what is wrong, the edit that makes it so, and what the refusal has to say.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dsconv.acoustic.dense import read_layers
from dsconv.acoustic.matching import Matcher
from dsconv.acoustic.recognise import recognise
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.edit import extract, rewired
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.graphdef.node import TensorName
from tests.acoustic.edits import (
    added,
    after,
    as_type,
    attributes,
    constant,
    edits,
    inputs,
    op,
    removed,
    takes,
)

NORM = "layer_2_1/LayerNorm"

LAYERS = {
    "a transposed matrix": (
        attributes("MatMul_1", transpose_b=True),
        "'MatMul_1' transposes a matrix (transpose_b); expected a product of matrices as they are",
    ),
    "transposed rows": (
        attributes("MatMul_3", transpose_a=True),
        "'MatMul_3' transposes a matrix (transpose_a); expected a product of matrices as they are",
    ),
    "a bias along the rows": (
        attributes("BiasAdd", data_format=b"NCHW"),
        "'BiasAdd' adds along the second dimension (data_format NCHW); expected the last",
    ),
    "another product": (op("MatMul_2", "BatchMatMul"), "'BiasAdd_2' (BiasAdd) takes no MatMul"),
    "a product without weights": (
        inputs("MatMul_1", "Minimum"),
        "'MatMul_1' has 1 inputs; expected 2",
    ),
    "a product of three": (
        inputs("MatMul_1", "Minimum", "layer_2/weights", "layer_2/weights"),
        "'MatMul_1' has 3 inputs; expected 2",
    ),
    "weights first": (
        inputs("MatMul_1", "layer_2/weights/read", "Minimum"),
        "'MatMul_1' takes weights from 'Minimum' (Minimum); expected a constant",
    ),
    "computed weights": (
        after("layer_2/weights/read", "Tanh"),
        "'MatMul_1' takes weights from 'inserted' (Tanh); expected a constant",
    ),
    "weights of one dimension": (
        constant("layer_2/weights", np.zeros(32)),
        "'MatMul_1' has weights of shape [32]; expected shape [?, ?]",
    ),
    "double precision": (
        as_type("layer_2/weights", "float64"),
        "'MatMul_1' has weights of float64; expected float32",
    ),
    "half precision": (
        as_type("layer_6/weights", "float16"),
        "'MatMul_4' has weights of float16; expected float32",
    ),
    "a bias of half precision": (
        as_type("layer_5/bias", "float16"),
        "'BiasAdd_3' has a bias of float16; expected float32",
    ),
    "no bias": (
        takes("Relu_3", 0, "MatMul_3"),
        "'MatMul_3' has the op MatMul; expected BiasAdd or Add or AddV2",
    ),
    "a bias that is missing": (
        inputs("BiasAdd_3", "MatMul_3"),
        "'BiasAdd_3' has 1 inputs; expected 2",
    ),
    "a bias that is nowhere": (
        removed("layer_5/bias"),
        "no node 'layer_5/bias'",
    ),
    "a bias for one unit": (
        constant("layer_1/bias", [0.5]),
        "'BiasAdd' has a bias of shape [1]; expected shape [32]",
    ),
    "a bias for each frame": (
        edits(op("BiasAdd", "Add"), constant("layer_1/bias", np.zeros((16, 32)))),
        "'BiasAdd' has a bias of shape [16, 32]; expected shape [32]",
    ),
    "a sum of products": (
        edits(op("BiasAdd_1", "AddV2"), takes("BiasAdd_1", 1, "MatMul_2")),
        "'BiasAdd_1' takes a bias from 'MatMul_2' (MatMul); expected a constant",
    ),
    "another activation": (op("Relu", "Tanh"), "'Minimum' (Minimum) takes no Relu"),
    "an activation with its own limit": (op("Relu_1", "Relu6"), "(Minimum) takes no Relu"),
    "a limit below": (op("Minimum", "Maximum"), "'Minimum' has the op Maximum; expected Reshape"),
    "a limit for each unit": (
        constant("Minimum_1/y", [20.0] * 32),
        "'Minimum_1' has a limit of shape [32]; expected one number",
    ),
    "a computed limit": (
        edits(after("Minimum/y", "Relu"), op("inserted", "Tanh")),
        "'Minimum' takes a limit from 'inserted' (Tanh); expected a constant",
    ),
    "a limit alone": (takes("Minimum", 0, "BiasAdd"), "'Minimum' (Minimum) takes no Relu"),
    "two activations": (after("Relu_2", "Tanh"), "'Minimum_2' (Minimum) takes no Relu"),
    "an op between layers": (
        after("Minimum_1", "Tanh"),
        "'inserted' has the op Tanh; expected Reshape",
    ),
    "a shortcut": (
        edits(added("sum", "AddV2", "Minimum_1", "Minimum"), takes("MatMul_2", 0, "sum")),
        "'sum' (AddV2) takes no Sub; expected one",
    ),
}

NORMALIZED = {
    "a mean over the frames": (
        constant(f"{NORM}/moments/mean/reduction_indices", [0]),
        f"'{NORM}/moments/mean' (Mean) has axes [0]; expected [1]",
    ),
    "a variance over the frames": (
        constant(f"{NORM}/moments/variance/reduction_indices", [0]),
        f"'{NORM}/moments/variance' (Mean) has axes [0]; expected [1]",
    ),
    "a mean in a row": (
        attributes(f"{NORM}/moments/mean", keep_dims=False),
        f"'{NORM}/moments/mean' (Mean) has keep_dims False; expected True",
    ),
    "a variance in a row": (
        attributes(f"{NORM}/moments/variance", keep_dims=False),
        f"'{NORM}/moments/variance' (Mean) has keep_dims False; expected True",
    ),
    "another layer's mean subtracted": (
        takes(f"{NORM}/batchnorm/mul_2", 0, "layer_1_1/LayerNorm/moments/mean"),
        "'layer_1_1/LayerNorm/moments/mean' takes other values; expected those that are normalized",
    ),
    "another layer's mean in the variance": (
        takes(f"{NORM}/moments/SquaredDifference", 1, "layer_1_1/LayerNorm/moments/mean"),
        "'layer_1_1/LayerNorm/moments/mean' takes other values; expected those that are normalized",
    ),
    "a mean of other values": (
        takes(f"{NORM}/moments/mean", 0, "Minimum"),
        f"'{NORM}/moments/mean' takes other values; expected those that are normalized",
    ),
    "a mean before the clip": (
        takes(f"{NORM}/moments/mean", 0, "Relu_1"),
        f"'{NORM}/moments/mean' takes other values; expected those that are normalized",
    ),
    "a variance of other values": (
        takes(f"{NORM}/moments/SquaredDifference", 0, "Minimum"),
        f"'{NORM}/moments/SquaredDifference' takes other values; "
        "expected those that are normalized",
    ),
    "a plain mean of squares": (
        op(f"{NORM}/moments/SquaredDifference", "Mul"),
        f"'{NORM}/moments/SquaredDifference' has the op Mul; expected SquaredDifference",
    ),
    "another layer's factor for the mean": (
        takes(f"{NORM}/batchnorm/mul_2", 1, "layer_1_1/LayerNorm/batchnorm/mul"),
        f"'{NORM}/batchnorm/sub' scales the mean in another way",
    ),
    "another layer's variance": (
        takes(f"{NORM}/batchnorm/add", 0, "layer_1_1/LayerNorm/moments/variance"),
        "'layer_1_1/LayerNorm/moments/SquaredDifference' takes other values",
    ),
    "the root instead of its inverse": (
        op(f"{NORM}/batchnorm/Rsqrt", "Sqrt"),
        f"'{NORM}/batchnorm/mul' (Mul) takes no Rsqrt; expected one",
    ),
    "an epsilon that is multiplied": (
        op(f"{NORM}/batchnorm/add", "Mul"),
        f"'{NORM}/batchnorm/add' has the op Mul; expected Add or AddV2",
    ),
    "an epsilon for each unit": (
        constant(f"{NORM}/batchnorm/add/y", [1e-12] * 100),
        f"'{NORM}/batchnorm/add' has an epsilon of shape [100]; expected one number",
    ),
    "an epsilon alone": (
        takes(f"{NORM}/batchnorm/add", 0, "Minimum_1"),
        f"'{NORM}/batchnorm/add' (AddV2) takes no Mean; expected one",
    ),
    "the offset subtracted": (
        inputs(f"{NORM}/batchnorm/sub", f"{NORM}/batchnorm/mul_2", "layer_2/LayerNorm/beta/read"),
        "'layer_2/LayerNorm/beta' has the op Const; expected Mul",
    ),
    "everything added": (
        op(f"{NORM}/batchnorm/sub", "AddV2"),
        f"'{NORM}/batchnorm/add_1' (AddV2) takes no Sub; expected one",
    ),
    "values that are not scaled": (
        takes(f"{NORM}/batchnorm/add_1", 0, "Minimum_1"),
        "'Minimum_1' has the op Minimum; expected Mul",
    ),
    "other values scaled": (
        takes(f"{NORM}/batchnorm/mul_1", 0, "Minimum"),
        f"'{NORM}/moments/SquaredDifference' takes other values",
    ),
    "a computed scale": (
        after("layer_2/LayerNorm/gamma/read", "Tanh"),
        f"'{NORM}/batchnorm/add_1' takes a scale from 'inserted' (Tanh); expected a constant",
    ),
    "one scale for all units and frames": (
        constant("layer_2/LayerNorm/gamma", 1.0),
        f"'{NORM}/batchnorm/add_1' has a scale of shape []; expected shape [?]",
    ),
    "an offset for other units": (
        constant("layer_2/LayerNorm/beta", np.zeros(99)),
        f"'{NORM}/batchnorm/sub' has an offset of shape [99]; expected shape [100]",
    ),
    "a scale of double precision": (
        as_type("layer_2/LayerNorm/gamma", "float64"),
        f"'{NORM}/batchnorm/add_1' has a scale of float64; expected float32",
    ),
}


@pytest.mark.parametrize("what", LAYERS)
def test_another_layer_is_refused(what: str, small_graph: Graph) -> None:
    """Each single difference is named, and what was expected instead."""
    edit, says = LAYERS[what]
    with pytest.raises(ConversionError) as caught:
        recognise(edit(small_graph))
    assert says in str(caught.value)


@pytest.mark.models
@pytest.mark.parametrize("what", NORMALIZED)
def test_another_normalization_is_refused(what: str, models: Path) -> None:
    """What is not the mean and the variance of a layer's own units is no layer normalization."""
    edit, says = NORMALIZED[what]
    with pytest.raises(ConversionError) as caught:
        recognise(edit(open_graph(models / "deepspeech-0.9.3-ln-static.pb")))
    assert says in str(caught.value)


@pytest.mark.models
@pytest.mark.parametrize(
    ("tensor", "activation"), [("Relu_1", (True, None)), ("BiasAdd_1", (False, None))]
)
def test_any_layer_may_be_normalized(
    tensor: str, activation: tuple[bool, float | None], models: Path
) -> None:
    """Also one without a clip, or without an activation."""
    graph = open_graph(models / "deepspeech-0.9.3-ln-static.pb")
    nodes = [rewired(node, TensorName.parse("Minimum_1"), tensor) for node in graph]
    changed = extract(graph.replacing(nodes), ["logits", "new_state_c", "new_state_h"])
    _, layer, _ = recognise(changed).before
    assert (layer.relu, layer.clip) == activation
    assert layer.norm is not None


@pytest.mark.models
def test_one_scale_for_all_units_is_refused(models: Path) -> None:
    """TensorFlow repeats a single element; what converts it to must not have to."""
    single = edits(
        constant("layer_2/LayerNorm/gamma", [1.5]), constant("layer_2/LayerNorm/beta", [0.5])
    )
    graph = single(open_graph(models / "deepspeech-0.9.3-ln-static.pb"))
    with pytest.raises(ConversionError, match="has a scale of shape"):
        recognise(graph)


@pytest.mark.parametrize("end", ["Minimum", "Minimum_1", "Minimum_2"])
def test_layers_in_a_ring_come_to_an_end(end: str, small_graph: Graph) -> None:
    """Layers that take their own output are refused, not followed for ever."""
    ring = takes("MatMul", 0, end)(small_graph)
    with pytest.raises(
        ConversionError, match=f"'{end}' takes its own output; expected another tensor"
    ):
        read_layers(Matcher(ring), TensorName.parse("Minimum_2"))
