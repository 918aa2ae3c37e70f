"""Networks that are put together layer by layer: loops, branches, inputs, and what is refused."""

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
    """Dense, clip, LSTM, product with weights, softmax, as the builder writes them."""
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
    network.add_batched_mat_mul("product", ["squeezed"], "product", False, False, CELLS, 3, TOP)
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
    for name, wanted in lstm_network_by_hand().items():
        actual = found[name].reshape(wanted.shape)
        np.testing.assert_allclose(actual, wanted, rtol=0, atol=1e-6, err_msg=name)


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
    """Weights of a product row by row, where the file holds them column by column."""
    model = lstm_network()
    (weights,) = [
        layer.batchedMatmul.weights
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


def counting_loop(most: int = 0, below: float | None = None, limit_input: bool = False) -> Any:
    """A network whose loop adds x to "sum" and counts its rounds in "count"."""
    inputs = {"x": (1,), "limit": (1,)} if limit_input else {"x": (1,)}
    model = new_model(inputs, ["sum", "count"])
    network = model.neuralNetwork
    constant(network, "sum", 0.0)
    constant(network, "count", 0.0)
    loop = add_layer(network, "loop", ["limit"] if limit_input else [], [], {}, "loop")
    loop.maxLoopIterations = most
    if below is not None:
        loop.conditionVar = "goes_on"
        add_layer(loop.conditionNetwork, "lessThan", ["sum"], ["goes_on"], {"alpha": below})
    add_layer(loop.bodyNetwork, "addBroadcastable", ["sum", "x"], ["next"], {}, "next")
    add_layer(loop.bodyNetwork, "copy", ["next"], ["sum"], {}, "back")
    add_layer(loop.bodyNetwork, "add", ["count"], ["more"], {"alpha": 1.0}, "more")
    add_layer(loop.bodyNetwork, "copy", ["more"], ["count"], {}, "counted")
    return model


@pytest.mark.parametrize(
    ("options", "feeds", "total", "rounds"),
    [
        ({"most": 3}, {"x": 2}, 6, 3),
        ({}, {"x": 2}, 0, 0),
        ({"below": 5.0}, {"x": 2}, 6, 3),
        ({"below": 0.0}, {"x": 2}, 0, 0),
        ({"below": 5.0, "most": 2}, {"x": 2}, 4, 2),
        ({"below": 5.0, "most": 9}, {"x": 2}, 6, 3),
        ({"most": 9, "limit_input": True}, {"x": 2, "limit": 4}, 8, 4),
        ({"below": 5.0, "most": 1, "limit_input": True}, {"x": 1, "limit": 4}, 4, 4),
        ({"below": 5.0, "limit_input": True}, {"x": 1, "limit": 0}, 0, 0),
    ],
)
def test_loops(
    options: dict[str, Any], feeds: dict[str, float], total: float, rounds: float, tmp_path: Path
) -> None:
    """So many rounds, or while a condition holds, or both; an input replaces the parameter."""
    arrays = {name: np.array([value], np.float32) for name, value in feeds.items()}
    found = evaluator(counting_loop(**options), tmp_path).run(arrays)
    assert (found["sum"].tolist(), found["count"].tolist()) == ([total], [rounds])


@pytest.mark.parametrize(("kind", "total", "rounds"), [("loopBreak", 6, 2), ("loopContinue", 8, 2)])
def test_a_loop_that_is_left(kind: str, total: float, rounds: float, tmp_path: Path) -> None:
    """From the sum 6 on, the layers behind the jump, which count, do not run any more."""
    model = counting_loop(most=4)
    loop = model.neuralNetwork.layers[2].loop
    counting = [
        type(layer).FromString(layer.SerializeToString()) for layer in loop.bodyNetwork.layers
    ]
    del loop.bodyNetwork.layers[2:]
    add_layer(loop.bodyNetwork, "greaterEqual", ["sum"], ["enough"], {"alpha": 6.0}, "enough")
    branch = add_layer(loop.bodyNetwork, "branch", ["enough"], [], {}, "branch")
    add_layer(branch.ifBranch, kind, [], [], {}, "jump")
    loop.bodyNetwork.layers.extend(counting[2:])
    found = evaluator(model, tmp_path).run({"x": np.array([2], np.float32)})
    assert (found["sum"].tolist(), found["count"].tolist()) == ([total], [rounds])


@pytest.mark.parametrize(
    ("value", "expected"), [(1.0, 10.0), (-1.0, 10.0), (1e-5, 10.0), (1e-7, 20.0), (0.0, 20.0)]
)
def test_branches(value: float, expected: float, tmp_path: Path) -> None:
    """What is closer to 0 than 1e-6 is false."""
    model = new_model({"x": (1,)}, ["y"])
    branch = add_layer(model.neuralNetwork, "branch", ["x"], [], {}, "branch")
    constant(branch.ifBranch, "y", 10.0)
    constant(branch.elseBranch, "y", 20.0)
    found = evaluator(model, tmp_path).run({"x": np.array([value], np.float32)})
    assert found["y"].tolist() == [expected]


def test_a_branch_without_an_alternative(tmp_path: Path) -> None:
    """Nothing happens where the condition does not hold."""
    model = new_model({"x": (1,)}, ["y"])
    constant(model.neuralNetwork, "y", 5.0)
    branch = add_layer(model.neuralNetwork, "branch", ["x"], [], {}, "branch")
    constant(branch.ifBranch, "z", 10.0)
    add_layer(branch.ifBranch, "copy", ["z"], ["y"], {}, "copy")
    network = evaluator(model, tmp_path)
    assert network.run({"x": np.ones(1)})["y"].tolist() == [10]
    assert network.run({"x": np.zeros(1)})["y"].tolist() == [5]


def test_all_layers_are_found(tmp_path: Path) -> None:
    """Those of the networks inside layers too, for a report."""
    path = tmp_path / "model.mlmodel"
    path.write_bytes(counting_loop(below=1.0).SerializeToString())
    network = Network(open_core_ml(path).body)
    assert [layer.kind for layer in network.all_layers()] == (
        "loadConstantND loadConstantND loop lessThan addBroadcastable copy add copy".split()
    )
    loop = network.layers[2]
    assert list(loop.networks) == ["conditionNetwork", "bodyNetwork"]
    add = loop.networks["bodyNetwork"].layers[2]
    assert (add.name, add.inputs, add.outputs) == ("more", ("count",), ("more",))


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
    with pytest.raises(ConversionError, match="input 'x' is needed and was not fed"):
        network.run({})
    with pytest.raises(ConversionError, match="'z' was fed, which is no input"):
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


def jump_outside(model: Any) -> None:
    add_layer(model.neuralNetwork, "loopBreak", [], [], {}, "jump")


def jump_from_condition(model: Any) -> None:
    loop = add_layer(model.neuralNetwork, "loop", [], [], {"conditionVar": "c"}, "loop")
    add_layer(loop.conditionNetwork, "loopContinue", [], [], {}, "jump")
    add_layer(loop.bodyNetwork, "copy", ["x"], ["z"], {}, "copy")


def drop_body(model: Any) -> None:
    add_layer(model.neuralNetwork, "loop", [], [], {"maxLoopIterations": 3}, "loop")


def drop_condition(model: Any) -> None:
    loop = add_layer(model.neuralNetwork, "loop", [], [], {"conditionVar": "c"}, "loop")
    add_layer(loop.bodyNetwork, "copy", ["x"], ["z"], {}, "copy")


def add_field(model: Any) -> None:
    model.neuralNetwork.MergeFromString(b"\x98\x06\x01")


def widen_condition(model: Any) -> None:
    branch = add_layer(model.neuralNetwork, "branch", ["x"], [], {}, "branch")
    constant(branch.ifBranch, "z", 1.0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (preprocess, "has preprocessing"),
        (make_updatable, "has updateParams"),
        (map_to_rank_5, "arrayInputShapeMapping is not EXACT_ARRAY_MAPPING"),
        (take_image, "'x' is no array"),
        (classify, "model of kind 403"),
        (leave_output_out, "no layer has computed the output 'y'"),
        (read_from_nowhere, "layer 'copy' needs 'nothing'"),
        (jump_outside, "'jump' is a loopBreak outside of a loop"),
        (jump_from_condition, "'jump' is a loopContinue outside of a loop"),
        (drop_body, "'loop' is a loop without bodyNetwork"),
        (drop_condition, "only one of conditionNetwork and conditionVar"),
        (add_field, r"neural network has fields \[99\]"),
        (widen_condition, r"'branch' is a branch with a condition of shape \[2, 3\]"),
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
