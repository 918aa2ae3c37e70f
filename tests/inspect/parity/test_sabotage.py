"""Every way to break a model is noticed, at the level where it belongs, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dsconv.acoustic.export import LSTM
from dsconv.fixtures import demo_model
from dsconv.fixtures.write import write_random_model
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.graphdef.node import Node
from dsconv.formats.graphdef.write import edited, new_constant, write_graph
from dsconv.inspect.parity.reference import ValidationOptions
from dsconv.inspect.parity.result import CandidateResult
from dsconv.inspect.parity.validate import validate_models
from dsconv.runtime.stream import Chunk, Stream
from dsconv.speech.alphabet import Alphabet
from dsconv.speech.corpus import find_clips
from dsconv.speech.features import FloatArray

CLIP = demo_model.clips()[1]
HOW = ValidationOptions(beam=8)
"""A narrow search, which takes no time; the findings are not about it."""


def with_constant(graph: Graph, name: str, change: Callable[[FloatArray], object]) -> Graph:
    """The graph with a constant's values changed in place by `change`."""
    values = np.array(graph.tensor(graph[name]).array(), np.float32)
    change(values)
    return graph.replacing(new_constant(name, values) if n.name == name else n for n in graph)


def with_node(graph: Graph, node: Node) -> Graph:
    return graph.replacing(node if other.name == node.name else other for other in graph)


def weight_off(graph: Graph) -> Graph:
    """One weight of the first layer, off by a thousandth."""

    def change(values: FloatArray) -> None:
        strongest = np.abs(values).argmax()
        values.flat[strongest] += np.float32(1e-3)

    return with_constant(graph, "layer_1/weights", change)


def swapped_gates(graph: Graph) -> Graph:
    """The gates i, c, f, o of the LSTM in the order i, f, c, o."""

    def change(values: FloatArray) -> None:
        i, c, f, o = np.split(values.copy(), 4, axis=-1)
        values[...] = np.concatenate([i, f, c, o], axis=-1)

    return with_constant(with_constant(graph, f"{LSTM}/kernel", change), f"{LSTM}/bias", change)


def other_forget_bias(graph: Graph) -> Graph:
    """The forget_bias of older versions."""
    node = graph[f"{LSTM}/BlockLSTM"]
    return with_node(graph, edited(node, attributes={"forget_bias": 1.0}))


def with_alphabet(graph: Graph, alphabet: Alphabet) -> Graph:
    blob = np.array([alphabet.to_blob()], object)
    return with_node(graph, new_constant("metadata_alphabet", blob))


def shifted_alphabet(graph: Graph) -> Graph:
    """Every label one index further."""
    labels = Alphabet.from_file(demo_model.ALPHABET).labels
    return with_alphabet(graph, Alphabet(labels[-1:] + labels[:-1]))


def other_label(graph: Graph) -> Graph:
    """One label is another letter."""
    labels = Alphabet.from_file(demo_model.ALPHABET).labels
    return with_alphabet(graph, Alphabet((*labels[:3], "ß".encode(), *labels[4:])))


def other_rate(graph: Graph) -> Graph:
    """Metadata of another sample rate."""
    return with_node(graph, new_constant("metadata_sample_rate", np.array([8000], np.int32)))


def other_filterbank(graph: Graph) -> Graph:
    """A front end with the frequency limit of versions 0.5 and 0.6."""
    return with_node(graph, edited(graph["Mfcc"], attributes={"upper_frequency_limit": 4000.0}))


def not_a_number(graph: Graph) -> Graph:
    """A weight that is not a number."""
    return with_constant(graph, "layer_6/bias", lambda values: values.fill(np.nan))


SABOTAGE: list[tuple[Callable[[Graph], Graph], str, str]] = [
    (weight_off, "weights", r"layer_1/weights differs in 1 of 63,232 numbers: \[\d+, \d+\] is"),
    (swapped_gates, "weights", "input kernel has the gates in the order ifco instead of icfo"),
    (other_forget_bias, "weights", "^lstm/bias has 1 added to the bias of gate f$"),
    (shifted_alphabet, "structure", "alphabet: the same labels, shifted by 1$"),
    (other_label, "structure", "alphabet: label 3 is 'ß', the reference has 'c'"),
    (other_rate, "structure", "sample rate: 8000 Hz, the reference has 16000 Hz"),
    (other_filterbank, "structure", "front end: .* 20 to 4000 Hz, .* reference has .* 8000 Hz"),
    (not_a_number, "weights", "layer_6/bias has numbers that are not finite"),
]


NOT_USED = "the states that come in are not used: each call starts from zeros"


def validated(candidate: Path) -> CandidateResult:
    """A candidate beside the demo model, over one clip."""
    clips = find_clips([CLIP.wav])
    return validate_models(demo_model.MODEL, [candidate], clips, HOW).candidates[0]


def failures(result: CandidateResult) -> list[tuple[str, str]]:
    return [(finding.level, finding.message) for finding in result.findings if finding.failed]


@pytest.mark.parametrize(
    ("sabotage", "level", "says"), SABOTAGE, ids=lambda v: getattr(v, "__name__", "")
)
def test_sabotage_is_noticed(
    sabotage: Callable[[Graph], Graph], level: str, says: str, tmp_path: Path
) -> None:
    """It fails, first at the level where it belongs, with a message that names it."""
    import re

    path = tmp_path / "candidate.pb"
    with path.open("wb") as file:
        write_graph(file, sabotage(open_graph(demo_model.MODEL)))
    result = validated(path)
    assert result.verdict == "fail"
    found_level, message = failures(result)[0]
    assert found_level == level
    assert re.search(says, message), message


def test_states_that_are_not_fed_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Right in the first call and wrong from the second on: the message says so."""
    run = Stream.run
    reference_runs = 9  # calls of the reference: the clip has 141 frames, 16 a call

    def forgetful(self: Stream, windows: FloatArray) -> Chunk:
        nonlocal reference_runs
        reference_runs -= 1
        if reference_runs < 0:
            self.reset()
        return run(self, windows)

    monkeypatch.setattr(Stream, "run", forgetful)
    found = failures(validated(demo_model.MODEL))
    assert ("network", f"{CLIP.wav.name}: {NOT_USED}") in found


def test_a_model_of_another_network(tmp_path: Path) -> None:
    """Other sizes of the states are named as another network, and nothing is run."""
    (path,) = write_random_model(tmp_path, n_hidden=64)
    result = validated(path)
    level, message = failures(result)[0]
    assert level == "structure"
    assert message == "new_state_c: [1, 64], the reference has [1, 128]: another network"
    assert not result.clips


def test_random_weights_of_the_same_size(tmp_path: Path) -> None:
    """The same structure with other weights is another model."""
    (path,) = write_random_model(tmp_path, n_hidden=128)
    result = validated(path)
    (failure,) = failures(result)
    assert failure[0] == "weights"
    assert "another model, or another training of this one" in failure[1]


def test_no_sabotage_passes(tmp_path: Path) -> None:
    """The untouched graph, written anew, passes with no difference at all."""
    path = tmp_path / "candidate.pb"
    with path.open("wb") as file:
        write_graph(file, open_graph(demo_model.MODEL))
    result = validated(path)
    assert result.verdict == "pass"
    assert {finding.level for finding in result.findings} == {"network"}
    assert all("can never be reached" in finding.message for finding in result.findings)
    assert {difference.max_abs for difference in result.differences} == {0.0}
