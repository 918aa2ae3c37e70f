"""Which way a graph goes, and what is refused on each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dsconv.acoustic.overrides import Overrides
from dsconv.convert.options import CoreMlOptions, Options, Plan, ToolkitOptions, make_plan
from dsconv.convert.toolkit import route
from dsconv.convert.toolkit.route import choose_route
from dsconv.errors import ConversionError, ToolkitError
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.toolkits import Toolkit
from tests.convert.toolkit.networks import chain


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all converters were there."""
    monkeypatch.setattr(Toolkit, "missing", False)


def test_auto_asks_the_network(small_graph: Graph) -> None:
    """What is recognised is built, all else is the toolkit's, and the user may say otherwise."""
    assert choose_route("onnx", small_graph, Options()) == "build"
    assert choose_route("onnx", chain(), Options()) == "toolkit"
    assert choose_route("onnx", small_graph, Options(route="toolkit")) == "toolkit"
    assert choose_route("onnx", chain(), Options(route="build")) == "build"


def test_targets_without_a_converter_are_built() -> None:
    """Those of plug-ins."""
    assert choose_route("npz", chain(), Options()) == "build"


@pytest.mark.models
def test_a_graph_that_is_not_frozen(models: Path) -> None:
    """It is not the toolkit's: the builder says that it is not frozen, and what to do."""
    assert choose_route("onnx", open_graph(models / "not-frozen-0.1.1.pb"), Options()) == "build"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"inputs": ("a",)}, "--inputs is for the toolkit's own converter; pass --route toolkit"),
        ({"outputs": ("a",)}, "--outputs is for"),
        ({"freeze": {"a": 1}}, "--freeze is for"),
    ],
)
def test_the_builder_does_not_cut(asked: dict[str, Any], says: str, small_graph: Graph) -> None:
    """What it would pass over is refused."""
    for way in ("auto", "build"):
        with pytest.raises(ConversionError, match=says):
            options = Options(route=way, toolkit=ToolkitOptions(**asked))
            choose_route("onnx", small_graph, options)


def test_the_builder_knows_its_input_by_name(small_graph: Graph) -> None:
    """The sizes of another one are refused, and so are those of a clip in chunks."""

    def plan(shape: Any = None, **asked: Any) -> Plan:
        options = Options(input_shape=shape, toolkit=ToolkitOptions(input_shapes=asked))
        return make_plan(small_graph, options, lengths="input", states=("io",))

    wanted = (1, 8, 19, 26)
    assert plan(input_node=wanted).steps == plan(wanted).steps == 8
    assert plan(wanted, input_node=wanted).steps == 8
    for refused in ({"shape": (1, 9, 19, 26), "input_node": wanted}, {"input_lengths": (1,)}):
        with pytest.raises(ConversionError, match="the shape of 'input_node' alone"):
            plan(**refused)
    options = Options(front_end=True, toolkit=ToolkitOptions(input_shapes={"input_node": wanted}))
    with pytest.raises(ConversionError, match="--input-shape does not go with --front-end"):
        make_plan(small_graph, options, lengths="input", states=("io",))


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"precision": "fp16"}, "--precision fp16"),
        ({"precision": "int8"}, "--precision int8"),
        ({"lengths": "frozen"}, "--lengths frozen"),
        ({"states": "internal"}, "--states internal"),
        ({"front_end": True}, "--front-end"),
        ({"lstm": "unrolled"}, "--lstm"),
        ({"scores": "raw"}, "--scores raw"),
        ({"core_ml": CoreMlOptions(palette_bits=4)}, "--palettize"),
        ({"core_ml": CoreMlOptions(step_choices=(1, 2))}, "a choice of --n-steps"),
    ],
)
def test_the_toolkit_does_not_build(asked: dict[str, Any], says: str, small_graph: Graph) -> None:
    """With auto, the reason why the graph is not built stands before."""
    with pytest.raises(ConversionError, match=f"^the toolkit converts.* knows no {says}"):
        choose_route("onnx", small_graph, Options(route="toolkit", **asked))
    with pytest.raises(ConversionError, match=f"no input.* knows no {says}; leave that out"):
        choose_route("onnx", chain(), Options(**asked))


def test_only_an_acoustic_model_has_an_alphabet(small_graph: Graph) -> None:
    """What a result would pass over is refused."""
    said = Overrides(sample_rate=16000)
    assert choose_route("onnx", small_graph, Options(route="toolkit", overrides=said)) == "toolkit"
    for way in ("auto", "toolkit"):
        with pytest.raises(ConversionError, match="knows no --sample-rate"):
            choose_route("onnx", chain(), Options(route=way, overrides=said))


def test_a_converter_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for, the toolkit is missing; else the graph is refused, with both ways out."""
    monkeypatch.setattr(Toolkit, "missing", True)
    install = r"pip install 'dsconv\[toolkit\]'"
    with pytest.raises(ToolkitError, match=f"tf2onnx is not installed.*{install}"):
        choose_route("onnx", chain(), Options(route="toolkit"))
    with pytest.raises(ConversionError, match=f"no input.*tf2onnx may convert it.*{install}"):
        choose_route("onnx", chain(), Options())


def test_every_converter_is_of_the_extra() -> None:
    """The install line is the one of the documentation."""
    assert set(route.CONVERTERS) == {"onnx", "coreml", "openvino", "tflite"}
    assert {c.toolkit.install for c in route.CONVERTERS.values()} == {
        "pip install 'dsconv[toolkit]'"
    }
