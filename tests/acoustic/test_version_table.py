"""The one table of versions: told from graphs, true of them, and the only place that knows them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dsconv.acoustic.metadata import Metadata, read_metadata
from dsconv.acoustic.recognise import recognise
from dsconv.acoustic.versions import (
    EXPORTERS,
    FREEZABLE,
    LATEST,
    VERSIONS,
    Version,
    label_of,
    versions_of,
)
from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.inspect.identity import Identity, find_versions, identify_network
from dsconv.inspect.runtimes import original_runtimes, tflite_runtimes
from tests import pages
from tests.acoustic import early
from tests.acoustic.edits import renamed, takes
from tests.convert.sources import GraphSource

PAGE = (pages.DOCS / "versions.md").read_text("utf-8")
RECENT = "DeepSpeech 0.7 to 0.9, or Coqui STT"
FREEZE_NAMES = {"0.6": "0.6.1", "0.7 to 0.9": "0.9.3", "": "coqui-1.4.0"}


def test_a_row_for_every_version() -> None:
    """The oldest first; what is frozen is named."""
    assert [label_of([version]) for version in VERSIONS] == [
        *(f"DeepSpeech 0.{minor}" for minor in range(1, 7)),
        "DeepSpeech 0.7 to 0.9",
        "Coqui STT",
    ]
    assert list(EXPORTERS) == ["0.6.1", "0.9.3", "coqui-1.4.0"]
    assert {each.number: each.name for each in EXPORTERS.values()} == FREEZE_NAMES
    assert FREEZABLE == "DeepSpeech 0.6 or later or Coqui STT"


def test_labels() -> None:
    """Versions that nothing tells apart, in words."""
    assert label_of(LATEST) == RECENT
    assert label_of(VERSIONS[1:3]) == "DeepSpeech 0.2 or 0.3"
    assert label_of(VERSIONS[1:4]) == "DeepSpeech 0.2, 0.3 or 0.4"
    assert label_of([]) == ""


def export(graph: Graph, version: str | None) -> tuple[Graph, str]:
    """A graph of a version, and its label."""
    if version is None:
        return graph, RECENT
    if version == "0.3":
        return takes("logits", 0, "raw_logits")(early.early(graph, "0.4")), "DeepSpeech 0.3"
    known = next(each for each in early.VERSIONS if each == version)
    return early.early(graph, known), f"DeepSpeech {version.split()[0]}"


@pytest.mark.parametrize("version", [None, *early.VERSIONS, "0.3"])
def test_a_row_says_what_is_in_its_graphs(version: str | None, small_graph: Graph) -> None:
    """As inspect and recognition find it, both of which tell the same version."""
    graph, label = export(small_graph, version)
    network, metadata = recognise(graph), read_metadata(graph)
    versions = find_versions(graph, metadata)
    assert versions == versions_of(graph, metadata, softmax=network.softmax)
    found = identify_network(graph, metadata, versions)
    assert found.exported_by == label_of(versions) == label
    for row in versions:
        assert (row.states, row.softmax) == (found.states, network.softmax)
        assert row.forget_bias == network.lstm.forget_bias == found.forget_bias
        assert (row.early, row.graph_version) == (network.early, metadata.version)
        assert row.has_alphabet != ("alphabet" in network.metadata.assumed)
        assert (row.early is None) == (network.front_end is not None)
    assert converts(graph) == ["pbmm", "tflite", "coreml", "openvino", "onnx"]


@pytest.mark.models
def test_a_row_says_what_is_in_the_graphs_of_the_first(models: Path) -> None:
    """Which reads whole clips."""
    graph = open_graph(models / "deepspeech-0.1.1-static.pb")
    network = recognise(graph)
    (row,) = find_versions(graph, read_metadata(graph))
    assert label_of([row]) == "DeepSpeech 0.1"
    assert network.backward is not None
    assert (row.whole_clip, row.softmax, row.early) == (True, network.softmax, network.early)
    assert row.forget_bias == network.lstm.forget_bias == network.backward.forget_bias
    assert not row.has_alphabet
    assert "alphabet" in network.metadata.assumed
    assert converts(graph) == ["pbmm", "tflite", "coreml", "openvino", "onnx"]


@pytest.mark.models
@pytest.mark.parametrize(("name", "limit"), [("0.5.1", 4000.0), ("0.6.1", 4000.0), ("0.9.3", None)])
def test_the_limit_of_the_filters(name: str, limit: float | None, models: Path) -> None:
    """In Hz, or half the sample rate."""
    graph = open_graph(models / f"deepspeech-{name}-static.pb")
    front_end = recognise(graph).front_end
    assert front_end is not None
    for row in find_versions(graph, read_metadata(graph)):
        assert row.filter_limit == limit
    expected = limit or front_end.sample_rate / 2
    assert front_end.mfcc.attribute_or("upper_frequency_limit", 4000.0) == expected


def test_graphs_of_no_version(small_graph: Graph) -> None:
    """Metadata of a version that is not known is that of the latest; without any, and without the
    structure of an early version, nothing tells it."""
    assert versions_of(small_graph, Metadata(version=99), softmax=True) == LATEST
    assert versions_of(small_graph, Metadata(), softmax=True) == ()
    none = small_graph.replacing(node for node in small_graph if node.op == "Placeholder")
    assert versions_of(none, Metadata(version=6), softmax=True) == ()


def test_names_of_nodes_do_not_matter(small_graph: Graph) -> None:
    """The structure tells the version, whatever the nodes are called."""
    for version in ("0.2", "0.3", "0.4"):
        graph, label = export(small_graph, version)
        softmax = recognise(graph).softmax
        other = renamed(graph, {node.name: f"scope/{node.name}" for node in graph})
        assert label_of(versions_of(other, read_metadata(other), softmax=softmax)) == label


def identity(graph: Graph) -> Identity:
    """A frozen model that the runtimes would open."""
    return identify_network(graph, read_metadata(graph), LATEST)


@pytest.mark.parametrize("packaged", [False, True], ids=["pb", "pbmm"])
@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: label_of([version]))
def test_runtimes_are_those_of_the_row(
    version: Version, packaged: bool, small_graph: Graph
) -> None:
    """As inspect says it, with the reason where there are none."""
    found = original_runtimes([version], identity(small_graph), packaged=packaged)
    names = tuple(runtime.name for runtime in version.runtimes)
    if packaged and not version.open_packages:
        assert found.opened_by == ()
        assert found.reason == f"{names[0]} opens only the .pb"
    else:
        assert found.opened_by == names
        assert (found.reason is None) == bool(names)


def test_what_nothing_tells_apart_is_opened_by_what_opens_both(small_graph: Graph) -> None:
    """And by nothing, where that was not tried."""
    found = original_runtimes(VERSIONS[1:3], identity(small_graph), packaged=False)
    assert (found.opened_by, found.reason) == ((), "no runtime of DeepSpeech 0.2 or 0.3 was tried")
    assert original_runtimes([], identity(small_graph), packaged=False).opened_by == ()


def test_layer_normalization_and_any_steps(small_graph: Graph) -> None:
    """As the text below the table says."""
    recent = identity(small_graph)
    normed = replace(recent, layer_norm=True)
    assert original_runtimes(LATEST, normed, packaged=False).opened_by == ("deepspeech 0.9.3",)
    older = original_runtimes([EXPORTERS["0.6.1"]], normed, packaged=False)
    assert (older.opened_by, older.reason) == ((), "they know no layer normalization")
    assert "layer normalization only deepspeech 0.9.3 opens" in PAGE
    for change in ({"steps": -1}, {"batch": 2}, {"takes_lengths": False}):
        assert not original_runtimes(LATEST, replace(recent, **change), packaged=False).opened_by


def test_runtimes_of_tflite_results(small_graph: Graph) -> None:
    """Only what comes of the latest versions has the metadata that they want."""
    recent = replace(identity(small_graph), takes_lengths=False)
    opened = {
        16: ("deepspeech-tflite 0.9.3", "stt 1.4.0"),
        -1: ("stt 1.4.0",),
    }
    for steps, runtimes in opened.items():
        assert tflite_runtimes(replace(recent, steps=steps), ["Mfcc"]).opened_by == runtimes
    one_step = replace(recent, steps=1)
    assert tflite_runtimes(one_step, ["Mfcc"]).opened_by == opened[16]
    assert tflite_runtimes(one_step, ["Mfcc", "WHILE"]).opened_by == opened[-1]
    older = replace(recent, graph_version=5, beam_width=None)
    assert tflite_runtimes(older, ["Mfcc"]).opened_by == ()
    assert "deepspeech-tflite 0.9.3 and stt 1.4.0 if they are made of a graph of\n0.7" in PAGE


def converts(graph: Graph) -> list[str]:
    """The targets that take a graph without any options."""
    taken = []
    for target in TARGETS.values():
        try:
            target.plan(GraphSource(graph), Options())
        except ConversionError:
            continue
        taken.append(target.name)
    return taken


def test_no_other_module_compares_versions() -> None:
    """No text of the package is the name of a version or a runtime, or starts a label of one.

    Docstrings, which name sources, and sentences for people may hold such.
    """
    runtimes = {
        runtime.name for row in VERSIONS for runtime in (*row.runtimes, *row.tflite_runtimes)
    }
    names = {*EXPORTERS, *runtimes, *(label_of([row]) for row in VERSIONS), label_of(LATEST)}
    names |= {name.split()[1] for name in runtimes} | {row.number for row in VERSIONS} - {""}
    package = pages.ROOT / "dsconv"
    found = [
        (str(path.relative_to(package)), text)
        for path in sorted(package.rglob("*.py"))
        if path != package / "acoustic" / "versions.py"
        for text in texts(ast.parse(path.read_text("utf-8")))
        if text in names or re.match(r"DeepSpeech \d", text)
    ]
    assert found == []


def texts(tree: ast.Module) -> Iterator[str]:
    """All texts of a module but its docstrings."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, str) and id(node) not in docstrings:
            yield value
