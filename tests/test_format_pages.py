"""The pages of the formats: what they run runs, what they list is what the files hold."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from dsconv.cli import main
from dsconv.commands.sections import SectionOption
from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS
from dsconv.fixtures.write import write_demo_model
from dsconv.inspect.registry import inspect_file
from dsconv.inspect.report import Inspection
from tests import pages
from tests.conftest import Transcribe
from tests.convert.conversions import require_toolkits

COMMON = pages.DOCS / "tensors.md"
CONVERSIONS = pages.DOCS / "convert.md"
INDEX = pages.DOCS / "README.md"
PAGES = {name: pages.DOCS / f"{'pbmm' if name == 'pb' else name}.md" for name in TARGETS}
BUILT = ("tflite", "coreml", "openvino", "onnx")
SIZES = {"?": -1, "n_hidden": 128, "classes": 29}
SAID = "don't trust a number that nobody measured\n"

# Core ML runs on macOS alone. Elsewhere the package is evaluated by dsconv: what the snippet feeds
# and takes is checked, what a device rounds is not. (TensorFlow is only slow to import.)
EVALUATED = """
from pathlib import Path
from dsconv.runtime.coreml.model import evaluate_core_ml_model
from dsconv.formats.toolkits import import_coremltools
def predict(self, inputs, names=("logits", "new_state_c", "new_state_h")):
    if not hasattr(self, "evaluated"):
        self.evaluated = evaluate_core_ml_model(Path(self.package_path))
    return self.evaluated.call(inputs, list(names))
import_coremltools().models.MLModel.predict = predict
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the demo model and its speech."""
    write_demo_model(tmp_path)
    return tmp_path


@pytest.mark.parametrize("target", BUILT)
def test_what_the_page_runs(target: str, folder: Path) -> None:
    """The commands, and the snippet that feeds the file to its runtime."""
    require_toolkits(target)
    elsewhere = target == "coreml" and sys.platform != "darwin"
    if elsewhere:
        print("Core ML runs on macOS alone: the snippet's model is evaluated by dsconv.")
    assert pages.run_page(PAGES[target], folder, EVALUATED if elsewhere else "") >= 3
    assert SAID in {block.text for block in pages.blocks(PAGES[target], "text")}


@pytest.mark.tensorflow
def test_what_the_page_of_graphs_runs(tensorflow: Any, folder: Path) -> None:
    """The snippet runs the graph that came back from the package in TensorFlow."""
    assert tensorflow.__version__
    assert pages.run_page(PAGES["pbmm"], folder) >= 3


@pytest.mark.runtimes
@pytest.mark.parametrize("target", ["pbmm", "tflite"])
def test_the_original_clients_say_it(
    target: str, folder: Path, transcribe_originally: Transcribe
) -> None:
    """Their lines, with the files that the page makes first."""
    lines = [line for block in pages.blocks(PAGES[target], "sh") for line in block.text.split("\n")]
    ours = next(line for line in lines if line.startswith(f"dsconv {target}"))
    assert pages.run_dsconv(folder, ours).returncode == 0
    (theirs,) = [
        words for line in lines if (words := shlex.split(line)) and words[0] in pages.CLIENTS
    ]
    client, model_option, model, audio_option, audio = theirs
    assert (model_option, audio_option) == ("--model", "--audio")
    said = transcribe_originally(client, folder / model, folder / audio)
    assert said == [SAID.strip()]


def converted(folder: Path, target: str, options: str = "") -> Inspection:
    """What the command makes of the demo model, inspected."""
    suffix = ".mlmodel" if "neuralnetwork" in options else TARGETS[target].suffix_for(Options())
    output = folder / f"a{suffix}"
    checked = "" if target == "pbmm" else "--no-validate"
    command = f"dsconv {target} output_graph.pb {options} {checked} --force -q -o {output.name}"
    done = pages.run_dsconv(folder, command)
    assert done.returncode == 0, (command, done.stdout)
    return inspect_file(output)


def table(page: Path, heading: str) -> list[dict[str, str]]:
    """The page's table of which a column has this heading."""
    return next(rows for rows in pages.tables(page) if heading in rows[0])


@pytest.mark.parametrize("target", ["pbmm", *BUILT])
def test_inputs_and_outputs_are_those_of_the_file(target: str, folder: Path) -> None:
    """Their names, types and shapes, and none is left out; metadata are described together."""
    if target != "pbmm":
        require_toolkits(target)
    found = converted(folder, target)
    held = {t.name: (t.dtype, t.shape) for t in (*found.inputs, *found.outputs)}
    said: dict[str, tuple[str, list[int]]] = {}
    for row in table(PAGES[target], "input or output"):
        form = re.fullmatch(r"(\w+) \[(.*)\]", row["type and shape"])
        assert form, row
        shape = [SIZES.get(size) or int(size) for size in form[2].split(", ")]
        names = re.findall(r"`(\w+)`", row["input or output"])
        said |= dict.fromkeys(names, (form[1], shape))
    assert {name: held[name] for name in said} == said
    assert {name for name in held if not name.startswith("metadata_")} <= said.keys()


@pytest.mark.parametrize("target", BUILT)
def test_operations_and_clients_of_each_form(target: str, folder: Path) -> None:
    """The table of forms: as many operations whatever the size, and who opens the file."""
    require_toolkits(target)
    opened = ""
    for row in table(PAGES[target], "operations"):
        form = row["conversion"].strip("`").removeprefix(f"dsconv {target}").strip()
        if form and not form.startswith("--"):
            continue  # Another converter stands there for comparison.
        found = converted(folder, target, form)
        counted = sum(n for op, n in found.ops.items() if not op.startswith("const"))
        assert row["operations"] == str(counted), form
        if "opened by" in row:
            opened = opened if row["opened by"] == "the same" else row["opened by"]
            assert opened == ", ".join(["LiteRT", *found.opened_by]), form


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_has_its_page(target: str) -> None:
    """Listed in the index and in the README; it names the command."""
    page = PAGES[target]
    assert f"]({page.name})" in INDEX.read_text("utf-8")
    assert f"](docs/{page.name})" in pages.README.read_text("utf-8")
    assert f"`dsconv {target}`" in page.read_text("utf-8")


@pytest.mark.parametrize("target", BUILT)
def test_the_page_names_what_can_be_asked_of_the_network(target: str) -> None:
    """Each option of that section of the help, and those that the target alone has.

    What all targets have is told once, in the page of conversions.
    """
    text = PAGES[target].read_text("utf-8") + COMMON.read_text("utf-8")
    assert "`--require-validation`" in CONVERSIONS.read_text("utf-8")
    common = {option.name for option in main.commands["all"].params} | {"require_validation"}
    for option in main.commands[target].params:
        section = option.section if isinstance(option, SectionOption) else None
        if section == "The network" or option.name not in common | {"as_json", "quiet"}:
            (name, *_) = [name for name in option.opts if name.startswith("--")]
            assert name in text, name
