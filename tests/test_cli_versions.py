"""What the command line takes of the first versions' models, and what it refuses by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dsconv.acoustic.export import LSTM
from dsconv.fixtures.demo_model import SPEECH
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.write import new_node
from dsconv.runtime.registry import open_model
from dsconv.speech.alphabet import Alphabet
from tests.acoustic.early import VERSIONS, Version, early
from tests.acoustic.edits import (
    Edit,
    after,
    attributes,
    op,
    with_nodes,
)
from tests.convert.conversions import require_toolkits, saved
from tests.test_cli import assert_one_line_error, run

BLOCK = f"{LSTM}/BlockLSTM"
CLIP = SPEECH / "trust.wav"


@pytest.fixture(autouse=True, scope="module")
def toolkits() -> None:
    """One target is enough: what is refused is refused before it is built."""
    require_toolkits("onnx")


@pytest.fixture
def alphabet(tmp_path: Path) -> Path:
    """An alphabet file of 28 labels that are not the English ones in order."""
    path = tmp_path / "alphabet.txt"
    path.write_bytes(b"\n".join(reversed(Alphabet.english().labels)) + b"\n")
    return path


def weight(graph: Graph) -> Graph:
    """A weight whose value is in a checkpoint."""
    kind = {"dtype": DataType.FLOAT, "shape": (32, 32)}
    return with_nodes(graph, new_node("layer_2/weights", "VariableV2", (), kind))


REFUSED: dict[str, tuple[Edit, str]] = {
    "cell clip": (attributes(BLOCK, cell_clip=3.0), "cell_clip"),
    "peepholes": (attributes(BLOCK, use_peephole=True), "peephole weights"),
    "CudnnRNN": (op(BLOCK, "CudnnRNN"), "BlockLSTM nodes"),
    "an op between": (after("Reshape_2", "Tanh"), "'inserted' has the op Tanh"),
    "not frozen": (weight, "not frozen: 1 of its weights are variables"),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_built_is_refused(
    what: str, version: Version, small_graph: Graph, tmp_path: Path
) -> None:
    """Exit code 4, the place by its name, and no file."""
    edit, says = REFUSED[what]
    path = saved(edit(early(small_graph, version)), tmp_path / "a.pb")
    result = run("onnx", path, "--route", "build")
    assert_one_line_error(result, 4, says)
    assert [file.name for file in tmp_path.iterdir()] == ["a.pb"]


@pytest.mark.parametrize("labels", [b"a\nb\n", b"a\n" * 29, b""])
def test_an_alphabet_of_another_size(labels: bytes, small_graph: Graph, tmp_path: Path) -> None:
    """By every command that takes one, with both numbers."""
    path = saved(early(small_graph, "0.4"), tmp_path / "a.pb")
    (tmp_path / "labels").write_bytes(labels)
    count = len(labels.splitlines())
    says = f"29 classes, one of them the blank, and --alphabet has {count} labels"
    for command in (("onnx", path), ("transcribe", path, CLIP), ("validate", path, path)):
        assert_one_line_error(run(*command, "--alphabet", tmp_path / "labels"), 4, says)


@pytest.mark.parametrize("name", ["missing.txt", "."])
def test_an_alphabet_that_cannot_be_read(name: str, small_graph: Graph, tmp_path: Path) -> None:
    """Exit code 3 and its name."""
    path = saved(early(small_graph, "0.4"), tmp_path / "a.pb")
    for command in (("onnx", path), ("transcribe", path, CLIP)):
        assert_one_line_error(run(*command, "--alphabet", tmp_path / name), 3, tmp_path.name)


def test_another_rate_than_the_graphs_own(small_graph: Graph, tmp_path: Path) -> None:
    """A front end in the graph says it."""
    path = saved(early(small_graph, "0.5"), tmp_path / "a.pb")
    for command in (("onnx", path), ("transcribe", path, CLIP)):
        result = run(*command, "--sample-rate", "8000")
        assert_one_line_error(
            result, 4, "trained with 16000 Hz according to its metadata, so --sample-rate 8000"
        )


def test_the_alphabet_and_the_rate_go_into_the_result(
    alphabet: Path, small_graph: Graph, tmp_path: Path
) -> None:
    """So that the result is transcribed without them."""
    path = saved(early(small_graph, "0.4"), tmp_path / "a.pb")
    said = ("--alphabet", alphabet, "--sample-rate", "8000")
    result = run("onnx", path, *said, "--no-validate", "--json")
    assert result.exit_code == 0, result.output
    assert not any("--alphabet" in note for note in json.loads(result.stdout)["notes"])
    interface = open_model(tmp_path / "a.onnx").interface
    assert interface.alphabet == Alphabet(tuple(reversed(Alphabet.english().labels)))
    assert interface.feature_settings.sample_rate == 8000
    texts = [
        clip_text(run("transcribe", *model, CLIP, "--resample", "--beam", "2", "--json"))
        for model in ((path, *said), (tmp_path / "a.onnx",))
    ]
    assert texts[0] == texts[1] != ""
    plain = clip_text(run("transcribe", path, CLIP, "--beam", "2", "--json"))
    assert plain != texts[0]


def clip_text(result: Any) -> str:
    """The text of the one clip."""
    assert result.exit_code == 0, result.output
    (clip,) = json.loads(result.stdout)["clips"]
    return str(clip["text"])


def test_what_is_assumed_is_printed(small_graph: Graph, tmp_path: Path) -> None:
    """As notes of a conversion, and after the texts of a transcription."""
    path = saved(early(small_graph, "0.2"), tmp_path / "a.pb")
    result = run("onnx", path, "--no-validate")
    assert "dsconv: note: the graph holds no alphabet, so the English one" in result.stderr
    assert "dsconv: note: the graph does not say its sample rate, so 16000 Hz" in result.stderr
    result = run("transcribe", path, CLIP, "--beam", "2")
    assert "English alphabet assumed, --alphabet for another" in result.output


@pytest.mark.parametrize("scores", ["logits", "raw", "probabilities"])
def test_scores_at_the_command_line(scores: str, small_graph: Graph, tmp_path: Path) -> None:
    """They are validated either way."""
    path = saved(early(small_graph, "0.2"), tmp_path / "a.pb")
    result = run("onnx", path, "--scores", scores)
    assert result.exit_code == 0, result.output
    assert "pass: right" in result.stdout
    assert open_model(tmp_path / "a.onnx").interface.gives_logits == (scores != "probabilities")
