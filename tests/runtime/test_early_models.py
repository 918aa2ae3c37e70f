"""Models of 0.2 to 0.5, of several clips and without states, in the loop that runs them all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dsconv.errors import ConversionError
from dsconv.formats.graphdef.cut import cut_states
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.steps import DYNAMIC, set_steps
from dsconv.runtime.graph import NumpyGraphModel, TensorFlowGraphModel
from dsconv.runtime.model import State
from dsconv.runtime.stream import Stream
from dsconv.speech.settings import EVERY_SECOND, HAMMING, FeatureSettings
from tests.acoustic.early import (
    SIBLINGS,
    Version,
    early,
    packed_sizes,
    stateless,
    without_lengths,
)
from tests.acoustic.edits import attributes, batch_of_two
from tests.runtime.speech import distance, of_features, run_clip

FEATURES = np.random.default_rng(3).normal(size=(45, 26)).astype(np.float32)
TOLERANCE = 1e-6


@pytest.mark.parametrize("version", SIBLINGS)
def test_how_early_models_are_run(version: Version, small_graph: Graph) -> None:
    """The interface is read from the graph, features from its version."""
    interface = NumpyGraphModel(early(small_graph, version)).interface
    assert (interface.steps, interface.batch, interface.context) == (16, 1, 9)
    assert (interface.states, interface.stateless, interface.takes_whole_clips) == (
        (),
        False,
        False,
    )
    assert interface.kept == (
        State("previous_state_c", "new_state_c", (1, 32)),
        State("previous_state_h", "new_state_h", (1, 32)),
    )
    number, _, option = version.partition(" ")
    assert (interface.lengths is None) == bool(option)
    assert interface.gives_logits == (number == "0.2")
    if number == "0.5":
        assert isinstance(interface.features_from, FeatureSettings)
    else:
        assert interface.features_from == {"0.2": EVERY_SECOND, "0.4": HAMMING}[number]


@pytest.mark.parametrize("version", SIBLINGS)
def test_variables_are_kept_and_reset(version: Version, small_graph: Graph) -> None:
    """What the cut graph gives with its states fed back, and again from the start.

    The states are shown too, after each call whose frames are all valid.
    """
    graph = early(small_graph, version)
    # The cut graph says no version, so it may be run with any features: here they are given.
    cut = list(Stream(NumpyGraphModel(cut_states(graph))).run_clip(of_features(FEATURES)))
    model = NumpyGraphModel(graph)
    for _ in range(2):
        found, _ = run_clip(model, FEATURES)
        assert distance(found, np.concatenate([chunk.probabilities for chunk in cut])) <= TOLERANCE
        chunks = list(Stream(model).run_clip(of_features(FEATURES)))
        assert [chunk.states is None for chunk in chunks] == [False, False, "without" in version]
        for chunk, expected in zip(chunks, cut, strict=True):
            assert set(chunk.states or {}) == set(expected.states or {})
            for name, state in (chunk.states or {}).items():
                assert expected.states is not None
                assert distance(state, expected.states[name]) <= TOLERANCE
    alone, _ = run_clip(model, FEATURES[16:32])
    assert distance(alone, found[16:32]) > 1e-3


def test_raw_scores_become_probabilities(small_graph: Graph) -> None:
    """As the softmax of 0.4 gives them."""
    raw, _ = run_clip(NumpyGraphModel(early(small_graph, "0.2")), FEATURES)
    probabilities, _ = run_clip(NumpyGraphModel(early(small_graph, "0.4")), FEATURES)
    np.testing.assert_allclose(raw.sum(axis=1), 1, rtol=0, atol=1e-6)
    assert distance(raw, probabilities) <= TOLERANCE
    assert raw.min() >= 0


@pytest.mark.parametrize("version", [None, *SIBLINGS])
def test_a_model_of_two_clips_gives_what_that_of_one_gives(
    version: Version | None, small_graph: Graph
) -> None:
    """The clip goes to both; the states are those of the first."""
    graphs = [small_graph, batch_of_two(small_graph)]
    if version:
        graphs = [early(graph, version) for graph in graphs]
    one, two = (NumpyGraphModel(graph) for graph in graphs)
    assert two.interface.batch == 2
    (expected, states), (found, others) = (run_clip(model, FEATURES) for model in (one, two))
    assert distance(found, expected) <= TOLERANCE
    assert others.size == states.size == (0 if "without" in (version or "") else 2 * 32)
    assert distance(others.reshape(-1), states.reshape(-1)) <= TOLERANCE


def test_both_places_get_the_clip(small_graph: Graph) -> None:
    """And its length."""
    model = NumpyGraphModel(batch_of_two(small_graph))
    fed: list[dict[str, Any]] = []
    call = model.call

    def spy(inputs: Any, outputs: list[str]) -> Any:
        fed.append(inputs)
        return call(inputs, outputs)

    model.call = spy  # type: ignore[method-assign]
    run_clip(model, FEATURES[:20])
    assert [inputs["input_lengths"].tolist() for inputs in fed] == [[16, 16], [4, 4]]
    for inputs in fed:
        first, second = inputs["input_node"]
        assert np.array_equal(first, second)
        assert first.any()


@pytest.mark.parametrize("batch", [-1, 1, 2])
def test_without_states_a_clip_is_run_in_one_call(batch: int, small_graph: Graph) -> None:
    """So it gives what a model with states gives in many."""
    model = NumpyGraphModel(stateless(set_steps(small_graph, DYNAMIC), batch))
    interface = model.interface
    assert (interface.stateless, interface.takes_whole_clips) == (True, True)
    assert interface.batch == max(1, batch)
    chunks = list(Stream(model).run_clip(of_features(FEATURES), 16))
    assert len(chunks) == 1
    assert chunks[0].states is None
    expected, _ = run_clip(NumpyGraphModel(small_graph), FEATURES)
    assert distance(chunks[0].probabilities, expected) <= TOLERANCE


def test_without_states_only_clips_of_the_steps_can_be_run(small_graph: Graph) -> None:
    """Chunks of others would each start from zeros, which is silently wrong."""
    model = NumpyGraphModel(stateless(small_graph))
    with pytest.raises(ConversionError, match="it takes 16 frames and keeps no states"):
        run_clip(model, FEATURES)
    found, _ = run_clip(model, FEATURES[:16])
    expected, _ = run_clip(NumpyGraphModel(small_graph), FEATURES[:16])
    assert distance(found, expected) <= TOLERANCE


@pytest.mark.tensorflow
@pytest.mark.parametrize("steps", [16, DYNAMIC])
@pytest.mark.parametrize("version", SIBLINGS)
def test_the_evaluator_keeps_variables_as_tensorflow_does(
    version: Version, steps: int, small_graph: Graph, tensorflow: Any
) -> None:
    """Call after call, from `initialize_state` on, and shows them as TensorFlow does."""
    graph = early(set_steps(batch_of_two(small_graph), steps), version)
    models = TensorFlowGraphModel(graph), NumpyGraphModel(graph)
    assert models[0].interface.runtime == f"tensorflow {tensorflow.__version__}"
    rng = np.random.default_rng(4)
    for model in models:
        model.reset()
    outputs = ["logits", "new_state_c", "new_state_h"]
    for lengths in ([16, 3], [5, 16], [16, 16]):
        fed: dict[str, Any] = {"input_node": rng.normal(size=(2, 16, 19, 26)).astype(np.float32)}
        if "input_lengths" in graph:
            fed["input_lengths"] = np.array(lengths, np.int32)
        expected, found = (model.call(fed, outputs) for model in models)
        for name in outputs:
            assert distance(found[name], expected[name]) <= TOLERANCE
            assert found[name].any()


@pytest.mark.tensorflow
@pytest.mark.parametrize("steps", [1, 16, DYNAMIC])
@pytest.mark.parametrize("clips", [1, 2])
def test_later_graphs_without_lengths_run_as_in_tensorflow(
    clips: int, steps: int, small_graph: Graph, tensorflow: Any
) -> None:
    """With the batch size as a number, and taken from shapes."""
    assert tensorflow is not None
    graph = set_steps(small_graph if clips == 1 else batch_of_two(small_graph), steps)
    shorter = without_lengths(graph)
    for changed in (packed_sizes(graph), shorter, packed_sizes(shorter)):
        models = NumpyGraphModel(changed), TensorFlowGraphModel(changed)
        (found, states), (expected, wanted) = (run_clip(model, FEATURES[:32]) for model in models)
        assert states.size == 2 * 32
        assert max(distance(found, expected), distance(states, wanted)) <= TOLERANCE


@pytest.mark.tensorflow
def test_graphs_without_states_or_lengths_run_as_in_tensorflow(
    small_graph: Graph, tensorflow: Any
) -> None:
    """A clip in one call, of any number of steps and clips."""
    assert tensorflow is not None
    graph = without_lengths(stateless(set_steps(small_graph, DYNAMIC)))
    models = NumpyGraphModel(graph), TensorFlowGraphModel(graph)
    (found, _), (expected, _) = (run_clip(model, FEATURES) for model in models)
    assert distance(found, expected) <= TOLERANCE


def test_other_windows_of_0_5(small_graph: Graph) -> None:
    """The front end in the graph says how features are made, not the era."""
    graph = attributes("AudioSpectrogram", window_size=400, stride=160)(early(small_graph, "0.5"))
    settings = NumpyGraphModel(graph).interface.feature_settings
    assert (settings.window, settings.step) == (400, 160)
