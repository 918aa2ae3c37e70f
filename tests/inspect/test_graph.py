"""`inspect` tells each original export for what it is."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.errors import ModelError
from dsconv.fixtures.write import write_random_model
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.steps import DYNAMIC, set_steps
from dsconv.workflows.inspection import inspect_model
from tests.acoustic.early import SIBLINGS, Version, early, without_lengths
from tests.convert.conversions import saved

RECENT = "DeepSpeech 0.7 to 0.9, or Coqui STT"
STREAMING: dict[str, Any] = {
    "network": "streaming LSTM acoustic model",
    "frozen": True,
    "weights": "float32",
    "quantized": False,
    "n_hidden": 100,
    "steps": 16,
    "batch": 1,
    "context": 9,
    "features": 26,
    "classes": 29,
    "output": "probabilities",
    "states": "inputs and outputs",
    "takes_lengths": True,
    "layer_norm": False,
    "forget_bias": 0.0,
    "sample_rate": 16000,
    "window": 32,
    "window_step": 20,
}
OLD_STATES = {"states": "variables", "forget_bias": 1.0}
NO_AUDIO = {"sample_rate": None, "window": None, "window_step": None}
EVERY_RECENT = ["0.6.1", "0.7.4", "0.8.2", "0.9.3"]

# What differs from STREAMING, and the runtimes that open the model.
EXPECTED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "deepspeech-0.2.0-static.pb": (
        {"exported_by": "DeepSpeech 0.2", "output": "logits", **OLD_STATES, **NO_AUDIO},
        ["0.2.0"],
    ),
    "deepspeech-0.4.1-static.pb": (
        {"exported_by": "DeepSpeech 0.4", **OLD_STATES, **NO_AUDIO},
        ["0.4.1"],
    ),
    "deepspeech-0.4.1-nosl.pb": (
        {"exported_by": "DeepSpeech 0.4", "takes_lengths": False, **OLD_STATES, **NO_AUDIO},
        [],
    ),
    "deepspeech-0.5.1-static.pb": (
        {"exported_by": "DeepSpeech 0.5", "graph_version": 1, **OLD_STATES},
        ["0.5.1"],
    ),
    "deepspeech-0.6.1-static.pb": (
        {"exported_by": "DeepSpeech 0.6", "graph_version": 5, "beam_width": None},
        ["0.6.1"],
    ),
    "deepspeech-0.9.3-static.pb": (
        {"exported_by": RECENT, "graph_version": 6, "beam_width": 500},
        EVERY_RECENT,
    ),
    "deepspeech-0.9.3-dynamic.pb": ({"exported_by": RECENT, "steps": -1}, []),
    "deepspeech-0.9.3-8k-static.pb": ({"exported_by": RECENT, "sample_rate": 8000}, EVERY_RECENT),
    "deepspeech-0.9.3-bytes-static.pb": (
        {"exported_by": RECENT, "classes": 256, "bytes_output": True},
        EVERY_RECENT,
    ),
    "deepspeech-0.9.3-ln-static.pb": ({"exported_by": RECENT, "layer_norm": True}, ["0.9.3"]),
    "coqui-1.4.0-static.pb": ({"exported_by": RECENT, "graph_version": 6}, EVERY_RECENT),
}
ENGLISH = list(" abcdefghijklmnopqrstuvwxyz'")


@pytest.mark.models
@pytest.mark.parametrize("packaged", [False, True], ids=["pb", "pbmm"])
@pytest.mark.parametrize("name", EXPECTED)
def test_identity_of_streaming_exports(
    name: str, packaged: bool, models: Path, tmp_path: Path
) -> None:
    """Version, sizes, audio, states and runtimes, from the graph and from the package alike."""
    path = models / name
    if packaged:
        path = convert_file(TARGETS["pbmm"], path, tmp_path / "a.pbmm").output
    inspection = inspect_model(path)
    differences, runtimes = EXPECTED[name]
    identity = vars(inspection.identity)
    for key, value in (STREAMING | differences).items():
        assert identity[key] == value, key
    assert inspection.opened_by == [f"deepspeech {version}" for version in runtimes]
    assert (inspection.not_opened_because is None) == bool(runtimes)
    assert inspection.format == ("pbmm" if packaged else "pb")
    if identity["classes"] == 29 and identity["graph_version"] in (5, 6):
        assert identity["alphabet"] == ENGLISH


@pytest.mark.models
def test_interface_of_a_recent_export(models: Path) -> None:
    """Inputs, outputs, states and weights, by their names in the graph, without ``:0``."""
    inspection = inspect_model(models / "deepspeech-0.9.3-static.pb")
    assert {tensor.name: tensor.shape for tensor in inspection.inputs} == {
        "input_samples": [512],
        "input_node": [1, 16, 19, 26],
        "input_lengths": [1],
        "previous_state_c": [1, 100],
        "previous_state_h": [1, 100],
    }
    assert {tensor.name: (tensor.dtype, tensor.shape) for tensor in inspection.outputs} == {
        "mfccs": ("float32", [-1, 26]),
        "logits": ("float32", [16, 1, 29]),
        "new_state_c": ("float32", [1, 100]),
        "new_state_h": ("float32", [1, 100]),
    }
    assert [(state.input, state.output) for state in inspection.states] == [
        ("previous_state_c", "new_state_c"),
        ("previous_state_h", "new_state_h"),
    ]
    assert inspection.nodes == sum(inspection.ops.values()) == 120
    assert inspection.ops["BlockLSTM"] == 1
    assert len(inspection.weights) == 12
    layers = 494 * 100 + 3 * 100 * 100 + 100 * 29 + 4 * 100 + 29
    assert inspection.parameters == layers + 200 * 400 + 400
    assert inspection.parameter_bytes == 4 * inspection.parameters
    assert not any(":0" in name for name in json.dumps(inspection.to_json()).split('"'))


@pytest.mark.parametrize("steps", [16, DYNAMIC])
@pytest.mark.parametrize("version", SIBLINGS)
def test_what_exports_without_lengths_are(
    version: Version, steps: int, small_graph: Graph, tmp_path: Path
) -> None:
    """And those of any steps; 0.2 and 0.3 differ in nothing but how they use the lengths."""
    path = saved(early(set_steps(small_graph, steps), version), tmp_path / "a.pb")
    identity = inspect_model(path).identity
    number, _, option = version.partition(" ")
    label = "DeepSpeech 0.2 or 0.3" if version == "0.2 without lengths" else f"DeepSpeech {number}"
    assert (identity.exported_by, identity.states) == (label, "variables")
    assert (identity.takes_lengths, identity.steps) == (not option, steps)


@pytest.mark.parametrize("steps", [16, DYNAMIC])
def test_states_of_a_recent_export_without_lengths(
    steps: int, small_graph: Graph, tmp_path: Path
) -> None:
    """They leave by the outputs that they leave by with lengths."""
    graph = set_steps(small_graph, steps)
    for changed in (without_lengths(graph), graph):
        inspection = inspect_model(saved(changed, tmp_path / "a.pb"))
        assert inspection.identity.exported_by == RECENT
        assert inspection.identity.takes_lengths == (changed is graph)
        assert [(state.input, state.output) for state in inspection.states] == [
            ("previous_state_c", "new_state_c"),
            ("previous_state_h", "new_state_h"),
        ]


@pytest.mark.models
def test_bidirectional_and_unfrozen(models: Path) -> None:
    """The network of 0.1 is named, and so is a graph whose weights are elsewhere."""
    old = inspect_model(models / "deepspeech-0.1.1-static.pb")
    assert old.identity.network == "bidirectional LSTM acoustic model"
    assert (old.identity.n_hidden, old.identity.classes, old.identity.steps) == (100, 29, -1)
    assert old.opened_by == ["deepspeech 0.1.1"]
    unfrozen = inspect_model(models / "not-frozen-0.1.1.pb")
    assert not unfrozen.identity.frozen
    assert unfrozen.not_opened_because == "not frozen"
    assert [tensor.name for tensor in unfrozen.inputs] == ["input_node", "input_lengths"]
    assert "output_node" in [tensor.name for tensor in unfrozen.outputs]
    refusals = {target.target: target.refusal for target in unfrozen.converts_to}
    assert "not frozen" in (refusals["pbmm"] or "")
    assert "pass that to `dsconv freeze`" in (refusals["onnx"] or "")
    assert "pass its checkpoint to `dsconv freeze`" in (unfrozen.next_step or "")
    assert old.next_step is None


def test_hash_size_and_targets(small_model: Path) -> None:
    """The file's own figures, and what can be made of it."""
    inspection = inspect_model(small_model)
    data = small_model.read_bytes()
    assert inspection.bytes == len(data)
    assert inspection.sha256 == hashlib.sha256(data).hexdigest()
    targets = {target.target: target.refusal for target in inspection.converts_to}
    assert targets["pbmm"] is None
    assert "frozen graph already" in (targets["pb"] or "")


def test_json_holds_only_plain_values(small_model: Path) -> None:
    """The schema goes through JSON and back unchanged."""
    values = inspect_model(small_model).to_json()
    assert json.loads(json.dumps(values)) == values


def test_peephole_fill_of_large_models_is_no_weight(tmp_path: Path) -> None:
    """From 1000 hidden units on the exporter writes zeros in another form."""
    (path,) = write_random_model(tmp_path, n_hidden=1000)
    inspection = inspect_model(path)
    assert inspection.identity.n_hidden == 1000
    assert inspection.ops["Fill"] == 1
    assert len(inspection.weights) == 12


def test_foreign_files_are_refused_by_name(tmp_path: Path) -> None:
    """What cannot be inspected is said for what it is."""
    path = tmp_path / "model.pb"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(40))
    with pytest.raises(ModelError, match="HDF5 file"):
        inspect_model(path)
