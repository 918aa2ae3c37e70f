"""The demo runs everything that there is, in a folder of its own."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from dsconv.cli import main
from dsconv.convert.pb import PbPlan
from dsconv.errors import ParityError
from dsconv.fixtures.write import write_demo_model
from dsconv.workflows.demo import run_demo


def test_files_that_are_there_need_force(tmp_path: Path) -> None:
    """They are not replaced silently; for programs there is JSON.

    What people see is in `tests/test_packaging.py`, where the wheel runs the demo.
    """
    write_demo_model(tmp_path)
    assert CliRunner().invoke(main, ["demo", "-o", str(tmp_path)]).exit_code == 6
    result = CliRunner().invoke(main, ["demo", "-o", str(tmp_path), "--force", "--json"])
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
