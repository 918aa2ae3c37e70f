"""What a Core ML file holds and says about itself, read without Core ML Tools."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.front_end import feature_settings
from dsconv.acoustic.recognise import recognise
from dsconv.convert.coreml.options import CoreMlFormat
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.fixtures.write import write_random_model
from dsconv.formats.coreml.file import PROGRAM, open_core_ml
from dsconv.formats.coreml.interface import Feature
from dsconv.formats.graphdef.edit import extract
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.graphdef.steps import DYNAMIC, set_steps
from dsconv.formats.toolkits import import_coremltools
from dsconv.runtime.coreml.evaluator import ProgramEvaluator
from dsconv.runtime.coreml.network import NetworkEvaluator
from dsconv.runtime.registry import open_model
from dsconv.version import __version__
from tests.acoustic.edits import renamed
from tests.convert.calls import Call, answers
from tests.convert.conversions import require_toolkits, saved
from tests.convert.coreml.forms import (
    FORMATS,
    REDUCED,
    core_ml_file,
    core_ml_path,
    description,
    function,
    kinds,
)
from tests.runtime.speech import distance

GIVEN = ["input_node", "input_lengths", "previous_state_c", "previous_state_h"]
MADE = ["logits", "new_state_c", "new_state_h"]
SOFTWARE = {"ios16": (7, "CoreML6"), "ios17": (8, "CoreML7"), "ios18": (9, "CoreML8")}
NEWEST = {"ios26": (10, "CoreML9")}


@pytest.fixture(autouse=True, scope="module")
def toolkit() -> None:
    """Core ML Tools write what is read here."""
    require_toolkits("coreml")


def names(features: tuple[Feature, ...]) -> list[str]:
    return [feature.name for feature in features]


MOST_OPS: dict[tuple[str, int, str], tuple[int, int]] = {
    ("mlprogram", 16, "frozen"): (15, 25),
    ("mlprogram", 16, "input"): (23, 36),
    ("mlprogram", DYNAMIC, "frozen"): (15, 25),
    ("mlprogram", DYNAMIC, "input"): (27, 42),
    ("neuralnetwork", 16, "frozen"): (21, 21),
    ("neuralnetwork", 16, "input"): (32, 32),
    ("neuralnetwork", DYNAMIC, "frozen"): (21, 21),
    ("neuralnetwork", DYNAMIC, "input"): (36, 36),
}
"""Ops besides constants, or layers, of a model in float32 and of one of fewer bits."""


@pytest.mark.parametrize("form", MOST_OPS)
def test_one_lstm_and_few_ops(
    form: tuple[CoreMlFormat, int, str], small_model: Path, tmp_path: Path
) -> None:
    """One LSTM for all frames, no loop, and no more ops than there have been."""
    style, steps, lengths = form
    for precision in ("fp32", "fp16", "int8"):
        asked: dict[str, Any] = {"steps": steps, "lengths": lengths, "precision": precision}
        found = kinds(core_ml_file(small_model, tmp_path / precision, format=style, **asked))
        assert found["lstm" if style == "mlprogram" else "uniDirectionalLSTM"] == 1
        assert not {"while_loop", "cond", "loop", "branch", "custom", "transpose"} & set(found)
        print(form, precision, sum(found.values()))
        assert sum(found.values()) <= MOST_OPS[form][precision != "fp32"]


@pytest.mark.parametrize("lengths", ["frozen", "input"])
def test_states_inside_take_few_ops(lengths: str, small_model: Path, tmp_path: Path) -> None:
    """Each state is read once and written once."""
    asked: dict[str, Any] = {"lengths": lengths, "states": "internal"}
    found = kinds(core_ml_file(small_model, tmp_path / "a", **asked))
    assert (found["lstm"], found["read_state"], found["write_state"]) == (1, 2, 2)
    assert sum(found.values()) <= (23 if lengths == "frozen" else 34)


@pytest.mark.parametrize("style", FORMATS)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("lengths", ["frozen", "input"])
def test_inputs_and_outputs_are_the_graphs(
    lengths: str, precision: str, style: CoreMlFormat, small_model: Path, tmp_path: Path
) -> None:
    """Same names in the same order, FLOAT32 whatever is inside; none that were not asked for."""
    asked: dict[str, Any] = {"lengths": lengths, "precision": precision, "format": style}
    file = core_ml_file(small_model, tmp_path / "a", **asked)
    found = description(file)
    given = GIVEN if lengths == "input" else [GIVEN[0], *GIVEN[2:]]
    assert (names(found.inputs), names(found.outputs), found.states) == (given, MADE, ())
    shapes = {feature.name: feature.shape for feature in found.inputs}
    assert shapes.pop("input_lengths", (1,)) == (1,)
    state = (1, 32)
    assert shapes == dict(zip([GIVEN[0], *GIVEN[2:]], [(1, 16, 19, 26), state, state], strict=True))
    types = {feature.name: feature.dtype for feature in (*found.inputs, *found.outputs)}
    # A neural network's inputs have no other type.
    counted = "int32" if style == "mlprogram" else "float32"
    assert types.pop("input_lengths", counted) == counted
    assert set(types.values()) == {"float32"}
    if file.kind == PROGRAM:
        assert [given.name for given in function(file).inputs] == given


def test_inputs_of_models_with_states_inside(small_model: Path, tmp_path: Path) -> None:
    """The windows come in and the probabilities go out; the states are float16."""
    file = core_ml_file(small_model, tmp_path / "a", states="internal", lengths="input")
    found = description(file)
    assert (names(found.inputs), names(found.outputs)) == (GIVEN[:2], MADE[:1])
    states = [(state.name, state.dtype, state.shape) for state in found.states]
    assert states == [(name, "float16", (1, 32)) for name in GIVEN[2:]]


@pytest.mark.parametrize("style", FORMATS)
def test_names_are_those_of_the_graph(
    style: CoreMlFormat, small_model: Path, tmp_path: Path
) -> None:
    """Whatever the graph calls its inputs and outputs, the model calls them too."""
    graph = renamed(open_graph(small_model), {name: f"my_{name}" for name in GIVEN + MADE})
    source = saved(graph, tmp_path / "a.pb")
    found = description(core_ml_file(source, tmp_path / "a", lengths="input", format=style))
    assert names(found.inputs) == [f"my_{name}" for name in GIVEN]
    assert names(found.outputs) == [f"my_{name}" for name in MADE]


@pytest.mark.parametrize("style", FORMATS)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("input_node", "windows"),
        ("logits", "scores"),
        ("previous_state_c", "lstm"),
        ("new_state_h", "last_hidden_state"),
        ("logits", "layer_6_product"),
        ("input_lengths", "invalid_frames"),
    ],
)
def test_names_of_the_inside_are_free(
    old: str, new: str, style: CoreMlFormat, small_model: Path, tmp_path: Path
) -> None:
    """A graph may call its inputs and outputs as dsconv calls values between them."""
    source = saved(renamed(open_graph(small_model), {old: new}), tmp_path / "a.pb")
    file = core_ml_file(source, tmp_path / "a", lengths="input", format=style)
    found = description(file)
    assert new in names((*found.inputs, *found.outputs))
    rng = np.random.default_rng(3)
    windows = rng.normal(size=(1, 16, 19, 26)).astype(np.float32)
    fed = Call(windows, 5, *(rng.normal(size=(1, 32)).astype(np.float32) for _ in range(2)))
    runner = ProgramEvaluator(file) if file.kind == PROGRAM else NetworkEvaluator(file)
    made = runner.run({new if name == old else name: v for name, v in fed.tensors.items()})
    for name, expected in zip(MADE, answers(open_model(small_model), fed), strict=True):
        assert distance(made[new if name == old else name], expected) < 1e-5


@pytest.mark.parametrize("target", SOFTWARE | NEWEST)
def test_programs_are_written_for_the_system_asked_for(
    target: str, small_model: Path, tmp_path: Path
) -> None:
    """Its opset and its specification version, at each precision."""
    for precision in ("fp32", "fp16", "int8"):
        asked: dict[str, Any] = {"precision": precision, "deployment_target": target}
        file = core_ml_file(small_model, tmp_path / precision, lengths="input", **asked)
        assert (file.version, function(file).opset) == (SOFTWARE | NEWEST)[target]


@pytest.mark.parametrize(
    ("asked", "target"),
    [
        ({}, "ios16"),
        ({"lengths": "input", "steps": DYNAMIC}, "ios16"),
        ({"front_end": True}, "ios16"),
        ({"precision": "fp16"}, "ios17"),
        ({"precision": "int8"}, "ios17"),
        ({"palette_bits": 6}, "ios17"),
        ({"states": "internal"}, "ios18"),
        ({"states": "internal", "precision": "int8"}, "ios18"),
    ],
)
def test_the_oldest_system_that_will_do_is_the_default(
    asked: dict[str, Any], target: str, small_model: Path, tmp_path: Path
) -> None:
    """iOS 16, unless what was asked for came later."""
    file = core_ml_file(small_model, tmp_path / "a", **asked)
    assert (file.version, function(file).opset) == SOFTWARE[target]


def test_a_neural_network_runs_on_ios_13(small_model: Path, tmp_path: Path) -> None:
    """At each precision, and with the front end."""
    forms: dict[str, Any] = {
        "precision": "int8",
        "lengths": "input",
        "front_end": True,
        "steps": -1,
    }
    for option, value in forms.items():
        asked: dict[str, Any] = {"format": "neuralnetwork", option: value}
        assert core_ml_file(small_model, tmp_path / option, **asked).version == 4


WINDOW = ((19, 19), (26, 26))


@pytest.mark.parametrize("style", FORMATS)
@pytest.mark.parametrize(
    ("asked", "most", "usual"),
    [({}, 3000, 16), ({"max_steps": 100}, 100, 16), ({"max_steps": 7}, 7, 7)],
)
def test_any_number_of_frames_has_a_bound(
    asked: dict[str, Any],
    most: int,
    usual: int,
    style: CoreMlFormat,
    small_model: Path,
    tmp_path: Path,
) -> None:
    """From one frame to --max-steps, usually as many as the graph takes; only the frames vary."""
    file = core_ml_file(small_model, tmp_path / "a", steps=DYNAMIC, format=style, **asked)
    windows, *states = description(file).inputs
    assert windows.ranges == ((1, 1), (1, most), *WINDOW)
    assert (windows.shape, windows.shapes) == ((1, usual, 19, 26), None)
    assert [(state.ranges, state.shapes) for state in states] == [(None, None)] * 2


def test_a_dynamic_graph_has_a_usual_number_too(small_model: Path, tmp_path: Path) -> None:
    """Sixteen frames, which the original runtimes feed."""
    source = saved(set_steps(open_graph(small_model), DYNAMIC), tmp_path / "a.pb")
    windows = description(core_ml_file(source, tmp_path / "a")).inputs[0]
    assert (windows.shape, windows.ranges) == ((1, 16, 19, 26), ((1, 1), (1, 3000), *WINDOW))


@pytest.mark.parametrize("style", FORMATS)
@pytest.mark.parametrize("choices", [(1, 16, 32), (8, 4)])
def test_a_choice_of_steps_is_all_that_is_taken(
    choices: tuple[int, ...], style: CoreMlFormat, small_model: Path, tmp_path: Path
) -> None:
    """Enumerated shapes, the first one being the usual."""
    file = core_ml_file(small_model, tmp_path / "a", step_choices=choices, format=style)
    windows = description(file).inputs[0]
    assert windows.shapes is not None
    assert set(windows.shapes) == {(1, steps, 19, 26) for steps in choices}
    assert (windows.shape, windows.ranges) == ((1, choices[0], 19, 26), None)


def test_samples_have_a_bound(small_model: Path, tmp_path: Path) -> None:
    """From what makes one frame to what makes --max-steps frames; 3000 by default."""
    for asked, frames in (({}, 3000), ({"max_steps": 50}, 50)):
        file = core_ml_file(small_model, tmp_path / str(frames), front_end=True, **asked)
        (samples,) = description(file).inputs
        assert (samples.name, samples.dtype, samples.shape) == (
            "input_samples",
            "float32",
            (512,),
        )
        # A frame begins with every 320 samples, the second at 512.
        assert samples.ranges == ((192, 512 + (frames - 1) * 320 - 1),)


@pytest.mark.parametrize(
    ("asked", "precision"),
    [
        ({}, "fp32"),
        ({"precision": "fp16"}, "fp16"),
        ({"precision": "int8"}, "int8"),
        ({"palette_bits": 4}, "palette4"),
        ({"format": "neuralnetwork"}, "fp32"),
        ({"format": "neuralnetwork", "precision": "int8"}, "int8"),
    ],
)
def test_metadata_says_where_it_comes_from(
    asked: dict[str, Any], precision: str, small_model: Path, tmp_path: Path
) -> None:
    """The exporter's metadata, features, source and dsconv's version; nothing of the toolkit's."""
    texts = {"author": "A. Utor", "license": "MPL-2.0 ☺", "model_version": "1.2"}
    path = core_ml_path(small_model, tmp_path / "a", **asked, **texts)
    found = description(open_core_ml(path))
    assert {"author": found.author, "license": found.license, "model_version": found.version} == (
        texts
    )
    assert found.summary == "Acoustic model of speech, LSTM of 32 cells, 29 classes."
    network = recognise(open_graph(small_model))
    assert network.front_end is not None
    assert found.properties == {
        **network.metadata.to_text(),
        "features": feature_settings(network.front_end).to_text(),
        "precision": precision,
        "source_sha256": hashlib.sha256(small_model.read_bytes()).hexdigest(),
        "dsconv_version": __version__,
    }
    opened = open_model(path).interface
    assert opened.precision == precision
    assert opened.metadata == network.metadata
    assert opened.features_from == feature_settings(network.front_end)


def test_names_of_people_are_left_out_unless_given(small_model: Path, tmp_path: Path) -> None:
    """No author, license or version is made up."""
    found = description(core_ml_file(small_model, tmp_path / "a"))
    assert (found.author, found.license, found.version) == ("", "", "")


def test_a_graph_without_metadata_and_front_end(small_model: Path, tmp_path: Path) -> None:
    """What the graph does not say is left out; the rest is there."""
    source = saved(extract(open_graph(small_model), MADE), tmp_path / "a.pb")
    found = description(core_ml_file(source, tmp_path / "a"))
    assert set(found.properties) == {"precision", "source_sha256", "dsconv_version"}


def test_nothing_of_the_build_is_in_the_file(small_model: Path, tmp_path: Path) -> None:
    """Neither versions of toolkits nor paths of this machine."""
    path = core_ml_path(small_model, tmp_path / "a", lengths="input", steps=DYNAMIC)
    data = b"".join(contents(path).values())
    for text in (b"coremltools", b"buildInfo", b"torch", b"tensorflow", bytes(tmp_path)):
        assert text not in data.lower()


def contents(path: Path) -> dict[str, bytes]:
    """The bytes of a file, or of all files of a package by their places in it."""
    if path.is_file():
        return {"": path.read_bytes()}
    files = (file for file in sorted(path.rglob("*")) if file.is_file())
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


SAME: dict[str, dict[str, Any]] = {
    "fp32": {},
    "any": {"steps": DYNAMIC, "lengths": "input"},
    "choice": {"step_choices": (1, 16)},
    "internal": {"states": "internal"},
    "front end": {"front_end": True},
    "neuralnetwork": {"format": "neuralnetwork"},
    "any neuralnetwork": {"format": "neuralnetwork", "steps": DYNAMIC, "lengths": "input"},
    **REDUCED,
}


@pytest.mark.parametrize("form", SAME)
def test_the_same_input_gives_the_same_bytes(form: str, small_model: Path, tmp_path: Path) -> None:
    """Every file of a package, from another folder, after other conversions."""
    copy = tmp_path / "elsewhere" / "copy.pb"
    copy.parent.mkdir()
    copy.write_bytes(small_model.read_bytes())
    first = core_ml_path(small_model, tmp_path / "a", **SAME[form])
    core_ml_path(small_model, tmp_path / "between", lengths="input")
    assert contents(core_ml_path(copy, copy.with_name("b"), **SAME[form])) == contents(first)


CONVERT = """
import sys
from dsconv.convert.coreml.options import CoreMlOptions
from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
source, *outputs = sys.argv[1:]
for output, asked in zip(outputs, (
    Options(),
    Options(steps=-1, lengths='input', precision='int8'),
    Options(core_ml=CoreMlOptions(palette_bits=6)),
    Options(lengths='input', core_ml=CoreMlOptions(format='neuralnetwork')),
)):
    convert_file(TARGETS['coreml'], source, output, options=asked)
"""
OUTPUTS = ("fp32.mlpackage", "int8.mlpackage", "palette.mlpackage", "network.mlmodel")


def test_every_process_gives_the_same_bytes(tmp_path: Path) -> None:
    """Nothing hangs on the order of hashes or on what ran before."""
    (source,) = write_random_model(tmp_path, 64)
    found = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        outputs = [str(folder / name) for name in OUTPUTS]
        command = [sys.executable, "-c", CONVERT, str(source), *outputs]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed})
        found.append([contents(Path(output)) for output in outputs])
    assert found[0] == found[1]
    assert found[0][0] == contents(core_ml_path(source, tmp_path / "here"))


@pytest.mark.parametrize("style", FORMATS)
def test_a_package_gives_the_same_model(
    style: CoreMlFormat, small_model: Path, tmp_path: Path
) -> None:
    """Only the hash tells which container it came from."""
    package = convert_file(TARGETS["pbmm"], small_model, tmp_path / "a.pbmm").output
    found = []
    for source in (small_model, package):
        files = contents(core_ml_path(source, tmp_path / source.suffix[1:], format=style))
        digest = hashlib.sha256(source.read_bytes()).hexdigest().encode()
        assert sum(data.count(digest) for data in files.values()) == 1
        found.append({name: data.replace(digest, b"") for name, data in files.items()})
    assert found[0] == found[1]


def test_a_package_has_a_manifest(small_model: Path, tmp_path: Path) -> None:
    """Two items with identifiers of their own, the model being the root, and no other file."""
    path = core_ml_path(small_model, tmp_path / "a")
    assert set(contents(path)) == {
        "Manifest.json",
        "Data/com.apple.CoreML/model.mlmodel",
        "Data/com.apple.CoreML/weights/weight.bin",
    }
    manifest = json.loads((path / "Manifest.json").read_text("utf-8"))
    assert manifest["fileFormatVersion"] == "1.0.0"
    items = manifest["itemInfoEntries"]
    assert items[manifest["rootModelIdentifier"]]["path"] == "com.apple.CoreML/model.mlmodel"
    assert sorted(item["path"] for item in items.values()) == [
        "com.apple.CoreML/model.mlmodel",
        "com.apple.CoreML/weights",
    ]
    for item in items.values():
        assert (item["author"], (path / "Data" / item["path"]).exists()) == (
            "com.apple.CoreML",
            True,
        )


READ_BACK: dict[str, dict[str, Any]] = {
    "fp32": {},
    "any": {"steps": DYNAMIC, "lengths": "input"},
    "choice": {"step_choices": (1, 16)},
    "internal": {"states": "internal"},
    "front end": {"front_end": True, "precision": "int8"},
    "neuralnetwork": {"format": "neuralnetwork", "lengths": "input"},
    **REDUCED,
}


@pytest.mark.parametrize("form", READ_BACK)
@pytest.mark.filterwarnings("ignore")
def test_the_toolkit_reads_what_was_written(form: str, small_model: Path, tmp_path: Path) -> None:
    """It opens the file, finds the items of the package, and builds the program anew from it."""
    path = core_ml_path(small_model, tmp_path / "a", **READ_BACK[form])
    coremltools = import_coremltools()
    model = coremltools.models.MLModel(str(path), skip_model_load=True)
    specification = model.get_spec()
    file = open_core_ml(path)
    assert [given.name for given in specification.description.input] == (
        names(description(file).inputs)
    )
    if file.kind != PROGRAM:
        return
    from coremltools.converters.mil.frontend.milproto.load import load

    weights = str(path / "Data" / "com.apple.CoreML" / "weights")
    program = load(specification, file.version, weights)
    ops = Counter(op.op_type for op in program.functions["main"].operations)
    # The reader puts the writing of a state and its reading together.
    apart = {"const", "read_state", "write_state", "coreml_update_state"}
    found, expected = (
        {kind: n for kind, n in c.items() if kind not in apart} for c in (ops, kinds(file))
    )
    assert found == expected
