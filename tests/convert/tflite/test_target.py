"""What a TFLite file says of its source, and conversions that are refused or do not succeed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.front_end import feature_settings
from dsconv.acoustic.recognise import recognise
from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.convert.tflite.builder import ModelBuilder
from dsconv.errors import ConversionError, OutputError, ToolkitError
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.graphdef.steps import DYNAMIC, set_steps
from dsconv.formats.toolkits import import_litert_schema
from dsconv.inspect.registry import inspect_file
from dsconv.runtime.registry import open_model
from dsconv.runtime.tflite import TfliteModel
from dsconv.version import __version__
from dsconv.workflows.convert import convert_checked
from tests.convert.conversions import convert, saved
from tests.runtime.speech import distance, run_clip

TFLITE = TARGETS["tflite"]
WAYS: list[dict[str, Any]] = [
    {},
    {"lstm": "unrolled"},
    {"steps": DYNAMIC, "lengths": "input", "precision": "fp32"},
    {"front_end": True, "precision": "fp16"},
]


def properties(path: Path) -> dict[str, str]:
    """The text beside the graph."""
    model = import_litert_schema().ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    return {
        entry.name.decode(): bytes(model.buffers[entry.buffer].data).decode()
        for entry in model.metadata
    }


def test_defaults_are_the_exporters(small_model: Path, tmp_path: Path) -> None:
    """8 bits, the steps of the graph, all of them valid, states in and out."""
    interface = TfliteModel(convert("tflite", small_model, tmp_path / "a")).interface
    assert (interface.precision, interface.steps, interface.lengths) == ("int8", 16, None)
    assert [state.shape for state in interface.states] == [(1, 32), (1, 32)]
    source = saved(set_steps(open_graph(small_model), DYNAMIC), tmp_path / "any.pb")
    assert TfliteModel(convert("tflite", source, tmp_path / "any")).interface.steps == DYNAMIC


@pytest.mark.parametrize("asked", WAYS, ids=str)
def test_properties_say_where_it_comes_from(
    asked: dict[str, Any], small_model: Path, tmp_path: Path
) -> None:
    """The exporter's metadata, how features are made, the source's hash and dsconv's version."""
    network = recognise(open_graph(small_model))
    assert network.front_end is not None
    found = properties(convert("tflite", small_model, tmp_path / "a", **asked))
    assert (
        found.items()
        >= {
            **network.metadata.to_text(),
            "features": feature_settings(network.front_end).to_text(),
            "source_sha256": hashlib.sha256(small_model.read_bytes()).hexdigest(),
            "dsconv_version": __version__,
        }.items()
    )


@pytest.mark.parametrize("asked", WAYS, ids=str)
def test_the_same_input_gives_the_same_bytes(
    asked: dict[str, Any], small_model: Path, tmp_path: Path
) -> None:
    """Nothing of the time or the folder gets into the file."""
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / "copy.pb"
    copy.write_bytes(small_model.read_bytes())
    first, second = (
        convert("tflite", source, tmp_path / name, **asked).read_bytes()
        for source, name in ((small_model, "a"), (copy, "b"))
    )
    assert first[4:8] == b"TFL3"
    assert first == second


def test_a_package_gives_the_same_model(small_model: Path, tmp_path: Path) -> None:
    """Only the hash tells which container it came from."""
    package = convert_file(TARGETS["pbmm"], small_model, tmp_path / "a.pbmm").output
    data = []
    for source in (small_model, package):
        written = convert("tflite", source, tmp_path / source.suffix[1:]).read_bytes()
        digest = hashlib.sha256(source.read_bytes()).hexdigest().encode()
        assert written.count(digest) == 1
        data.append(written.replace(digest, b""))
    assert data[0] == data[1]


def test_a_conversion_needs_no_toolkit(small_model: Path, tmp_path: Path) -> None:
    """Neither TensorFlow nor LiteRT."""
    program = (
        "import sys\n"
        "from dsconv.convert.registry import TARGETS\n"
        "from dsconv.convert.run import convert_file\n"
        "convert_file(TARGETS['tflite'], *sys.argv[1:])\n"
        "print([name for name in sys.modules\n"
        "       if name.startswith(('tensorflow', 'ai_edge_litert'))])\n"
    )
    command = [sys.executable, "-c", program, str(small_model), str(tmp_path / "a.tflite")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_the_file_is_beside_the_graph_by_default(small_model: Path, tmp_path: Path) -> None:
    """Its suffix is exchanged, its size and target are told, and no other file is there."""
    source = tmp_path / "output_graph.pb"
    source.write_bytes(small_model.read_bytes())
    conversion = convert_file(TFLITE, source)
    assert (conversion.target, conversion.source) == ("tflite", source)
    assert conversion.output == tmp_path / "output_graph.tflite"
    assert conversion.bytes == conversion.output.stat().st_size
    assert {path.name for path in tmp_path.iterdir()} == {"output_graph.pb", "output_graph.tflite"}


def test_without_litert_the_file_is_written_and_the_package_named(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes LiteRT to run the result; the line says how to install it, or what to pass."""
    hidden = {name for name in sys.modules if name.startswith("ai_edge_litert")}
    for name in hidden | {"ai_edge_litert"}:
        monkeypatch.setitem(sys.modules, name, None)
    output = tmp_path / "a.tflite"
    says = r"was written but not validated: .*LiteRT .*'dsconv\[tflite\]'`.*--no-validate"
    with pytest.raises(ToolkitError, match=says):
        convert_checked(TFLITE, small_model, output)
    written = output.read_bytes()
    done = convert_checked(TFLITE, small_model, output, force=True, validate=False)
    assert (done.result, output.read_bytes()) == (None, written)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), MemoryError()], ids=repr)
def test_nothing_is_left_of_a_failed_write(
    error: Exception, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file appears whole or not at all, and an older one stays."""

    def write(_: ModelBuilder, file: Any) -> int:
        file.write(b"half of it")
        raise error

    output = tmp_path / "a.tflite"
    output.write_text("mine")
    monkeypatch.setattr(ModelBuilder, "write", write)
    with pytest.raises((OutputError, MemoryError)) as caught:
        convert_file(TFLITE, small_model, output, force=True)
    if isinstance(error, OSError):
        assert "a.tflite cannot be written (No space left on device)" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tflite"]
    assert output.read_text() == "mine"


@pytest.mark.parametrize(
    ("asked", "option"),
    [
        ({"steps": DYNAMIC}, "--n-steps 16"),
        ({"input_shape": (1, DYNAMIC, 19, 26)}, "--n-steps 16"),
        ({"lengths": "input"}, "--lengths input"),
        ({"front_end": True}, "--front-end"),
    ],
    ids=["steps", "shape", "lengths", "front-end"],
)
def test_unrolled_takes_one_number_of_steps(
    asked: dict[str, Any], option: str, small_model: Path, tmp_path: Path
) -> None:
    """One line that says what to leave out, before anything is written."""
    says = f"output_graph.pb: an unrolled LSTM .*{option}.*or leave out --lstm unrolled"
    with pytest.raises(ConversionError, match=says) as caught:
        convert("tflite", small_model, tmp_path / "a", lstm="unrolled", **asked)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_graph_of_any_number_of_steps_can_be_unrolled(small_model: Path, tmp_path: Path) -> None:
    """With a number; without one it is refused."""
    source = saved(set_steps(open_graph(small_model), DYNAMIC), tmp_path / "any.pb")
    with pytest.raises(ConversionError, match="any.pb: an unrolled LSTM"):
        convert("tflite", source, tmp_path / "a", lstm="unrolled")
    model = TfliteModel(convert("tflite", source, tmp_path / "a", lstm="unrolled", steps=8))
    assert model.interface.steps == 8


ONE_STEP: dict[str, tuple[dict[str, Any], bool, str | None]] = {
    "by default": ({}, False, None),
    "a loop that is asked for": ({"lstm": "loop"}, True, "crashes in a loop of one step"),
    "with lengths": ({"lengths": "input"}, True, "it takes lengths, which they do not feed"),
}


@pytest.mark.parametrize("what", ONE_STEP)
def test_one_step_needs_no_loop(what: str, small_model: Path, tmp_path: Path) -> None:
    """Of a graph of one step, and of another that is asked for one; a note says who runs it."""
    asked, loops, says = ONE_STEP[what]
    one = saved(set_steps(open_graph(small_model), 1), tmp_path / "one.pb")
    made = [
        convert_file(TARGETS["tflite"], source, tmp_path / name, options=Options(**given))
        for name, source, given in (
            ("own.tflite", one, asked),
            ("asked.tflite", small_model, {**asked, "steps": 1}),
        )
    ]
    for conversion in made:
        graph = inspect_file(conversion.output)
        assert ("WHILE" in graph.ops) == loops
        assert [note for note in conversion.notes if says is None or says not in note] == []
        assert len(conversion.notes) == (says is not None)
        model = TfliteModel(conversion.output)
        features = np.random.default_rng(8).normal(size=(9, 26)).astype(np.float32)
        found, _ = run_clip(model, features)
        expected, _ = run_clip(open_model(small_model), features)
        assert distance(found, expected) <= 6e-2
