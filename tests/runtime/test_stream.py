"""The loop over chunks gives what the whole clip in one call gives."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from dsconv.errors import ConversionError
from dsconv.fixtures.demo_model import MODEL
from dsconv.formats.graphdef.edit import freeze_input
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.graphdef.steps import DYNAMIC, set_steps
from dsconv.formats.graphdef.write import edited
from dsconv.runtime.graph import NumpyGraphModel
from dsconv.runtime.model import Tensors
from dsconv.runtime.stream import Chunk, Stream, front_end_features
from dsconv.speech.features import FloatArray
from dsconv.speech.framing import chunks, sample_windows
from tests.runtime.speech import (
    RATE,
    clip_features,
    distance,
    of_features,
    packaged_speech,
    run_clip,
)

WINDOW, STEP = 512, 320
CHUNK = 16 * STEP
WHOLE = 10**9
TOLERANCE = 1e-6
MINUTE = 60 * RATE

# Samples of clips by what is special about their length, and the frames that they give.
LENGTHS = {
    "no sample": (0, 1),
    "one sample": (1, 1),
    "a sample less than a window": (WINDOW - 1, 1),
    "one window": (WINDOW, 2),
    "16 frames": (WINDOW + 14 * STEP, 16),
    "a sample before the 17th frame": (WINDOW + 15 * STEP - 1, 16),
    "17 frames": (WINDOW + 15 * STEP, 17),
    "48 frames": (WINDOW + 46 * STEP, 48),
    "49 frames": (WINDOW + 47 * STEP, 49),
    "a minute": (MINUTE, 3000),
}


@pytest.fixture(scope="module")
def demo() -> tuple[NumpyGraphModel, NumpyGraphModel]:
    """The demo model for 16 frames per call, and for any number."""
    graph = open_graph(MODEL)
    return NumpyGraphModel(set_steps(graph, 16)), NumpyGraphModel(set_steps(graph, DYNAMIC))


@pytest.fixture
def without_lengths(small_graph: Graph) -> NumpyGraphModel:
    """A model of 16 steps that takes no number of valid frames."""
    return NumpyGraphModel(freeze_input(small_graph, "input_lengths", [16]))


def noise(samples: int) -> Any:
    """White noise, loud."""
    return np.random.default_rng(1).integers(-9000, 9000, samples).astype(np.int16)


def windows(count: int) -> FloatArray:
    """Random feature windows."""
    return np.random.default_rng(2).normal(size=(count, 19, 26)).astype(np.float32)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("sound", [packaged_speech, noise], ids=["speech", "noise"])
def test_chunks_give_what_the_whole_clip_gives(
    length: str, sound: Any, demo: tuple[NumpyGraphModel, NumpyGraphModel]
) -> None:
    """A model of any length in calls of 16 and in one call, and one of 16 frames: the same."""
    static, dynamic = demo
    samples, frames = LENGTHS[length]
    features = clip_features(dynamic, sound(samples))
    assert features.shape == (frames, 26)
    expected, expected_states = run_clip(dynamic, features, steps=WHOLE)
    assert expected.shape == (frames, 28 + 1)
    # A minute of noise lifts cells to 3000, where float32 has steps of 2.4e-4.
    tolerance = 10 * TOLERANCE if (length, sound) == ("a minute", noise) else TOLERANCE
    for model in (dynamic, static):
        found, states = run_clip(model, features)
        assert distance(found, expected) < tolerance
        # Float32 steps are those of the cells, and of the features: -247 where there is silence.
        largest = max(1, np.abs(states).max(), np.abs(features).max() / 64)
        assert distance(states, expected_states) < TOLERANCE * largest


@pytest.mark.parametrize("frames", [1, 15, 16, 17, 33])
def test_static_and_dynamic_agree_on_random_weights(frames: int, small_graph: Graph) -> None:
    """Whatever the last chunk holds, the frames and the states after it are the same."""
    features = np.random.default_rng(3).normal(size=(frames, 26)).astype(np.float32)
    dynamic = NumpyGraphModel(set_steps(small_graph, DYNAMIC))
    expected, expected_states = run_clip(dynamic, features, steps=WHOLE)
    for steps in (1, 5, 16):
        static = NumpyGraphModel(set_steps(small_graph, steps))
        for found, states in (run_clip(static, features), run_clip(dynamic, features, steps)):
            assert distance(found, expected) < TOLERANCE
            assert distance(states, expected_states) < TOLERANCE


def test_a_chunk_holds_its_frames_and_no_padding(small_graph: Graph) -> None:
    """One chunk for each 16 frames, and a last one of the rest."""
    features = np.ones((37, 26), np.float32)
    found = list(Stream(NumpyGraphModel(small_graph)).run_clip(of_features(features)))
    assert [chunk.probabilities.shape for chunk in found] == [(16, 29), (16, 29), (5, 29)]
    for chunk in found:
        assert chunk.probabilities.dtype == np.float32
        np.testing.assert_allclose(chunk.probabilities.sum(axis=1), 1, atol=1e-6)


def test_a_model_of_any_length_is_fed_as_asked(small_graph: Graph) -> None:
    """`steps` counts for a dynamic model alone, whose last call is no longer than the rest."""
    dynamic = Recorder(set_steps(small_graph, DYNAMIC))
    list(Stream(dynamic).run_clip(of_features(np.ones((23, 26), np.float32)), steps=10))
    assert dynamic.shapes == [(1, 10, 19, 26), (1, 10, 19, 26), (1, 3, 19, 26)]
    static = Recorder(small_graph)
    list(Stream(static).run_clip(of_features(np.ones((23, 26), np.float32)), steps=10))
    assert static.shapes == [(1, 16, 19, 26), (1, 16, 19, 26)]


def test_states_after_a_short_chunk_are_exact_with_lengths(small_graph: Graph) -> None:
    """The number of valid frames keeps the padding out of the states."""
    feeds = windows(7)
    expected = Stream(NumpyGraphModel(set_steps(small_graph, 7))).run(feeds)
    found = Stream(NumpyGraphModel(small_graph)).run(feeds)
    assert found.states is not None
    assert expected.states is not None
    assert set(found.states) == {"new_state_c", "new_state_h"}
    for name, state in found.states.items():
        assert (state.shape, state.dtype.name) == ((32,), "float32")
        assert distance(state, expected.states[name]) < TOLERANCE


def test_states_after_a_short_chunk_are_unknown_without_lengths(
    small_graph: Graph, without_lengths: NumpyGraphModel
) -> None:
    """Without that number the model runs on into the padding: no states are better than wrong."""
    stream = Stream(without_lengths)
    full, short = stream.run(windows(16)), stream.run(windows(7))
    assert without_lengths.interface.lengths is None
    assert short.states is None
    assert full.states is not None
    expected = Stream(NumpyGraphModel(small_graph))
    expected_value = expected.run(windows(16))
    assert expected_value.states is not None
    for name, state in full.states.items():
        assert distance(state, expected_value.states[name]) < TOLERANCE
    assert distance(short.probabilities, expected.run(windows(7)).probabilities) < TOLERANCE


def test_states_are_carried_until_a_reset(small_graph: Graph) -> None:
    """The same windows give other scores in the second call, and the first again after a reset."""
    stream = Stream(NumpyGraphModel(small_graph))
    first, second = stream.run(windows(16)), stream.run(windows(16))
    assert distance(first.probabilities, second.probabilities) > 1e-4
    stream.reset()
    assert_same_chunk(stream.run(windows(16)), first)
    assert_same_chunk(stream.run(windows(16)), second)


def test_a_clip_starts_anew(small_graph: Graph) -> None:
    """Even if the clip before was left in the middle."""
    stream = Stream(NumpyGraphModel(small_graph))
    features = np.random.default_rng(4).normal(size=(40, 26)).astype(np.float32)
    expected = list(stream.run_clip(of_features(features)))
    next(stream.run_clip(of_features(features)))
    for found, expected_value in zip(stream.run_clip(of_features(features)), expected, strict=True):
        assert_same_chunk(found, expected_value)


def test_states_of_a_chunk_are_a_copy(small_graph: Graph) -> None:
    """What a caller does to them does not reach the next call."""
    first, second = Stream(NumpyGraphModel(small_graph)), Stream(NumpyGraphModel(small_graph))
    chunk = first.run(windows(16))
    second.run(windows(16))
    assert chunk.states is not None
    for state in chunk.states.values():
        state[:] = 99
    assert_same_chunk(first.run(windows(5)), second.run(windows(5)))


def test_a_clip_is_windowed_as_it_runs(small_graph: Graph) -> None:
    """A minute's windows are nineteen times its features, and are never all there."""
    model = NumpyGraphModel(set_steps(small_graph, DYNAMIC))
    features = clip_features(model, packaged_speech(MINUTE))
    found = Stream(model).run_clip(of_features(features))
    assert isinstance(found, Iterator)
    next(found)
    tracemalloc.start()
    try:
        frames = sum(
            len(chunk.probabilities) for chunk in Stream(model).run_clip(of_features(features))
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert frames == len(features) == 3000
    assert peak < 4 * features.nbytes + 3_000_000 < 19 * features.nbytes


@pytest.mark.parametrize("context", [0, 1, 9])
def test_chunks_hold_each_frame_with_its_context(context: int) -> None:
    """Zeros stand before the first frame and after the last."""
    features = np.arange(1, 71, dtype=np.float32).reshape(35, 2)
    found = list(chunks(features, context, 16))
    assert [len(chunk) for chunk in found] == [16, 16, 3]
    for frame, window in enumerate(np.concatenate(found)):
        for index, row in enumerate(window, frame - context):
            np.testing.assert_array_equal(row, features[index] if 0 <= index < 35 else [0, 0])


@pytest.mark.parametrize("length", LENGTHS)
def test_windows_start_a_step_apart(length: str) -> None:
    """Every full window, and one more that zeros fill up, with the samples after the last step."""
    count, frames = LENGTHS[length]
    samples = noise(count)
    found = sample_windows(samples, WINDOW, STEP)
    assert (found.shape, found.dtype.name) == ((frames, WINDOW), "float32")
    for number in {0, frames // 2, frames - 1}:
        expected = np.zeros(WINDOW, np.float32)
        part = samples[number * STEP : number * STEP + WINDOW]
        expected[: len(part)] = part / 32768
        np.testing.assert_array_equal(found[number], expected)


def test_features_are_made_with_the_models_settings(small_graph: Graph) -> None:
    """The features of a clip are those that the graph's own front end makes of its windows."""
    model = NumpyGraphModel(small_graph)
    samples = packaged_speech(5000)
    expected = front_end_features(model, sample_windows(samples, WINDOW, STEP))
    np.testing.assert_allclose(clip_features(model, samples), expected, rtol=0, atol=TOLERANCE)


def test_a_front_end_that_does_not_fit_is_refused(small_graph: Graph) -> None:
    """A front end of other features than the network takes is named with both numbers."""
    mfcc = small_graph["Mfcc"]
    graph = small_graph.replacing(
        edited(mfcc, attributes={"dct_coefficient_count": 13}) if node is mfcc else node
        for node in small_graph
    )
    with pytest.raises(ConversionError, match="makes 13 features a frame .* takes 26"):
        clip_features(NumpyGraphModel(graph), packaged_speech(1000))


class Recorder(NumpyGraphModel):
    """A model that keeps the shapes of the windows that it was fed."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.shapes: list[tuple[int, ...]] = []

    def call(self, inputs: Tensors, outputs: list[str]) -> Tensors:
        """Note the shape, and run."""
        self.shapes.append(inputs["input_node"].shape)
        return super().call(inputs, outputs)


def assert_same_chunk(found: Chunk, expected: Chunk) -> None:
    """The same bits, scores and states."""
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    assert found.states is not None
    assert expected.states is not None
    for name, state in found.states.items():
        np.testing.assert_array_equal(state, expected.states[name])
