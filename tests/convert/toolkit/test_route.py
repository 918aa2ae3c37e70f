"""Which way a graph goes, and what is refused on each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dsconv.acoustic.overrides import Overrides
from dsconv.acoustic.source import Source
from dsconv.convert.coreml.options import CoreMlOptions
from dsconv.convert.form import Form, form_of
from dsconv.convert.options import Options
from dsconv.convert.toolkit.converters import CONVERTERS
from dsconv.convert.toolkit.options import ToolkitOptions
from dsconv.convert.toolkit.route import choose_route
from dsconv.errors import ConversionError, ToolkitError
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.toolkits import Toolkit
from tests.convert.sources import GraphSource
from tests.convert.toolkit.networks import chain


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all converters were there."""
    monkeypatch.setattr(Toolkit, "missing", False)


def test_auto_asks_the_network(small_graph: Graph) -> None:
    """What is recognised is built, all else is the toolkit's, and the user may say otherwise."""
    assert choose_route("onnx", GraphSource(small_graph), Options()) == "build"
    assert choose_route("onnx", GraphSource(chain()), Options()) == "toolkit"
    assert choose_route("onnx", GraphSource(small_graph), Options(route="toolkit")) == "toolkit"
    assert choose_route("onnx", GraphSource(chain()), Options(route="build")) == "build"


def test_targets_without_a_converter_are_built() -> None:
    """Those of plug-ins."""
    assert choose_route("npz", GraphSource(chain()), Options()) == "build"


@pytest.mark.models
def test_a_graph_that_is_not_frozen(models: Path) -> None:
    """It is not the toolkit's: the builder says that it is not frozen, and what to do."""
    assert choose_route("onnx", Source(models / "not-frozen-0.1.1.pb"), Options()) == "build"


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
            choose_route("onnx", GraphSource(small_graph), options)


def test_the_builder_knows_its_input_by_name(small_graph: Graph) -> None:
    """The sizes of another one are refused, and so are those of a clip in chunks."""

    def form(shape: Any = None, **asked: Any) -> Form:
        options = Options(input_shape=shape, toolkit=ToolkitOptions(input_shapes=asked))
        return form_of(GraphSource(small_graph), options, lengths="input", states=("io",))

    expected = (1, 8, 19, 26)
    assert form(input_node=expected).steps == form(expected).steps == 8
    assert form(expected, input_node=expected).steps == 8
    for refused in ({"shape": (1, 9, 19, 26), "input_node": expected}, {"input_lengths": (1,)}):
        with pytest.raises(ConversionError, match="the shape of 'input_node' alone"):
            form(**refused)
    options = Options(front_end=True, toolkit=ToolkitOptions(input_shapes={"input_node": expected}))
    with pytest.raises(ConversionError, match="--input-shape does not go with --front-end"):
        form_of(GraphSource(small_graph), options, lengths="input", states=("io",))


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"precision": "fp16"}, "--precision fp16"),
        ({"precision": "int8"}, "--precision int8"),
        ({"lengths": "frozen"}, "--lengths frozen"),
        ({"states": "internal"}, "--states internal"),
        ({"front_end": True}, "--front-end"),
        ({"lstm": "unrolled"}, "--lstm"),
        ({"scores": "logits"}, "--scores logits"),
        ({"scores": "raw"}, "--scores logits"),
        ({"core_ml": CoreMlOptions(palette_bits=4)}, "--palettize"),
        ({"core_ml": CoreMlOptions(step_choices=(1, 2))}, "a choice of --n-steps"),
    ],
)
def test_the_toolkit_does_not_build(asked: dict[str, Any], says: str, small_graph: Graph) -> None:
    """With auto, the reason why the graph is not built stands before."""
    with pytest.raises(ConversionError, match=f"^the toolkit converts.* without {says}"):
        choose_route("onnx", GraphSource(small_graph), Options(route="toolkit", **asked))
    with pytest.raises(ConversionError, match=f"no input.* without {says}; leave that out"):
        choose_route("onnx", GraphSource(chain()), Options(**asked))


def test_neural_networks_are_built(small_graph: Graph) -> None:
    """The toolkit writes ML programs; what other targets are asked does not matter to them."""
    options = Options(core_ml=CoreMlOptions("neuralnetwork"))
    by_toolkit = replace(options, route="toolkit")
    assert choose_route("coreml", GraphSource(small_graph), options) == "build"
    assert choose_route("onnx", GraphSource(small_graph), by_toolkit) == "toolkit"
    with pytest.raises(ConversionError, match="^the toolkit.* without --format neuralnetwork"):
        choose_route("coreml", GraphSource(small_graph), by_toolkit)
    with pytest.raises(ConversionError, match="no input.* without --format neuralnetwork; leave"):
        choose_route("coreml", GraphSource(chain()), options)


def test_only_an_acoustic_model_has_an_alphabet(small_graph: Graph) -> None:
    """What a result would pass over is refused."""
    said = Overrides(sample_rate=16000)
    assert (
        choose_route("onnx", GraphSource(small_graph), Options(route="toolkit", overrides=said))
        == "toolkit"
    )
    for way in ("auto", "toolkit"):
        with pytest.raises(ConversionError, match="without --sample-rate"):
            choose_route("onnx", GraphSource(chain()), Options(route=way, overrides=said))


def test_a_converter_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for, the toolkit is missing; else the graph is refused, with both ways out."""
    monkeypatch.setattr(Toolkit, "missing", True)
    install = r"pip install 'dsconv\[toolkit\]'"
    with pytest.raises(ToolkitError, match=f"tf2onnx is not installed.*{install}"):
        choose_route("onnx", GraphSource(chain()), Options(route="toolkit"))
    with pytest.raises(ConversionError, match=f"no input.*tf2onnx may convert it.*{install}"):
        choose_route("onnx", GraphSource(chain()), Options())


def test_every_converter_is_of_the_extra() -> None:
    """The install line is the one of the documentation."""
    assert set(CONVERTERS) == {"onnx", "coreml", "openvino", "tflite"}
    assert {c.toolkit.install for c in CONVERTERS.values()} == {"pip install 'dsconv[toolkit]'"}
