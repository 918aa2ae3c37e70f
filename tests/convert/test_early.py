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
from dsconv.inspect.parity.validate import Options as HowToValidate
from dsconv.inspect.parity.validate import validate_models
from dsconv.runtime.registry import open_model
from dsconv.speech.alphabet import Alphabet
from dsconv.speech.corpus import find_clips, shortest
from dsconv.speech.settings import EVERY_SECOND, HAMMING, EarlySettings
from tests.acoustic.early import Version, early
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
