"""Drawings of model files, of every format that is made from one graph, as a browser shows them."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from dsconv.acoustic.source import Source
from dsconv.api import convert_model
from dsconv.convert.coreml.options import CoreMlOptions
from dsconv.convert.options import Options
from dsconv.errors import ConversionError, ModelError, OutputError
from dsconv.fixtures import demo_model
from dsconv.formats.graphdef.graph import CONSTANTS, open_graph
from dsconv.inspect.drawing.draw import draw_graph, read_ops
from dsconv.inspect.drawing.fold import Box, Folded, fold
from dsconv.inspect.drawing.opgraph import TIMES, Tensor
from dsconv.inspect.drawing.svg import draw_svg
from tests.browser import Browser
from tests.test_cli import assert_one_line_error, run

SVG = "{http://www.w3.org/2000/svg}"
LAYERS = ["layer_1", "layer_2", "layer_3", "layer_5", "layer_6"]
STATES = ["previous_state_c", "previous_state_h"]
TARGETS = ["pb", "pbmm", "tflite", "onnx", "openvino", "coreml", "mlmodel"]
NEW_STATES = ["new_state_c", "new_state_h"]
OVERLAPS = """
(() => {
  const groups = [...document.querySelectorAll("g > g")];
  const boxes = groups.map((each) => each.querySelector("rect").getBoundingClientRect());
  const inside = (a, b) => a.left >= b.left && a.right <= b.right
    && a.top >= b.top && a.bottom <= b.bottom;
  const apart = (a, b) => a.right <= b.left || b.right <= a.left
    || a.bottom <= b.top || b.bottom <= a.top;
  const page = document.documentElement.getBoundingClientRect();
  return {
    count: groups.length,
    overlapping: boxes.flatMap((a, i) => boxes.slice(0, i).filter((b) => !apart(a, b))).length,
    outside: boxes.filter((a) => !inside(a, page)).length,
    cut: groups.filter((each, i) => [...each.querySelectorAll("text")]
      .some((text) => !inside(text.getBoundingClientRect(), boxes[i])))
      .map((each) => each.querySelector("text").textContent),
    small: [...document.querySelectorAll("text")]
      .filter((text) => parseFloat(getComputedStyle(text).fontSize) < 12).length,
    named: groups.filter((each) => each.querySelector("title").textContent).length,
    titles: groups.map((each) => each.querySelector("text").textContent),
  };
})()
"""


def converted(target: str, folder: Path) -> Path:
    """The demo model in a format; ``mlmodel`` is Core ML's neural network."""
    if target == "pb":
        return demo_model.MODEL
    options = None
    if target == "mlmodel":
        target, options = "coreml", Options(core_ml=CoreMlOptions(format="neuralnetwork"))
    suffix = {"coreml": ".mlmodel" if options else ".mlpackage", "openvino": ".xml"}
    output = folder / f"model{suffix.get(target, f'.{target}')}"
    return convert_model(
        demo_model.MODEL, target, output, options=options, validate=False
    ).conversion.output


@pytest.mark.parametrize("target", TARGETS)
def test_every_format_is_drawn(target: str, tmp_path: Path, browser: Browser) -> None:
    """Boxes do not overlap, hold their text, are all named; the layers are among them."""
    output = tmp_path / "graph.svg"
    count = draw_graph(converted(target, tmp_path), output)
    browser.open(output)
    assert browser.requests == [output.as_uri()]
    assert browser.errors == []
    seen = browser.evaluate(OVERLAPS)
    assert seen["count"] == seen["named"] == count < 30
    assert (seen["overlapping"], seen["outside"], seen["cut"], seen["small"]) == (0, 0, [], 0)
    titles = [title.removesuffix("_product") for title in seen["titles"]]
    assert {"input_node", *STATES, *NEW_STATES, "logits", *LAYERS} <= set(titles)


@pytest.mark.parametrize("target", TARGETS)
def test_every_format_names_a_type_alike(target: str, tmp_path: Path) -> None:
    """Inputs are float32 and weights float32 or int8, whatever the format calls that."""
    graph = read_ops(Source(converted(target, tmp_path)))
    inputs = {tensor.name: str(tensor) for tensor in graph.inputs}
    assert inputs["input_node"] == f"input_node float32 1{TIMES}16{TIMES}19{TIMES}26"
    held = [*graph.constants, *(tensor for op in graph.ops for tensor in op.constants)]
    types = {tensor.dtype for tensor in held if {494, 128} <= set(tensor.shape or ())}
    assert types in ({"float32"}, {"int8"})


@pytest.mark.parametrize("dark", [False, True])
def test_a_drawing_follows_the_colours_of_the_system(
    dark: bool, tmp_path: Path, browser: Browser
) -> None:
    """Dark text on a light ground, or the other way round."""
    output = tmp_path / "graph.svg"
    draw_graph(demo_model.MODEL, output)
    browser.open(output, dark=dark)
    fill = browser.evaluate("getComputedStyle(document.querySelector('.title')).fill")
    ground = browser.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    light, dim = "rgb(255, 255, 255)", "rgb(13, 17, 23)"
    assert ground == (dim if dark else light)
    assert fill == ("rgb(230, 237, 243)" if dark else "rgb(31, 35, 40)")


def test_no_operation_of_a_graph_is_lost(tmp_path: Path) -> None:
    """Every node is in one tooltip: as an operation, as a constant, or as an input."""
    output = tmp_path / "graph.svg"
    draw_graph(demo_model.MODEL, output)
    root = ET.parse(output).getroot()
    groups = root.findall(f"./{SVG}g/{SVG}g")
    lines = [line for group in groups for line in (group.findtext(f"{SVG}title") or "").split("\n")]
    graph = open_graph(demo_model.MODEL)
    constants = {node.name for node in graph if node.op in CONSTANTS}
    reads = {node.name for node in graph if node.inputs and set(node.inputs) <= constants}
    operations = [node.name for node in graph if node.name not in constants | reads]
    assert len(operations) > 50
    assert [name for name in operations if name not in lines] == []
    assert f"layer_1/weights float32 494{TIMES}128" in lines


def test_loops_are_folded(tmp_path: Path) -> None:
    """What a loop runs is counted in its box, and its weights stand there."""
    (lstm,) = (
        box
        for box in fold(read_ops(Source(converted("tflite", tmp_path)))).boxes
        if box.title == "lstm"
    )
    assert lstm.kinds["WHILE"] == 1
    assert lstm.inside["TANH"] == 2
    shapes = {tensor.name: tensor.shape for tensor in lstm.tensors}
    assert shapes["recurrent_kernel"] == (512, 128)


@pytest.mark.models
def test_originals_fold_to_few_boxes(models: Path) -> None:
    """Graphs of every release, with two hundred nodes or more."""
    for path in [*models.glob("*-static.pb"), *models.glob("*.tflite")]:
        boxes = fold(read_ops(Source(path))).boxes
        assert 8 < len(boxes) < 30, path
        assert sum(box.kind == "output" for box in boxes) >= 1, path


def test_names_are_no_markup() -> None:
    """Markup, line ends and control characters in a name neither break nor change the drawing."""
    evil = "<b>&\"'\x07\x1b"
    box = Box("ops", evil, tensors=[Tensor(evil, evil, (8,))], names=[evil])
    box.kinds[evil] += 1
    root = ET.fromstring(draw_svg(Folded([box], []), evil))
    assert root.findtext(f"{SVG}title") == "<b>&\"'\\x07\\x1b"
    assert [child.tag for child in root.iter() if child.tag.endswith("}b")] == []


def test_what_has_no_graph_is_refused(tmp_path: Path) -> None:
    """A checkpoint is known and refused with what to do; anything else is no model."""
    text = tmp_path / "model.pb"
    text.write_text("hello")
    with pytest.raises(ModelError):
        draw_graph(text, tmp_path / "a.svg")
    checkpoint = tmp_path / "checkpoint"
    checkpoint.write_text('model_checkpoint_path: "best_dev-1"\n')
    (tmp_path / "best_dev-1.index").write_bytes(
        b"\0" * 40 + (0xDB4775248B80FB57).to_bytes(8, "little")
    )
    with pytest.raises(ConversionError, match="dsconv freeze"):
        draw_graph(tmp_path / "best_dev-1.index", tmp_path / "a.svg")
    assert not (tmp_path / "a.svg").exists()


def test_the_command_writes_a_drawing(tmp_path: Path) -> None:
    """`--graph` takes one file, tells what is in it as well, and replaces nothing unasked."""
    output = tmp_path / "graph.svg"
    result = run("inspect", demo_model.MODEL, "--graph", output)
    assert result.exit_code == 0
    assert "streaming LSTM acoustic model" in result.stdout
    assert output.read_text(encoding="utf-8").startswith("<svg ")
    assert_one_line_error(run("inspect", demo_model.MODEL, "--graph", output), 6, "--force")
    assert run("inspect", demo_model.MODEL, "--graph", output, "--force").exit_code == 0
    two = run("inspect", demo_model.MODEL, demo_model.MODEL, "--graph", tmp_path / "b.svg")
    assert two.exit_code == 2
    with pytest.raises(OutputError):
        draw_graph(demo_model.MODEL, tmp_path / "missing" / "b.svg")
