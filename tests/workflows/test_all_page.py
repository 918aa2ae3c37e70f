"""The page of `dsconv all`: what was written, what was not and why, and the whole validation."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from dsconv.convert.registry import TARGETS
from dsconv.convert.toolkit.check import OutputDifference, RandomCheck
from dsconv.fixtures import demo_model
from dsconv.formats.toolkits import Toolkit
from dsconv.workflows.all_results import (
    AllTargets,
    TargetResult,
    verdict_of_all,
    write_all_page,
)
from tests.inspect.parity.test_page import Page
from tests.test_cli import assert_one_line_error, run


def written(verdict: float | None, **more: object) -> TargetResult:
    """A file whose check on random inputs differs by so much; None without a check."""
    result = TargetResult("onnx", "ONNX", "converted", None, Path("a.onnx"), 9, 0.5, 70.0, "e" * 64)
    if verdict is not None:
        result.parity = RandomCheck((OutputDifference("y", verdict, verdict, 1e-5),))
    return replace(result, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("results", "verdict"),
    [
        ([written(None)], "converted"),
        ([written(1e-6)], "pass"),
        ([written(1e-6), written(1e-3)], "fail"),
        ([written(1e-6), TargetResult("coreml", "Core ML", "failed", "it broke")], "fail"),
        ([written(1e-6), TargetResult("coreml", "Core ML", "not installed", "pip")], "pass"),
    ],
)
def test_the_whole_verdict(results: list[TargetResult], verdict: str) -> None:
    """One that fails fails all; what is not installed does not."""
    assert verdict_of_all(AllTargets(Path("a.pb"), results)) == verdict


def test_a_file_without_speech_says_how_it_was_checked(tmp_path: Path) -> None:
    """The check on random inputs and the notes, that on the route among them, are beside it."""
    notes = ("the toolkit's own converter made the result.", "a note")
    result = written(1e-6, route="toolkit", notes=notes)
    write_all_page(AllTargets(Path("a.pb"), [result]), tmp_path / "all.html")
    page = Page((tmp_path / "all.html").read_text(encoding="utf-8"))
    row = page.row("onnx")
    assert row[1:2] == ["pass"]
    assert row[2].startswith("a.onnx pass: ")
    assert row[2].endswith("; the toolkit's own converter made the result.; a note")
    assert row[3:] == ["9", "0.50", "70", "e" * 64]


def test_the_command_writes_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One target is converted and validated, another one is not installed; both are listed."""
    targets = {name: TARGETS[name] for name in ("onnx", "openvino")}
    monkeypatch.setattr("dsconv.workflows.all_targets.all_targets", lambda: targets)
    absent = Toolkit("openvino", ("no_module_of_this_name",))
    monkeypatch.setattr(type(targets["openvino"]), "toolkit", absent)
    report = tmp_path / "all.html"
    command = ("all", demo_model.MODEL, "-o", tmp_path, "--report", report)
    result = run(*command)
    assert result.exit_code == 0
    page = Page(report.read_text(encoding="utf-8"))
    assert page.text.startswith("Conversion to all targets: pass ")
    assert "2 targets: 1 pass, 1 not installed." in page.text
    row = page.row("onnx")
    assert row[2] == str(tmp_path / "output_graph.onnx")
    assert re.fullmatch(r"[0-9a-f]{64}", row[6])
    assert row[3] == f"{(tmp_path / 'output_graph.onnx').stat().st_size:,}"
    assert "pip install" in page.row("openvino")[2]
    assert len(page.attributes("figure", **{"class": "map"})) == 4
    assert "The reference's probabilities" in page.text
    assert_one_line_error(run(*command), 6, "all.html exists.*--force")
