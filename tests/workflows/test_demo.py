"""The demo runs everything that there is, in a folder of its own."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dsconv.cli import main
from dsconv.convert.pb import PbPlan
from dsconv.errors import ParityError
from dsconv.fixtures import demo_model
from dsconv.workflows.demo import run_demo


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo writes."""
    return tmp_path_factory.mktemp("demo") / "here"


@pytest.fixture(scope="module")
def first_run(folder: Path) -> Result:
    """What the command prints."""
    return CliRunner().invoke(main, ["demo", "-o", str(folder)])


def test_table_lists_every_model_file(first_run: Result, folder: Path) -> None:
    """The commands as they run, and a closing table with the files' real sizes."""
    assert first_run.exit_code == 0, first_run.output
    for command in (
        "fixture",
        "pbmm",
        "pb",
        "inspect",
        "tflite",
        "coreml",
        "openvino",
        "onnx",
        "validate",
    ):
        assert f"+ dsconv {command} " in first_run.stdout
    for name in ("output_graph.pb", "output_graph.pbmm", "from_pbmm.pb", "output_graph.tflite"):
        assert f"{(folder / name).stat().st_size:,}" in first_run.stdout


def test_every_clip_says_its_text(first_run: Result) -> None:
    """The demo shows what the package transcribes."""
    lines = [line for line in first_run.stdout.splitlines() if ".wav: " in line]
    assert lines == [f"  {clip.wav.name}: {clip.text}" for clip in demo_model.clips()]


def test_a_second_run_needs_force(first_run: Result, folder: Path) -> None:
    """The files of the first run are not replaced silently; for programs there is JSON."""
    assert first_run.exit_code == 0
    assert CliRunner().invoke(main, ["demo", "-o", str(folder)]).exit_code == 6
    result = CliRunner().invoke(main, ["demo", "-o", str(folder), "--force", "--json"])
    assert result.exit_code == 0, result.output
    files = json.loads(result.stdout)["files"]
    formats = [file["format"] for file in files]
    assert formats == ["pb", "pbmm", "pb", "tflite", "coreml", "openvino", "onnx"]
    verdicts = [file["verdict"] for file in files]
    assert verdicts == [None, "pass", None, "pass", "pass", "pass", "pass"]


def test_a_wrong_way_back_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the package does not lead back to the graph, the demo fails."""
    write = PbPlan.write

    def damage(plan: PbPlan, output: Path, *, force: bool) -> int:
        size = write(plan, output, force=force)
        data = bytearray(output.read_bytes())
        data[500_000] ^= 1
        output.write_bytes(data)
        return size

    monkeypatch.setattr(PbPlan, "write", damage)
    with pytest.raises(ParityError, match="differs from"):
        run_demo(tmp_path / "demo")


def test_what_is_not_installed_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an extra the demo says so, and does the rest."""
    monkeypatch.setitem(sys.modules, "fast_ctc_decode", None)
    monkeypatch.setitem(sys.modules, "openvino", None)
    lines: list[str] = []
    demo = run_demo(tmp_path / "demo", say=lines.append)
    assert len(demo.files) == 6
    assert any("OpenVINO is not installed" in line for line in lines)
    assert "left out: beam search needs fast-ctc-decode" in lines[-1]
