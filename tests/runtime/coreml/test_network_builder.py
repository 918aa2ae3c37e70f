"""Networks that are put together layer by layer: what they give, take and refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.errors import ConversionError, ModelError
from dsconv.formats.coreml.file import open_core_ml
from dsconv.formats.coreml.network import Network
from dsconv.runtime.coreml.network import NetworkEvaluator
from tests.runtime.coreml.layer_networks import add_layer, coremltools, evaluator, new_model

GENERATOR = np.random.default_rng(3)
CELLS, INPUTS = 4, 3
GATES = "ifoz"
W = {gate: GENERATOR.normal(size=(CELLS, INPUTS)).astype(np.float32) for gate in GATES}
R = {gate: GENERATOR.normal(size=(CELLS, CELLS)).astype(np.float32) for gate in GATES}
BIASES = {gate: GENERATOR.normal(size=CELLS).astype(np.float32) for gate in GATES}


def builder(inputs: dict[str, tuple[int, ...]], outputs: list[str]) -> Any:
    """The builder of Core ML Tools."""
    toolkit = coremltools()
    arrays = toolkit.models.datatypes
    return toolkit.models.neural_network.NeuralNetworkBuilder(
        [(name, arrays.Array(*shape)) for name, shape in inputs.items()],
        [(name, None) for name in outputs],
        disable_rank5_shape_mapping=True,
        use_float_arraytype=True,
    )


def sigmoid(value: Any) -> Any:
    """The logistic function."""
    return 1 / (1 + np.exp(-value.astype(np.float64)))


def lstm_network() -> Any:
    """Dense, clip, LSTM, dense without a bias, softmax, as the builder writes them."""
    states: dict[str, tuple[int, ...]] = {"h": (1, 1, CELLS, 1, 1), "c": (1, 1, CELLS, 1, 1)}
    network = builder({"x": (5, 2), **states}, ["y", "new_h", "new_c"])
    network.add_inner_product("dense", DENSE, DENSE_BIAS, 2, INPUTS, True, "x", "dense")
    network.add_clip("clip", "dense", "clip", 0.0, 1.0)
    network.add_expand_dims("expanded", "clip", "expanded", [1, 3, 4])
    network.add_unilstm(
        "lstm",
        [R[gate] for gate in GATES],
        [W[gate] for gate in GATES],
        [BIASES[gate] for gate in GATES],
        CELLS,
        INPUTS,
        ["expanded", "h", "c"],
        ["lstm", "new_h", "new_c"],
        output_all=True,
    )
    network.add_squeeze("squeezed", "lstm", "squeezed", [1, 3, 4])
    network.add_inner_product("product", TOP.T, None, CELLS, 3, False, "squeezed", "product")
    network.add_softmax_nd("softmax", "product", "y", -1)
    return network.spec


DENSE = GENERATOR.normal(size=(INPUTS, 2)).astype(np.float32)
DENSE_BIAS = GENERATOR.normal(size=INPUTS).astype(np.float32)
TOP = GENERATOR.normal(size=(CELLS, 3)).astype(np.float32)
FEEDS: dict[str, Any] = {
    "x": GENERATOR.normal(size=(5, 2)).astype(np.float32),
    "h": GENERATOR.normal(size=(1, 1, CELLS, 1, 1)).astype(np.float32),
    "c": GENERATOR.normal(size=(1, 1, CELLS, 1, 1)).astype(np.float32),
}


def lstm_network_by_hand() -> dict[str, Any]:
    """What the network should give, from the builder's arguments."""
    rows = np.clip(FEEDS["x"] @ DENSE.T + DENSE_BIAS, 0, 1)
    h, c = FEEDS["h"].reshape(CELLS), FEEDS["c"].reshape(CELLS)
    outputs = []
    for row in rows:
        sums = {gate: W[gate] @ row + R[gate] @ h + BIASES[gate] for gate in GATES}
        c = sigmoid(sums["f"]) * c + sigmoid(sums["i"]) * np.tanh(sums["z"])
        h = sigmoid(sums["o"]) * np.tanh(c)
        outputs.append(h)
    scores = np.exp(np.stack(outputs) @ TOP)
    states = {"new_h": h, "new_c": c}
    return {"y": scores / scores.sum(-1, keepdims=True)} | states


def check(found: dict[str, Any]) -> None:
    """The outputs of the LSTM network are right."""
    for name, expected in lstm_network_by_hand().items():
        actual = found[name].reshape(expected.shape)
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6, err_msg=name)


def test_layers_of_the_builder(tmp_path: Path) -> None:
    """Its arguments mean what its documentation says; a second run gives the same."""
    network = evaluator(lstm_network(), tmp_path)
    check(network.run(FEEDS))
    check(network.run(FEEDS))


@pytest.mark.parametrize("kind", ["WeightMatrix", "RecursionMatrix", "BiasVector"])
def test_swapped_gates_are_exposed(kind: str, tmp_path: Path) -> None:
    """Weights of the input gate where those of the forget gate belong."""
    model = lstm_network()
    (weights,) = [
        layer.uniDirectionalLSTM.weightParams
        for layer in model.neuralNetwork.layers
        if layer.name == "lstm"
    ]
    first, second = (getattr(weights, f"{gate}Gate{kind}") for gate in ("input", "forget"))
    first.floatValue[:], second.floatValue[:] = list(second.floatValue), list(first.floatValue)
    with pytest.raises(AssertionError):
        check(evaluator(model, tmp_path).run(FEEDS))


def test_transposed_weights_are_exposed(tmp_path: Path) -> None:
    """Weights of a product column by column, where the file holds them row by row."""
    model = lstm_network()
    (weights,) = [
        layer.innerProduct.weights
        for layer in model.neuralNetwork.layers
        if layer.name == "product"
    ]
    weights.floatValue[:] = TOP.reshape(-1).tolist()
    with pytest.raises(AssertionError):
        check(evaluator(model, tmp_path).run(FEEDS))


def constant(network: Any, name: str, value: float) -> None:
    """A layer that gives one number."""
    data = np.array([value], np.float32)
    add_layer(network, "loadConstantND", [], [name], {"shape": [1], "data": data}, name)


def test_all_layers_are_found(tmp_path: Path) -> None:
    """Those of the networks inside layers too, for a report; but they are not evaluated."""
    model = new_model({"x": (1,)}, ["y"])
    loop = add_layer(model.neuralNetwork, "loop", [], [], {"conditionVar": "goes_on"}, "loop")
    add_layer(loop.conditionNetwork, "lessThan", ["y"], ["goes_on"], {"alpha": 1.0})
    add_layer(loop.bodyNetwork, "add", ["x"], ["more"], {"alpha": 1.0}, "more")
    add_layer(loop.bodyNetwork, "copy", ["more"], ["y"], {}, "back")
    path = tmp_path / "model.mlmodel"
    path.write_bytes(model.SerializeToString())
    network = Network(open_core_ml(path).body)
    assert [layer.kind for layer in network.all_layers()] == "loop lessThan add copy".split()
    (found,) = network.layers
    assert list(found.networks) == ["conditionNetwork", "bodyNetwork"]
    add, _ = found.networks["bodyNetwork"].layers
    assert (add.name, add.inputs, add.outputs) == ("more", ("x",), ("more",))
    with pytest.raises(ConversionError, match=r"'loop' \(loop\) is not one that dsconv writes"):
        NetworkEvaluator(open_core_ml(path))


def copying(**shape: Any) -> Any:
    """A network that copies x; its shape, ranges or list of shapes."""
    model = new_model({"x": shape.get("usual", (2, 3))}, ["y"])
    array = model.description.input[0].type.multiArrayType
    for least, most in shape.get("ranges", ()):
        array.shapeRange.sizeRanges.add(lowerBound=least, upperBound=most)
    for sizes in shape.get("shapes", ()):
        array.enumeratedShapes.shapes.add(shape=sizes)
    add_layer(model.neuralNetwork, "copy", ["x"], ["y"], {}, "copy")
    return model


@pytest.mark.parametrize(
    ("declared", "taken", "refused"),
    [
        ({}, [(2, 3)], [(2, 2), (3, 2), (2, 3, 1), (6,)]),
        ({"ranges": [(2, 2), (1, 4)]}, [(2, 1), (2, 4)], [(2, 5), (1, 1), (2,), (2, 0)]),
        ({"ranges": [(2, 2), (1, -1)]}, [(2, 999)], [(2, 0)]),
        ({"shapes": [(2, 3), (2, 5)]}, [(2, 3), (2, 5)], [(2, 4)]),
    ],
)
def test_shapes_that_the_model_takes(
    declared: dict[str, Any], taken: Any, refused: Any, tmp_path: Path
) -> None:
    """Those that it declares, and no others; what comes out is a copy in float32."""
    network = evaluator(copying(**declared), tmp_path)
    for shape in taken:
        array = np.full(shape, 7, np.int32)
        found = network.run({"x": array})["y"]
        assert found.shape == shape
        assert found.dtype == np.float32
        assert found.flags.writeable
    for shape in refused:
        with pytest.raises(ConversionError, match=r"input 'x' was fed with shape \["):
            network.run({"x": np.zeros(shape, np.float32)})


def test_outputs_belong_to_the_caller(tmp_path: Path) -> None:
    """Changing them changes no weights, which are kept for the next run."""
    model = new_model({"x": (1,)}, ["y"])
    constant(model.neuralNetwork, "y", 5.0)
    network = evaluator(model, tmp_path)
    network.run({"x": np.zeros(1)})["y"][0] = 6
    assert network.run({"x": np.zeros(1)})["y"].tolist() == [5]


def test_inputs_that_are_missing_or_not_known(tmp_path: Path) -> None:
    """Each by its name."""
    network = evaluator(copying(), tmp_path)
    with pytest.raises(ConversionError, match="input 'x' is missing; feed it"):
        network.run({})
    with pytest.raises(ConversionError, match="'z' is not an input; feed x"):
        network.run({"x": np.zeros((2, 3)), "z": np.zeros(1)})


def preprocess(model: Any) -> None:
    model.neuralNetwork.preprocessing.add(featureName="x").scaler.channelScale = 2.0


def make_updatable(model: Any) -> None:
    model.neuralNetwork.updateParams.SetInParent()


def map_to_rank_5(model: Any) -> None:
    model.neuralNetwork.arrayInputShapeMapping = 0


def take_image(model: Any) -> None:
    model.description.input[0].type.imageType.width = 5


def classify(model: Any) -> None:
    model.neuralNetworkClassifier.SetInParent()


def leave_output_out(model: Any) -> None:
    model.neuralNetwork.layers[0].output[0] = "other"


def read_from_nowhere(model: Any) -> None:
    model.neuralNetwork.layers[0].input[0] = "nothing"


def add_field(model: Any) -> None:
    model.neuralNetwork.MergeFromString(b"\x98\x06\x01")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (preprocess, "has preprocessing"),
        (make_updatable, "has updateParams"),
        (map_to_rank_5, "arrayInputShapeMapping is not EXACT_ARRAY_MAPPING"),
        (take_image, "'x' is not an array"),
        (classify, "model of kind 403"),
        (leave_output_out, "no layer has computed the output 'y'"),
        (read_from_nowhere, "layer 'copy' needs 'nothing'"),
        (add_field, r"neural network has fields \[99\]"),
    ],
)
def test_what_would_change_the_numbers_is_refused(change: Any, says: str, tmp_path: Path) -> None:
    """By its name, where it cannot be computed."""
    model = copying()
    change(model)
    with pytest.raises(ConversionError, match=says):
        evaluator(model, tmp_path).run({"x": np.zeros((2, 3), np.float32)})


def test_damaged_weights_name_their_layer(tmp_path: Path) -> None:
    """A value is missing."""
    model = lstm_network()
    model.neuralNetwork.layers[0].innerProduct.weights.floatValue.pop()
    with pytest.raises(ModelError, match="layer 'dense', weights: weights take 20 bytes"):
        evaluator(model, tmp_path).run(FEEDS)


def test_a_layer_without_parameters_is_damaged(tmp_path: Path) -> None:
    """Which kind it is, nothing tells."""
    model = copying()
    model.neuralNetwork.layers.add(name="empty", input=["x"], output=["z"])
    with pytest.raises(ModelError, match="layer 'empty' has no parameters"):
        evaluator(model, tmp_path)


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    """No end of a file makes it another model, nor an error that dsconv does not know."""
    whole = lstm_network().SerializeToString()
    path = tmp_path / "model.mlmodel"
    for size in range(1, len(whole), 37):
        path.write_bytes(whole[:size])
        with pytest.raises((ConversionError, ModelError)):
            NetworkEvaluator(open_core_ml(path)).run(FEEDS)
