"""What the documentation says is what the code does."""

from __future__ import annotations

import importlib.util
import pkgutil
import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS, SERIES
from dsconv.acoustic.era import FeatureEra
from dsconv.acoustic.exporters import DEEPSPEECH_0_6_1, DEEPSPEECH_0_9_3
from dsconv.acoustic.metadata import read_metadata
from dsconv.acoustic.recognise import recognise
from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.graph import Graph
from dsconv.inspect.identity import Identity, identify_network
from dsconv.inspect.runtimes import original_runtimes, tflite_runtimes
from dsconv.speech.early_features import EVERY_SECOND, HAMMING, WHOLE_CLIP, EarlySettings
from tests import pages
from tests.acoustic.early import VERSIONS, Version, early
from tests.acoustic.edits import takes
from tests.convert.sources import GraphSource
from tools.cli_reference import reference

VERSIONS_PAGE = (pages.DOCS / "versions.md").read_text("utf-8")
README = pages.README.read_text("utf-8")
RECENT = "DeepSpeech 0.7 to 0.9, or Coqui STT"
GRAPH_VERSIONS = {"DeepSpeech 0.5": 1, "DeepSpeech 0.6": 5, RECENT: 6}
EARLY: dict[str, EarlySettings] = {
    "DeepSpeech 0.1": WHOLE_CLIP,
    "DeepSpeech 0.2": EVERY_SECOND,
    "DeepSpeech 0.3": EVERY_SECOND,
    "DeepSpeech 0.4": HAMMING,
}


def rows() -> dict[str, dict[str, str]]:
    """The table of versions, by the first column."""
    (table,) = pages.tables(pages.DOCS / "versions.md")
    return {row["exported by"]: row for row in table}


def identity(graph: Graph, exporter: str) -> Identity:
    """A frozen model of a version that the runtimes would open."""
    found = identify_network(graph, read_metadata(graph))
    return replace(found, exported_by=exporter, graph_version=GRAPH_VERSIONS.get(exporter))


@pytest.mark.parametrize("packaged", [False, True], ids=["pb", "pbmm"])
def test_runtimes_are_those_of_the_code(packaged: bool, small_graph: Graph) -> None:
    """For each row, as inspect says it."""
    assert len(rows()) == 7
    for exporter, row in rows().items():
        found = original_runtimes(identity(small_graph, exporter), packaged=packaged)
        versions = ", ".join(name.removeprefix("deepspeech ") for name in found.opened_by)
        said = row[f"its `.{'pbmm' if packaged else 'pb'}` is opened by"]
        if versions:
            assert said == f"deepspeech {versions}"
        else:
            assert said == ("none" if exporter == "DeepSpeech 0.1" else "none was tried")


def test_the_readme_says_the_same() -> None:
    """Its table is the short form of this one."""
    for exporter, row in rows().items():
        said = row["its `.pb` is opened by"]
        label = "DeepSpeech 0.7 to 0.9, Coqui STT 1.x" if exporter == RECENT else exporter
        if exporter == "DeepSpeech 0.1":
            said += " (`.pb` only)"
        if said != "none was tried":
            assert f"| {label} | {said} |" in README


def test_layer_normalization_and_any_steps(small_graph: Graph) -> None:
    """As the text below the table says."""
    recent = identity(small_graph, RECENT)
    normed = original_runtimes(replace(recent, layer_norm=True), packaged=False)
    assert normed.opened_by == ("deepspeech 0.9.3",)
    assert "layer normalization only deepspeech 0.9.3 opens" in VERSIONS_PAGE
    for change in ({"steps": -1}, {"batch": 2}, {"takes_lengths": False}):
        assert not original_runtimes(replace(recent, **change), packaged=False).opened_by


def test_runtimes_of_tflite_results(small_graph: Graph) -> None:
    """Only what comes of 0.7 or later has the metadata that they want."""
    recent = replace(identity(small_graph, RECENT), takes_lengths=False)
    opened = {
        16: ("deepspeech-tflite 0.9.3", "stt 1.4.0"),
        -1: ("stt 1.4.0",),
    }
    for steps, runtimes in opened.items():
        assert tflite_runtimes(replace(recent, steps=steps), ["Mfcc"]).opened_by == runtimes
    older = replace(recent, graph_version=5, beam_width=None)
    assert tflite_runtimes(older, ["Mfcc"]).opened_by == ()
    assert "deepspeech-tflite 0.9.3 and stt 1.4.0 if they are made of a graph of\n0.7" in (
        VERSIONS_PAGE
    )


def test_features_are_those_of_the_code() -> None:
    """Windows and steps in milliseconds, and the filters' upper limit."""
    table = rows()
    for exporter, settings in EARLY.items():
        said = table[exporter]["features"]
        assert f"{settings.window_ms}/{settings.step_ms} ms" in said
        assert ("every second" in said) == (settings.every == 2)
        assert ("Hamming" in said) == settings.hamming
        assert ("whitened" in said) == (settings is WHOLE_CLIP)
    assert "4000 Hz" in table["DeepSpeech 0.6"]["features"]
    assert DEEPSPEECH_0_6_1.upper_frequency_limit == 4000
    assert "half the sample rate" in table[RECENT]["features"]
    assert DEEPSPEECH_0_9_3.upper_frequency_limit is None


@pytest.mark.parametrize("version", [None, *VERSIONS, "0.3"])
def test_states_scores_and_targets(version: Version | str | None, small_graph: Graph) -> None:
    """As inspect and recognition find them in a graph of the version."""
    graph, name = small_graph, RECENT
    if version == "0.3":
        graph, name = takes("logits", 0, "raw_logits")(early(graph, "0.4")), "DeepSpeech 0.3"
    elif version is not None:
        graph, name = early(graph, _known(version)), f"DeepSpeech {version.split()[0]}"
    row, network = rows()[name], recognise(graph)
    found = identify_network(graph, read_metadata(graph))
    assert found.exported_by == name
    assert row["states"] == found.states
    assert row["scores"] == ("probabilities" if network.softmax else "raw")
    assert row["features"].startswith("outside") == (network.era is not None)
    assert (row["alphabet"] == "assumed") == ("alphabet" in network.metadata.assumed)
    assert row["converts to"] == "all"
    assert converts(graph) == ["pbmm", "tflite", "coreml", "openvino", "onnx"]


def _known(version: str) -> Version:
    return next(known for known in VERSIONS if known == version)


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


def test_eras_are_named_by_their_versions() -> None:
    """The three ways to make features outside of the graph."""
    assert [era.version for era in FeatureEra] == ["0.1", "0.2", "0.4"]


def test_the_reference_of_the_command_line_is_what_is_printed() -> None:
    """`python -m tools.cli_reference > docs/cli.md` was not forgotten."""
    assert (pages.DOCS / "cli.md").read_text("utf-8") == reference()


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: str(page.relative_to(pages.ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Files that pages name are there, and the headings in them."""
    for path, anchor in pages.links(page):
        assert path.exists(), path
        if anchor:
            assert anchor in pages.anchors(path), (path, anchor)


@pytest.mark.parametrize("page", sorted(pages.DOCS.glob("*.md")), ids=lambda page: page.name)
def test_every_page_is_in_the_index(page: Path) -> None:
    """Of the documentation."""
    index = pages.DOCS / "README.md"
    assert page == index or (page, "") in pages.links(index)


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: str(page.relative_to(pages.ROOT)))
def test_modules_that_pages_name_are_there(page: Path) -> None:
    """Files and folders of the package, the tests and the tools; names in it; benchmarks."""
    text = page.read_text("utf-8")
    for name in re.findall(r"`((?:\w+/)*\w+\.py|(?:\w+/)+)`", text):
        if not name.startswith("dsconv_npz/"):  # What the page of plug-ins itself writes.
            assert is_there(name), name
    for name in re.findall(r"`(dsconv(?:\.\w+)+)`", text):
        assert pkgutil.resolve_name(name), name
    for name in re.findall(r"python -m ((?:dsconv|tools|benchmarks)[\w.]*)", text):
        assert importlib.util.find_spec(name), name
    for name in re.findall(r"python -m benchmarks --only ([\w-]+)", text):
        assert name in BENCHMARKS | SERIES, name


def is_there(name: str) -> bool:
    """A path from the top or in the package, or the name alone of a module or folder in that."""
    package = pages.ROOT / "dsconv"
    if (pages.ROOT / name).exists() or (package / name).exists():
        return True
    alone = name.rstrip("/")
    return "/" not in alone and any(package.rglob(alone))
