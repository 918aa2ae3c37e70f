"""The table of `dsconv all` as a terminal shows it: figures, and what speaks against a file."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from dsconv.inspect.parity.result import Finding, Severity
from dsconv.workflows.all_results import AllTargets, TargetResult, render_all
from tests.inspect.parity.test_page import passing
from tests.workflows.test_all_page import written


def shown(result: TargetResult) -> list[str]:
    """The lines for one file, on a terminal of 80 columns."""
    console = Console(width=80, no_color=True)
    with console.capture() as captured:
        console.print(render_all(AllTargets(Path("a.pb"), [result])))
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= 80
    return [" ".join(line.split()) for line in lines if line.strip()]


def test_what_speaks_against_a_file_is_told() -> None:
    """Warnings and failures with their target, of very many the first; notes are not."""
    candidate = passing()
    assert shown(written(None, parity=candidate))[-2:] == ["sha256", f"onnx {'e' * 64}"]
    candidate.findings += [
        Finding("transcripts", Severity.WARNING, f"{number}.wav: another transcript")
        for number in range(14)
    ]
    lines = shown(written(None, parity=candidate))
    assert "a.onnx 9 0.50 70 2.5e-07 1.1e-06 warning" in lines
    assert lines[-11] == "onnx: warning, transcripts: 0.wav: another transcript"
    assert lines[-1] == "onnx: warning, transcripts: 4 more; --json lists them all"
    assert not any("note" in line for line in lines)


def test_other_networks_have_figures_too() -> None:
    """Those of the random inputs stand below, as their outputs have names of their own."""
    lines = shown(written(2e-3))
    assert "a.onnx 9 0.50 70 fail" in lines
    assert lines[-1] == "onnx: fail: y 2.0e-03 of 1.0e-05, on random inputs against TensorFlow"


def test_a_file_that_cannot_be_compared_says_why() -> None:
    """It is no failure, and no pass."""
    result = written(None)
    result.not_validated = "the graph draws random numbers."
    lines = shown(result)
    assert "a.onnx 9 0.50 70 not validated" in lines
    assert lines[-1] == "onnx: not validated: the graph draws random numbers."


def test_a_file_that_was_not_validated_has_no_verdict() -> None:
    """It is converted, and that is all."""
    assert "a.onnx 9 0.50 70 converted" in shown(written(None))
