"""Graphs of 0.2 to 0.5 in every format: features, labels and rate go along, scores as asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.overrides import Overrides
from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.fixtures.demo_model import SPEECH
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.steps import DYNAMIC, set_steps
from dsconv.formats.toolkits import import_onnx
from dsconv.inspect.parity.validate import Options as HowToValidate
from dsconv.inspect.parity.validate import validate_models
from dsconv.runtime.registry import open_model
from dsconv.speech.alphabet import Alphabet
from dsconv.speech.corpus import find_clips, shortest
from dsconv.speech.settings import EVERY_SECOND, HAMMING, EarlySettings
from tests.acoustic.early import SIBLINGS, Version, early, packed_sizes, without_lengths
from tests.acoustic.edits import batch_of_two
from tests.convert.conversions import convert, converted, saved
from tests.runtime.speech import distance, run_clip

BUILT = ("onnx", "openvino", "tflite", "coreml")
FEATURES = np.random.default_rng(6).normal(size=(40, 26)).astype(np.float32)
OTHER = Alphabet(tuple(reversed(Alphabet.english().labels)))
NO_ALPHABET = "the graph holds no alphabet, so the English one is taken"
NO_RATE = "the graph does not say its sample rate, so 16000 Hz is taken"
TWO_CLIPS = "the graph takes 2 clips a call, the result takes one."


def source(graph: Graph, version: Version, folder: Path) -> Path:
    """A graph of a version as a file."""
    return saved(early(graph, version), folder / "source.pb")


@pytest.mark.parametrize("target", BUILT)
@pytest.mark.parametrize(("version", "features"), [("0.2", EVERY_SECOND), ("0.4", HAMMING)])
def test_features_and_labels_go_along(
    version: Version, features: EarlySettings, target: str, small_graph: Graph, tmp_path: Path
) -> None:
    """The converted file says what was assumed of the graph, and says the same of speech."""
    path = source(small_graph, version, tmp_path)
    interface = converted(target, path, tmp_path / "a", precision="fp32").interface
    assert interface.features_from == features
    assert interface.feature_settings == features
    assert interface.alphabet == Alphabet.english()
    assert interface.metadata.sample_rate == 16000
    assert (interface.metadata.feature_win_len, interface.metadata.feature_win_step) == (
        features.window_ms,
        20,
    )
    assert not interface.gives_logits


@pytest.mark.parametrize("target", BUILT)
def test_what_the_user_says_goes_along(target: str, small_graph: Graph, tmp_path: Path) -> None:
    """The alphabet and the rate, also into how features are made."""
    path = source(small_graph, "0.4", tmp_path)
    model = converted(target, path, tmp_path / "a", overrides=Overrides(OTHER, 8000))
    assert model.interface.alphabet == OTHER
    assert model.interface.metadata.sample_rate == 8000
    assert model.interface.feature_settings.sample_rate == 8000
    assert model.interface.metadata.assumed == ()


@pytest.mark.parametrize("target", BUILT)
@pytest.mark.parametrize("version", ["0.2", "0.4"])
def test_scores_are_as_asked(
    version: Version, target: str, small_graph: Graph, tmp_path: Path
) -> None:
    """A softmax or none, whatever the graph has; the loop makes probabilities of either."""
    path = source(small_graph, version, tmp_path)
    with_softmax = converted(target, path, tmp_path / "with", precision="fp32")
    logits = converted(target, path, tmp_path / "raw", precision="fp32", scores="logits")
    assert (with_softmax.interface.gives_logits, logits.interface.gives_logits) == (False, True)
    windows = np.random.default_rng(7).normal(size=(1, 16, 19, 26)).astype(np.float32)
    sums = [called(model, windows).sum(axis=-1) for model in (with_softmax, logits)]
    np.testing.assert_allclose(sums[0], 1, rtol=0, atol=1e-5)
    assert np.abs(sums[1] - 1).max() > 1e-2
    expected, _ = run_clip(open_model(path), FEATURES)
    for model in (with_softmax, logits):
        found, _ = run_clip(model, FEATURES)
        assert distance(found, expected) <= 1e-5


def called(model: Any, windows: Any) -> Any:
    """The scores of a call from zeros, as the model gives them."""
    interface = model.interface
    fed = {state.input: np.zeros(state.shape, np.float32) for state in interface.states}
    fed[interface.windows.name] = windows
    if interface.lengths is not None:
        fed[interface.lengths.name] = np.array([16], interface.lengths.dtype)
    outputs = ["logits", *(state.output for state in interface.states)]
    return np.asarray(model.call(fed, outputs)["logits"]).reshape(16, -1)


def test_raw_scores_are_validated_as_probabilities(small_graph: Graph, tmp_path: Path) -> None:
    """Either against the other: both are compared after the softmax."""
    path = source(small_graph, "0.4", tmp_path)
    logits = convert("onnx", path, tmp_path / "raw", scores="logits")
    plain = convert("onnx", path, tmp_path / "plain")
    how = HowToValidate(beam=2)
    for reference, candidates in ((path, [logits, plain]), (logits, [plain])):
        result = validate_models(reference, candidates, shortest(find_clips([SPEECH]), 1), how)
        assert [candidate.verdict for candidate in result.candidates] == ["pass"] * len(candidates)


@pytest.mark.parametrize("target", BUILT)
def test_what_is_assumed_is_said(target: str, small_graph: Graph, tmp_path: Path) -> None:
    """A note for the alphabet and for the rate; none for what the user said, or the graph."""
    path = source(small_graph, "0.4", tmp_path)
    assert notes(target, path) >= {NO_ALPHABET, NO_RATE}
    assert notes(target, path, overrides=Overrides(OTHER)) & {NO_ALPHABET, NO_RATE} == {NO_RATE}
    said = notes(target, path, overrides=Overrides(OTHER, 16000))
    assert not said & {NO_ALPHABET, NO_RATE}
    own = saved(early(small_graph, "0.5"), tmp_path / "five.pb")
    assert notes(target, own) & {NO_ALPHABET, NO_RATE} == {NO_ALPHABET}


@pytest.mark.parametrize("target", BUILT)
def test_a_batch_of_two_becomes_one(target: str, small_graph: Graph, tmp_path: Path) -> None:
    """Which is said; it gives what the graph gives for its first clip."""
    path = saved(early(batch_of_two(small_graph), "0.4"), tmp_path / "source.pb")
    assert TWO_CLIPS in notes(target, path)
    model = converted(target, path, tmp_path / "a", precision="fp32")
    assert model.interface.batch == 1
    found, _ = run_clip(model, FEATURES)
    expected, _ = run_clip(open_model(path), FEATURES)
    assert distance(found, expected) <= 1e-5


def notes(target: str, path: Path, **asked: Any) -> set[str]:
    """What a conversion says, without the advice after a semicolon."""
    output = path.with_name(f"noted{TARGETS[target].suffix_for(Options())}")
    found = convert_file(TARGETS[target], path, output, options=Options(**asked), force=True)
    return {note.split(";")[0] for note in found.notes}


@pytest.mark.parametrize("target", BUILT)
@pytest.mark.parametrize("steps", [1, 16, DYNAMIC])
@pytest.mark.parametrize("version", SIBLINGS)
def test_every_sibling_gives_what_its_graph_gives(
    version: Version, steps: int, target: str, small_graph: Graph, tmp_path: Path
) -> None:
    """With lengths and without, of one step, some and any number."""
    path = saved(early(set_steps(small_graph, steps), version), tmp_path / "source.pb")
    model = converted(target, path, tmp_path / "a", precision="fp32")
    (found, states), (wanted, expected) = (
        run_clip(each, FEATURES[:32]) for each in (model, open_model(path))
    )
    assert distance(found, wanted) <= 1e-5
    assert distance(states, expected) <= 1e-5
    assert states.size == 2 * 32


@pytest.mark.parametrize("target", BUILT)
@pytest.mark.parametrize("steps", [1, DYNAMIC])
@pytest.mark.parametrize("clips", [1, 2])
def test_later_graphs_without_lengths_give_what_they_gave(
    clips: int, steps: int, target: str, small_graph: Graph, tmp_path: Path
) -> None:
    """Where states are inputs and outputs, with the batch size constant or not."""
    graph = set_steps(small_graph if clips == 1 else batch_of_two(small_graph), steps)
    for number, changed in enumerate((without_lengths(graph), packed_sizes(graph))):
        path = saved(changed, tmp_path / f"{number}.pb")
        model = converted(target, path, tmp_path / f"{number}", precision="fp32")
        (found, states), (wanted, expected) = (
            run_clip(each, FEATURES[:32]) for each in (model, open_model(path))
        )
        assert max(distance(found, wanted), distance(states, expected)) <= 1e-5


def swapped_states(model: Any) -> None:
    """Each state goes in and comes out under the other one's name."""
    names = {
        f"{kind}_state_{letter}": f"{kind}_state_{other}"
        for kind in ("previous", "new")
        for letter, other in ("ch", "hc")
    }
    for value in (*model.graph.input, *model.graph.output):
        value.name = names.get(value.name, value.name)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]


def ignored_lengths(model: Any) -> None:
    """All frames count, whatever goes in."""
    all_valid = import_onnx().numpy_helper.from_array(np.array([16], np.int32), "all_valid")
    model.graph.initializer.append(all_valid)
    for node in model.graph.node:
        node.input[:] = ["all_valid" if name == "input_lengths" else name for name in node.input]


@pytest.mark.parametrize("version", ["0.2", "0.4", "0.5"])
@pytest.mark.parametrize("sabotage", [swapped_states, ignored_lengths])
def test_wrong_states_are_noticed(
    sabotage: Any, version: Version, small_graph: Graph, tmp_path: Path
) -> None:
    """Though the graph keeps its own in variables, and the probabilities are right."""
    path = source(small_graph, version, tmp_path)
    right = convert("onnx", path, tmp_path / "right")
    wrong = tmp_path / "wrong.onnx"
    model = import_onnx().load(str(right))
    sabotage(model)
    wrong.write_bytes(model.SerializeToString())
    clips = shortest(find_clips([SPEECH]), 1)
    result = validate_models(path, [right, wrong], clips, HowToValidate(beam=2))
    passed, failed = result.candidates
    assert (passed.verdict, failed.verdict) == ("pass", "fail")
    compared = {part.tensor for part in passed.differences}
    assert {"new_state_c", "new_state_h"} <= compared
    off = {part.tensor for part in failed.differences if not part.passed}
    assert off == {"new_state_c", "new_state_h"}
