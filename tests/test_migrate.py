"""Each command of ours in docs/migrate.md does what it is there for."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from dsconv.cli import main
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.fixtures.write import write_demo_model
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.write import new_constant, new_node
from tests import pages
from tests.convert.conversions import TOOLKITS, require_toolkits, saved
from tests.convert.toolkit.networks import FLOAT, placeholder
from tests.formats.checkpoint.writer import write_training

(ROWS,) = pages.tables(pages.DOCS / "migrate.md")
THEIRS = (
    "convert_graphdef_memmapped_format",
    "DeepSpeech.py --checkpoint_dir checkpoints --export_dir",
    "--export_tflite",
    "python -m coqui_stt_training.export",
    "freeze_graph",
    "tflite_convert",
    "mo --input_model",
    "coremltools.convert",
    "python -m tf2onnx.convert",
)
OTHER_NETWORK = " graph.pb "
MADE_AGAIN = {"freeze": "output_graph.pb", "pb": "output_graph.pb", "pbmm": "output_graph.pbmm"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the page takes for granted."""
    folder = tmp_path_factory.mktemp("migrate")
    model, *_ = write_demo_model(folder)
    convert_file(TARGETS["pbmm"], model)
    write_training(folder / "checkpoints")
    weights = new_constant("w", np.arange(6, dtype=np.float32).reshape(3, 2))
    product = new_node("y", "MatMul", ["x", "w"], FLOAT)
    saved(Graph([placeholder("x", (2, 3)), weights, product]), folder / "graph.pb")
    return folder


@pytest.mark.parametrize("theirs", THEIRS)
def test_their_command_is_there(theirs: str) -> None:
    """What people come with."""
    assert any(theirs in row["you ran"] for row in ROWS)


@pytest.mark.tensorflow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["run"].strip("`"))
def test_our_command_runs(
    row: dict[str, str],
    prepared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """As it stands, those of a row one after the other, in a folder of their own."""
    folder = tmp_path / "here"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    commands = re.findall(r"`(dsconv [^`]+)`", row["run"])
    assert commands
    for command in commands:
        _, name, *words = shlex.split(command)
        if name in TOOLKITS:
            require_toolkits(name)
        if OTHER_NETWORK in command:
            request.getfixturevalue("tensorflow")
            pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")
        if name in MADE_AGAIN:
            Path(MADE_AGAIN[name]).unlink()
        before = written(folder)
        done = CliRunner().invoke(main, [name, *words])
        assert done.exit_code == 0, done.output
        if name == "inspect" and "--graph" not in words:
            assert "checkpoint" in done.output
        elif name == "transcribe":
            assert "don't trust a number that nobody measured" in done.output
        else:
            assert written(folder) - before
        if name in TOOLKITS:
            assert "\npass: " in done.output


def written(folder: Path) -> set[str]:
    """The files of a folder."""
    return {path.name for path in folder.iterdir()}
