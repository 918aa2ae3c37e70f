"""A saved program that is not the network is exposed: by other numbers, or by an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.errors import ModelError
from dsconv.formats.coreml.file import open_core_ml
from dsconv.formats.graphdef.graph import Graph
from dsconv.runtime.coreml.evaluator import ProgramEvaluator
from dsconv.runtime.evaluator import Evaluator
from tests.runtime.coreml.toolkit import converted, quiet_coremltools, saved

FRAMES = 16
OUTPUTS = ("logits", "new_state_c", "new_state_h")
# Differences of correct programs stay below this.
TOLERANCE = 1e-5


class Network:
    """The acoustic network with MIL's builder, from the description of the network alone.

    `gates` is the order of TensorFlow's columns i, z, f, o that makes MIL's rows i, f, o, z;
    `without_bias` names a layer; `bias_as_column` adds the biases of a layer to frames.
    """

    def __init__(
        self,
        graph: Graph,
        gates: tuple[int, ...] = (0, 2, 3, 1),
        without_bias: str = "",
        bias_as_column: str = "",
        clip: float = 20.0,
    ) -> None:
        from coremltools.converters.mil.mil import Builder

        self._mil, self._graph, self._clip = Builder, graph, np.float32(clip)
        self._gates, self._without, self._column = list(gates), without_bias, bias_as_column

    def outputs(self, input_node: Any, previous_state_c: Any, previous_state_h: Any) -> Any:
        """The outputs, given the inputs."""
        mil = self._mil
        x = mil.reshape(x=input_node, shape=[FRAMES, 19 * 26])
        for layer in ("layer_1", "layer_2", "layer_3"):
            x = self._clipped(layer, x)
        x = mil.reshape(x=x, shape=[FRAMES, 1, self.cells])
        y, h, c = mil.lstm(
            x=x, initial_h=previous_state_h, initial_c=previous_state_c, **self.lstm_weights()
        )
        x = self._clipped("layer_5", mil.reshape(x=y, shape=[FRAMES, self.cells]))
        scores = self._dense("layer_6", x)
        scores = mil.reshape(x=scores, shape=[FRAMES, 1, scores.shape[1]])
        return (
            mil.softmax(x=scores, axis=-1, name="logits"),
            mil.identity(x=c, name="new_state_c"),
            mil.identity(x=h, name="new_state_h"),
        )

    @property
    def cells(self) -> int:
        """The number of cells."""
        return len(self._constant("layer_5/weights"))

    def _clipped(self, layer: str, x: Any) -> Any:
        return self._mil.clip(x=self._dense(layer, x), alpha=np.float32(0), beta=self._clip)

    def _dense(self, layer: str, x: Any) -> Any:
        weight = np.ascontiguousarray(self._constant(f"{layer}/weights").T)
        bias = self._constant(f"{layer}/bias")
        if layer == self._column:
            product = self._mil.linear(x=x, weight=weight)
            return self._mil.add(x=product, y=np.ascontiguousarray(bias[:FRAMES, None]))
        given = {} if layer == self._without else {"bias": bias}
        return self._mil.linear(x=x, weight=weight, **given)

    def lstm_weights(self) -> dict[str, Any]:
        """The LSTM's weights in MIL's order."""
        node = next(node for node in self._graph if node.op == "BlockLSTM")
        kernel, bias = (self._constant(str(node.data_inputs[index])) for index in (4, 8))
        cells = self.cells
        columns = kernel.reshape(-1, 4, cells)[:, self._gates].reshape(-1, 4 * cells).T
        weights = {
            "weight_ih": np.ascontiguousarray(columns[:, :-cells]),
            "weight_hh": np.ascontiguousarray(columns[:, -cells:]),
            "bias": bias.reshape(4, cells)[self._gates].reshape(-1),
            "output_sequence": True,
        }
        if self._without == "lstm":
            del weights["bias"]
        return weights

    def _constant(self, name: str) -> Any:
        tensor = self._graph.constant(name)
        assert tensor is not None
        return np.array(tensor.array())


@pytest.fixture
def feeds() -> dict[str, Any]:
    """Numbers for the inputs of the network, large enough for its clipping to matter."""
    rng = np.random.default_rng(5)
    return {
        "input_node": rng.normal(0, 30, (1, FRAMES, 19, 26)).astype(np.float32),
        "previous_state_c": rng.normal(size=(1, 32)).astype(np.float32),
        "previous_state_h": rng.uniform(-1, 1, (1, 32)).astype(np.float32),
    }


Differences = Callable[..., dict[str, float]]


@pytest.fixture
def differences(small_graph: Graph, feeds: dict[str, Any], tmp_path: Path) -> Differences:
    """The largest difference of each output of a program to the graph's."""

    def compare(**sabotage: Any) -> dict[str, float]:
        evaluator = save_network(small_graph, tmp_path, **sabotage)
        found: Any = evaluator.run(feeds)
        lengths = {"input_lengths": np.array([FRAMES], np.int32)}
        expected: Any = Evaluator(small_graph).run(feeds | lengths, OUTPUTS)
        return {name: float(np.abs(found[name] - expected[name]).max()) for name in OUTPUTS}

    return compare


def save_network(graph: Graph, folder: Path, **sabotage: Any) -> ProgramEvaluator:
    """Build the network, save it and open what was saved."""
    with quiet_coremltools() as toolkit:
        from coremltools.converters.mil.mil import Builder

        inputs = [Builder.TensorSpec(s) for s in ((1, FRAMES, 19, 26), (1, 32), (1, 32))]
        network = Network(graph, **sabotage)

        def function(input_node: Any, previous_state_c: Any, previous_state_h: Any) -> Any:
            return network.outputs(input_node, previous_state_c, previous_state_h)

        model = converted(toolkit, function, inputs, "iOS16")
        return saved(model, folder / "m.mlpackage")


def test_the_network_is_the_graph(differences: Differences) -> None:
    assert max(differences().values()) < TOLERANCE


@pytest.mark.parametrize(
    "gates", [(0, 3, 2, 1), (2, 0, 3, 1), (0, 2, 1, 3), (0, 1, 2, 3), (1, 2, 3, 0)]
)
def test_gates_in_another_order(differences: Differences, gates: tuple[int, ...]) -> None:
    assert min(differences(gates=gates).values()) > 10 * TOLERANCE


@pytest.mark.parametrize("layer", ["layer_1", "layer_2", "layer_3", "lstm", "layer_5", "layer_6"])
def test_without_a_bias(differences: Differences, layer: str) -> None:
    assert differences(without_bias=layer)["logits"] > 10 * TOLERANCE


def test_bias_along_the_wrong_dimension(differences: Differences) -> None:
    assert differences(bias_as_column="layer_3")["logits"] > 10 * TOLERANCE


def test_another_clip(differences: Differences) -> None:
    assert differences(clip=19.0)["logits"] > 10 * TOLERANCE


def test_gates_swapped_in_the_file(
    small_graph: Graph, feeds: dict[str, Any], tmp_path: Path
) -> None:
    expected: Any = save_network(small_graph, tmp_path).run(feeds)
    (path,) = tmp_path.rglob("weight.bin")
    content = path.read_bytes()
    rows = Network(small_graph).lstm_weights()["weight_hh"]
    data, swapped = rows.tobytes(), rows[np.r_[32:64, :32, 64:128]].tobytes()
    assert content.count(data) == 1
    path.write_bytes(content.replace(data, swapped))
    found: Any = ProgramEvaluator(open_core_ml(tmp_path / "m.mlpackage")).run(feeds)
    assert np.abs(found["logits"] - expected["logits"]).max() > 10 * TOLERANCE


def test_a_file_of_weights_that_ends_early(
    small_graph: Graph, feeds: dict[str, Any], tmp_path: Path
) -> None:
    save_network(small_graph, tmp_path)
    (path,) = tmp_path.rglob("weight.bin")
    content = path.read_bytes()
    for size in (0, 10, 64, 100, len(content) // 2, len(content) - 1000):
        path.write_bytes(content[:size])
        with pytest.raises(ModelError):
            ProgramEvaluator(open_core_ml(tmp_path / "m.mlpackage")).run(feeds)
