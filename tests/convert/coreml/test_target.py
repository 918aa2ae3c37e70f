"""What the Core ML target refuses and notes, and conversions that do not come to an end."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.errors import ConversionError, OutputError, ToolkitError
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.graphdef.steps import DYNAMIC, set_steps
from dsconv.formats.toolkits import import_coremltools
from dsconv.runtime.registry import open_model
from tests.acoustic.edits import renamed
from tests.convert.calls import Call, answers
from tests.convert.conversions import require_toolkits, saved
from tests.convert.coreml.forms import FORMATS, asked_for, core_ml_model
from tests.runtime.speech import distance

COREML = TARGETS["coreml"]
SUFFIXES = {"mlprogram": ".mlpackage", "neuralnetwork": ".mlmodel"}


@pytest.fixture(autouse=True, scope="module")
def toolkit() -> None:
    """Core ML Tools are needed for the work, if not for the refusals."""
    require_toolkits("coreml")


def options(**asked: Any) -> Options:
    return Options(**asked_for(**asked))


def folder_of(path: Path) -> list[str]:
    return sorted(child.name for child in path.iterdir())


NETWORK = {"format": "neuralnetwork"}
CHOICE = {"step_choices": (1, 16)}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"step_choices": (16, -1)}, "a choice of steps needs two numbers or more"),
    ({"step_choices": (16, 16)}, "a choice of steps needs two numbers or more"),
    ({"step_choices": (16,)}, "a choice of steps needs two numbers or more"),
    ({"step_choices": (16, 0)}, "0 steps are not possible"),
    ({**CHOICE, "max_steps": 20}, "a choice of --n-steps goes neither with --max-steps nor with"),
    ({**CHOICE, "input_shape": (1, 16, 19, 26)}, "goes neither with .* nor with --input-shape"),
    ({**CHOICE, "front_end": True}, "goes neither with .* nor with --front-end"),
    ({"max_steps": 20}, "--max-steps goes with --n-steps -1, or with --front-end"),
    ({"max_steps": 20, "steps": 16}, "--max-steps goes with --n-steps -1"),
    ({"max_steps": 0, "steps": DYNAMIC}, "--max-steps 0 is too small; pass 1 or more"),
    ({"palette_bits": 6, "precision": "int8"}, "--palettize .*, not as int8; leave out --prec"),
    ({"palette_bits": 6, "precision": "fp32"}, "--palettize .*, not as fp32; leave out --prec"),
    ({**NETWORK, "deployment_target": "ios17"}, "--target is for ML programs.*--format mlprogram"),
    ({**NETWORK, "states": "internal"}, "--states internal is for ML programs"),
    ({**NETWORK, "palette_bits": 8}, "--palettize is for ML programs"),
    ({"states": "internal", "deployment_target": "ios16"}, "--states internal needs ios18 or la"),
    (
        {"states": "internal", "deployment_target": "ios17"},
        "but --target is ios17; pass --target ios18",
    ),
    ({"palette_bits": 4, "deployment_target": "ios16"}, "--palettize needs ios17 or later, but"),
]


@pytest.mark.parametrize(("asked", "says"), REFUSED)
def test_options_are_refused_before_any_work(
    asked: dict[str, Any], says: str, small_model: Path, tmp_path: Path
) -> None:
    """In one line that names the file and what to do; nothing is written."""
    output = tmp_path / f"a{SUFFIXES[asked.get('format', 'mlprogram')]}"
    with pytest.raises(ConversionError, match=f"output_graph.pb: .*{says}") as caught:
        convert_file(COREML, small_model, output, options=options(**asked))
    assert "\n" not in str(caught.value)
    assert folder_of(tmp_path) == []


ALLOWED: list[dict[str, Any]] = [
    {"step_choices": (1, 16), "lengths": "input", "states": "internal"},
    {"max_steps": 1, "steps": DYNAMIC},
    {"max_steps": 20, "input_shape": (1, -1, 19, 26)},
    {"max_steps": 20, "front_end": True},
    {"palette_bits": 6, "precision": "fp16", "deployment_target": "ios18"},
    {"palette_bits": 6, "states": "internal"},
    {"states": "internal", "deployment_target": "ios26"},
]


@pytest.mark.parametrize("asked", ALLOWED)
def test_what_is_next_to_a_refusal_is_converted(
    asked: dict[str, Any], small_model: Path, tmp_path: Path
) -> None:
    """Options that look alike and go together."""
    convert_file(COREML, small_model, tmp_path / "a.mlpackage", options=options(**asked))
    assert folder_of(tmp_path) == ["a.mlpackage"]


def test_a_bound_for_a_graph_of_any_number(small_model: Path, tmp_path: Path) -> None:
    """A dynamic graph needs no --n-steps to be bounded."""
    source = saved(set_steps(open_graph(small_model), DYNAMIC), tmp_path / "a.pb")
    model = core_ml_model(source, tmp_path / "a", max_steps=3)
    assert model.interface.steps == DYNAMIC


@pytest.mark.parametrize("style", FORMATS)
@pytest.mark.parametrize("name", ["a", "a.pb", "a.MLPACKAGE", "a.mlpackage", "a.mlmodel"])
def test_a_name_that_does_not_fit(name: str, style: str, small_model: Path, tmp_path: Path) -> None:
    """It is refused before any work, in one line that says which name to choose."""
    if name.endswith(SUFFIXES[style]):
        return
    says = f"{name} is not a name for a Core ML {style}; .* ends in {SUFFIXES[style]}"
    with pytest.raises(OutputError, match=says) as caught:
        convert_file(COREML, small_model, tmp_path / name, options=options(format=style))
    assert "\n" not in str(caught.value)
    assert folder_of(tmp_path) == []


@pytest.mark.parametrize("style", FORMATS)
def test_the_result_is_beside_the_graph_by_default(
    style: str, small_model: Path, tmp_path: Path
) -> None:
    """The suffix is exchanged, all bytes are counted, and no other file is there."""
    source = tmp_path / "output_graph.pb"
    source.write_bytes(small_model.read_bytes())
    conversion = convert_file(COREML, source, options=options(format=style))
    assert (conversion.target, conversion.source) == ("coreml", source)
    assert conversion.output == source.with_suffix(SUFFIXES[style])
    assert folder_of(tmp_path) == sorted([source.name, conversion.output.name])
    written = (conversion.output, *conversion.output.rglob("*"))
    assert conversion.bytes == sum(path.stat().st_size for path in written if path.is_file())


@pytest.mark.parametrize("style", FORMATS)
def test_what_exists_is_kept_unless_forced(style: str, small_model: Path, tmp_path: Path) -> None:
    """A model is replaced as a whole by --force, and by nothing else."""
    output = tmp_path / f"a{SUFFIXES[style]}"
    convert_file(COREML, small_model, output, options=options(format=style, steps=7))
    if output.is_dir():
        (output / "old").write_text("of the old package")
    with pytest.raises(OutputError, match=f"{output.name} exists; pass --force to replace it"):
        convert_file(COREML, small_model, output, options=options(format=style))
    assert open_model(output).interface.steps == 7
    convert_file(COREML, small_model, output, options=options(format=style), force=True)
    assert open_model(output).interface.steps == 16
    assert folder_of(tmp_path) == [output.name]
    assert not (output / "old").exists()


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("style", FORMATS)
def test_a_folder_that_is_no_package_is_never_replaced(
    style: str, force: bool, small_model: Path, tmp_path: Path
) -> None:
    """Whatever it is called: somebody else's files are in it."""
    output = tmp_path / f"a{SUFFIXES[style]}"
    output.mkdir()
    (output / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match=f"{output.name} is a folder; pass the name of a file"):
        convert_file(COREML, small_model, output, options=options(format=style), force=force)
    assert (output / "thesis.txt").read_text() == "mine"
    assert folder_of(tmp_path) == [output.name]


def test_a_file_in_the_place_of_a_package(small_model: Path, tmp_path: Path) -> None:
    """It is refused, and replaced by --force."""
    output = tmp_path / "a.mlpackage"
    output.write_text("mine")
    with pytest.raises(OutputError, match="a.mlpackage exists"):
        convert_file(COREML, small_model, output)
    assert output.read_text() == "mine"
    convert_file(COREML, small_model, output, force=True)
    assert open_model(output).interface.steps == 16
    assert folder_of(tmp_path) == ["a.mlpackage"]


NOTED: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({}, ("input_lengths is frozen: all frames of a call are valid.",)),
    (NETWORK, ("input_lengths is frozen: all frames of a call are valid.",)),
    ({"lengths": "input"}, ()),
    ({"front_end": True}, ()),
    ({"states": "internal"}, ("states stay inside, in float16; a new MLState starts a clip",)),
]


@pytest.mark.parametrize(("asked", "notes"), NOTED)
def test_what_differs_from_the_graph_is_noted(
    asked: dict[str, Any], notes: tuple[str, ...], small_model: Path, tmp_path: Path
) -> None:
    """Frozen lengths; states inside, and how a clip starts."""
    output = tmp_path / f"a{SUFFIXES[asked.get('format', 'mlprogram')]}"
    found = convert_file(COREML, small_model, output, options=options(**asked)).notes
    assert len(found) == len(notes)
    for note, expected in zip(found, notes, strict=True):
        assert expected in note


def test_a_missing_package_is_named(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line that installs it, and nothing left behind."""
    monkeypatch.setitem(sys.modules, "coremltools", None)
    with pytest.raises(ToolkitError, match=r"install it with `pip install 'dsconv\[coreml\]'`"):
        convert_file(COREML, small_model, tmp_path / "a.mlpackage")
    assert folder_of(tmp_path) == []


@pytest.mark.parametrize("style", FORMATS)
def test_nothing_is_left_of_a_toolkit_that_fails(
    style: str, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says what it said; older files stay as they were."""

    def fail(*_: object, package_dir: str | None = None, **__: object) -> None:
        if package_dir:
            Path(package_dir).mkdir()
            Path(package_dir, "half").write_text("half")
        raise ValueError("no such op\nin line 3")

    output = tmp_path / f"a{SUFFIXES[style]}"
    convert_file(COREML, small_model, output, options=options(format=style))
    monkeypatch.setattr(import_coremltools(), "convert", fail)
    for path, force in ((output, True), (output.with_stem("b"), False)):
        with pytest.raises(ToolkitError, match="Core ML Tools failed: no such op") as caught:
            convert_file(COREML, small_model, path, options=options(format=style), force=force)
        assert "\n" not in str(caught.value)
    assert folder_of(tmp_path) == [output.name]
    assert open_model(output).interface.steps == 16


@pytest.mark.parametrize("style", FORMATS)
def test_nothing_is_left_of_a_write_that_fails(
    style: str, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full is an output that cannot be written; older files stay."""

    def fail(path: Path, data: bytes) -> None:
        path.write_text("half")
        assert len(data) > 4
        raise OSError(28, "No space left on device")

    output = tmp_path / f"a{SUFFIXES[style]}"
    convert_file(COREML, small_model, output, options=options(format=style))
    monkeypatch.setattr(Path, "write_bytes", fail)
    for path, force in ((output, True), (output.with_stem("b"), False)):
        with pytest.raises(OutputError, match=r"cannot be written \(No space left on device\)"):
            convert_file(COREML, small_model, path, options=options(format=style), force=force)
    assert folder_of(tmp_path) == [output.name]
    assert open_model(output).interface.steps == 16


QUIET = """
import sys
from dsconv.convert.coreml.options import CoreMlOptions
from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
source, folder = sys.argv[1:]
for number, asked in enumerate((
    Options(lengths='input', steps=-1),
    Options(precision='int8'),
    Options(core_ml=CoreMlOptions(palette_bits=6)),
    Options(states='internal'),
    Options(front_end=True, precision='fp16'),
    Options(precision='int8', core_ml=CoreMlOptions(format='neuralnetwork')),
)):
    target = TARGETS['coreml']
    convert_file(target, source, f'{folder}/{number}{target.suffix_for(asked)}', options=asked)
loaded = {name.split('.')[0] for name, module in sys.modules.items() if module}
print(loaded & {'tensorflow', 'torch', 'onnx', 'onnxruntime', 'openvino', 'sklearn'})
"""


@pytest.mark.parametrize("switches", [[], ["-W", "error", "-W", "ignore::DeprecationWarning"]])
def test_a_conversion_is_quiet_and_needs_no_tensorflow(
    switches: list[str], small_model: Path, tmp_path: Path
) -> None:
    """Nor any other toolkit, also where they are installed; nothing is printed or warned of."""
    command = [sys.executable, *switches, "-c", QUIET, str(small_model), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("set()", "")
    assert done.returncode == 0


def test_modules_that_are_loaded_stay_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever imported TensorFlow before a conversion still has it after."""
    mine: Any = object()
    monkeypatch.setitem(sys.modules, "tensorflow", mine)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    import_coremltools()
    assert sys.modules["tensorflow"] is mine
    assert "torch" not in sys.modules
    assert logging.getLogger("coremltools").level == logging.ERROR


@pytest.mark.parametrize("style", FORMATS)
@pytest.mark.parametrize("steps", [16, DYNAMIC])
def test_swapped_states_stay_swapped(
    steps: int, style: str, small_model: Path, tmp_path: Path
) -> None:
    """A graph that gives its states under each other's names gives a model that does so too."""
    swap = {"new_state_c": "new_state_h", "new_state_h": "new_state_c"}
    graph = set_steps(renamed(open_graph(small_model), swap), steps)
    source = saved(graph, tmp_path / "a.pb")
    asked: dict[str, Any] = {"lengths": "input", "format": style}
    model, reference = core_ml_model(source, tmp_path / "a", **asked), open_model(source)
    rng = np.random.default_rng(3)
    windows = rng.normal(size=(1, 16, 19, 26)).astype(np.float32)
    c, h = (rng.normal(size=(1, 32)).astype(np.float32) for _ in range(2))
    for length in (0, 5, 16):
        call = Call(windows, length, c, h)
        for found, expected in zip(answers(model, call), answers(reference, call), strict=True):
            assert distance(found, expected) < 1e-5


def test_spaces_and_letters_in_paths(small_model: Path, tmp_path: Path) -> None:
    """Paths may hold what file systems allow; only the last suffix counts."""
    folder = tmp_path / "ünï 漢字.mlpackage.d"
    folder.mkdir()
    conversion = convert_file(COREML, small_model, folder / "a b.v1.mlpackage")
    assert folder_of(folder) == ["a b.v1.mlpackage"]
    assert open_model(conversion.output).interface.steps == 16
