"""A format is one row: all that the rest of dsconv knows of it stands there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dsconv.acoustic.source import Source
from dsconv.convert.coreml.options import CoreMlOptions
from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS
from dsconv.errors import ConversionError, ModelError
from dsconv.fixtures import demo_model
from dsconv.formats import extensions, table
from dsconv.formats.content import starts_with
from dsconv.formats.digest import Digest
from dsconv.formats.extensions import FormatPlugin, Plugin
from dsconv.formats.format import Format, load
from dsconv.formats.identify import identify
from dsconv.inspect.drawing.draw import draw_graph, read_ops
from dsconv.inspect.drawing.opgraph import OpGraph
from dsconv.inspect.registry import inspect_file
from dsconv.inspect.report import Inspection
from dsconv.runtime.model import Model
from dsconv.runtime.registry import open_model
from tests.test_cli import run

USES = ("inspect", "open_model", "open_in_tensorflow", "open_evaluated", "open_runtime", "draw")
MAGIC = b"LINK to the demo model"


def inspect_link(path: Path, found: Format, digest: Digest) -> Inspection:
    """The demo model's report, as one on the file that stands for it."""
    return replace(
        inspect_file(demo_model.MODEL),
        path=str(path),
        format=found.key,
        format_label=found.label,
        sha256=digest.hexdigest(),
    )


def open_link(_: Path) -> Model:
    """The demo model."""
    return open_model(demo_model.MODEL)


def draw_link(_: Path) -> OpGraph:
    """The operations of the demo model."""
    return read_ops(Source(demo_model.MODEL))


LINK = Format(
    "link",
    "link to a model",
    starts_with(b"LINK"),
    suffix=".link",
    inspect=inspect_link,
    open_model=f"{__name__}:open_link",
    draw=draw_link,
)


@pytest.fixture
def link(tmp_path: Path) -> Path:
    """A file of a format that dsconv does not have."""
    path = tmp_path / "model.link"
    path.write_bytes(MAGIC)
    return path


def test_a_row_is_all_that_a_format_needs(link: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a row alone its files are recognised, inspected, run, compared, drawn and named."""
    clip, drawing = demo_model.clips()[1], link.with_suffix(".svg")
    with pytest.raises(ModelError, match="text file"):
        inspect_file(link)
    monkeypatch.setattr(table, "FORMATS", (LINK, *table.FORMATS))
    assert identify(link) is LINK
    (found,) = json.loads(run("inspect", link, "--json", "--graph", drawing).stdout)["files"]
    assert (found["format"], found["identity"]["n_hidden"]) == ("link", 128)
    assert drawing.read_text("utf-8").startswith("<svg ")
    assert "link to a model (link)" in run("inspect", link).stdout
    assert run("transcribe", link, clip.wav, "-q").stdout.strip() == clip.transcript
    assert run("validate", demo_model.MODEL, link, "--audio", clip.wav).exit_code == 0


def test_a_plug_in_adds_a_row(link: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked after dsconv's own formats, and only where these have nothing for a use."""
    asked = []

    def matches(path: Path) -> bool:
        asked.append(path)
        return path.read_bytes().startswith(MAGIC)

    plugin = Plugin(formats=(FormatPlugin("link", "link to a model", matches, inspect_link),))
    monkeypatch.setattr(extensions, "plugins", lambda: (plugin,))
    inspect_file(demo_model.MODEL)
    open_model(demo_model.MODEL)
    assert identify(link) is table.TEXT
    assert asked == []
    assert inspect_file(link).format_label == "link to a model"
    with pytest.raises(ModelError, match="is a link to a model, not a frozen graph"):
        open_model(link)
    with pytest.raises(ConversionError, match="a link to a model is not drawn; its plug-in"):
        draw_graph(link, link.with_suffix(".svg"))
    assert asked == [link] * 3


@pytest.mark.parametrize("row", table.FORMATS, ids=lambda row: row.key)
def test_every_function_that_a_row_names_exists(row: Format) -> None:
    """They are named as text, so that nothing else would notice."""
    for use in USES:
        entry = getattr(row, use)
        assert entry is None or callable(load(entry)), use


def test_keys_and_labels_name_one_format() -> None:
    """They tell formats apart in reports and in errors."""
    for names in ([row.key for row in table.FORMATS], [row.label for row in table.FORMATS]):
        assert len(set(names)) == len(names)


def test_targets_write_the_formats_that_name_them() -> None:
    """Every target is named by the formats that it writes, with their suffix and toolkit."""
    written: dict[str, set[str]] = {}
    for row in table.FORMATS:
        if row.target:
            written.setdefault(row.target, set()).add(row.suffix)
            assert TARGETS[row.target].toolkit == row.toolkit
    network = Options(core_ml=CoreMlOptions(format="neuralnetwork"))
    for name, target in TARGETS.items():
        assert written[name] == {target.suffix_for(Options()), target.suffix_for(network)}
