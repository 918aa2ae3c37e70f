"""What each level makes of differences that the sabotage tests do not reach."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dsconv.errors import ModelError
from dsconv.fixtures import demo_model
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.graphdef.write import edited, new_constant, new_node, write_graph
from dsconv.inspect.parity import candidates
from dsconv.inspect.parity.numbers import compare_traces
from dsconv.inspect.parity.result import Severity
from dsconv.inspect.parity.tolerances import TOLERANCES
from dsconv.inspect.parity.trace import RecordedRun, Trace, TraceFile, run_trace
from dsconv.inspect.parity.validate import ValidationOptions, validate_models
from dsconv.runtime.registry import open_model
from dsconv.runtime.stream import Stream, hear
from dsconv.runtime.transcribe import Transcriber
from dsconv.speech.corpus import find_clips
from dsconv.speech.wav import read_wav

CLIP = demo_model.clips()[1]
CLIPS = find_clips([CLIP.wav])


def saved(graph: Graph, folder: Path) -> Path:
    path = folder / "candidate.pb"
    with path.open("wb") as file:
        write_graph(file, graph)
    return path


def test_features_of_another_front_end(tmp_path: Path) -> None:
    """The same parameters and other features fail at the numbers, by the name of the front end."""
    graph = open_graph(demo_model.MODEL)
    nodes = []
    for node in graph:
        if node.name == "mfccs":
            nodes.append(new_constant("louder", np.array(1.001, np.float32)))
            inputs = [node.inputs[0], "louder"]
            nodes.append(new_node("scaled", "Mul", inputs, {"T": DataType.FLOAT}))
            node = edited(node, inputs=["scaled"])
        nodes.append(node)
    path = saved(graph.replacing(nodes), tmp_path)
    (result,) = validate_models(demo_model.MODEL, [path], CLIPS, ValidationOptions()).candidates
    messages = [finding.message for finding in result.findings if finding.failed]
    assert messages == [
        "open-the-file.wav: mfccs differ: the front end (samples to features) is another"
    ]


@pytest.mark.parametrize(("strict", "severity"), [(False, "warning"), (True, "failure")])
def test_another_transcript_at_reduced_precision(
    strict: bool, severity: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a warning, and a failure where the user asks for that."""
    kept = TraceFile()
    clips = CLIPS
    validate_models(demo_model.MODEL, [], clips, ValidationOptions(), save_to=kept)
    path = tmp_path / "phone.npz"
    kept.save(path, "a phone", "int8")
    other = np.load(path)
    arrays = {name: other[name] for name in other.files}
    other.close()
    key = f"{CLIP.wav.name}/probabilities"
    changed = arrays[key].copy()
    # One letter less: its frames say blank. Only the text counts: numbers are not diagnosed here.
    letter = int(np.flatnonzero(changed.argmax(axis=1) != changed.shape[1] - 1)[0])
    changed[letter] = np.eye(changed.shape[1], dtype=np.float32)[-1]
    np.savez(path, **(arrays | {key: changed}))
    monkeypatch.setattr(candidates, "diagnose", lambda *_, **__: None)
    (result,) = validate_models(
        demo_model.MODEL, [], clips, ValidationOptions(strict=strict), recorded=[path]
    ).candidates
    (finding,) = result.findings
    assert (finding.level, finding.severity) == ("transcripts", Severity(severity))
    assert "another transcript, CER" in finding.message
    assert result.verdict == {"warning": "warning", "failure": "fail"}[severity]


def test_numbers_that_are_not_finite_are_above_every_tolerance() -> None:
    """NaN and infinity count as such, and no tolerance would have passed."""
    ends = np.array([2])
    expected = Trace(np.full((2, 2), 0.5, np.float32), ends, ends, {})
    bad = np.array([[0.5, np.nan], [np.inf, 0.5]], np.float32)
    (difference,) = compare_traces(expected, Trace(bad, ends, ends, {}), TOLERANCES["int8"])
    assert (difference.not_finite, difference.above) == (2, 2)
    assert difference.needed == float("inf")
    assert not difference.passed


def test_a_run_of_another_recording(tmp_path: Path) -> None:
    """A run with another number of frames is refused by its length."""
    model = open_model(demo_model.MODEL)
    speech = hear(model, read_wav(CLIP.wav, 16000))
    kept = TraceFile()
    kept.add("a.wav", speech, run_trace(Stream(model), speech, 16))
    path = tmp_path / "io.npz"
    kept.save(path, "here", "fp32")
    frames = len(speech.features)
    assert len(RecordedRun(path).trace("a.wav", frames).probabilities) == frames
    with pytest.raises(ModelError, match=f"has {frames} frames where the reference has 7"):
        RecordedRun(path).trace("a.wav", 7)


def test_raw_scores_are_made_probabilities(tmp_path: Path) -> None:
    """A graph without a softmax, as before 0.4, transcribes all the same."""
    graph = open_graph(demo_model.MODEL)
    scores = new_node("logits", "Identity", ["raw_logits"], {"T": DataType.FLOAT})
    path = saved(graph.replacing(scores if n.name == "logits" else n for n in graph), tmp_path)
    assert open_model(path).interface.gives_logits
    assert Transcriber(path).transcribe(CLIPS[0]).text == CLIP.transcript
