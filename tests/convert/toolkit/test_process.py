"""What goes wrong in a toolkit's process arrives as one line, with its traceback as the cause."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from dsconv.convert.toolkit.process import WorkerError, run_module
from dsconv.convert.toolkit.worker import unsupported
from dsconv.errors import ConversionError, DsconvError, ToolkitError
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.write import new_node

PROGRAM = """
import os, signal
from pathlib import Path
from dsconv.convert.toolkit.worker import run
from dsconv.errors import ConversionError

def work(path):
    print('{"noise": 1}')
    os.write(2, b"W0000 noise\\n")
    BODY

run("the tool", work)
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Run a module whose work has this body."""
    monkeypatch.syspath_prepend(tmp_path)

    def call(body: str) -> None:
        (tmp_path / "some_tool.py").write_text(PROGRAM.replace("BODY", body))
        run_module("the tool", "some_tool", tmp_path / "a.txt")

    return call


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        ('raise ConversionError("no such op.")', ConversionError, "no such op."),
        ('raise ValueError("first\\nsecond")', ToolkitError, "the tool failed: first"),
        ("raise MemoryError", ToolkitError, "the tool failed: MemoryError"),
        ("os._exit(3)", ToolkitError, "the tool failed: W0000 noise"),
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            ToolkitError,
            f"the tool was ended by signal {int(signal.SIGKILL)}, as when memory runs out; "
            "convert on a machine with more.",
        ),
    ],
    ids=["refused", "failed", "memory", "exit", "killed"],
)
def test_errors_come_across(body: str, error: type[DsconvError], says: str, run: object) -> None:
    """With their family and text, whatever else is printed."""
    assert callable(run)
    with pytest.raises(error) as caught:
        run(body)
    assert type(caught.value) is error
    assert str(caught.value) == says
    assert isinstance(caught.value.__cause__, WorkerError)
    if "raise" in body:
        assert "some_tool.py" in str(caught.value.__cause__)


def test_work_that_is_done(run: object, tmp_path: Path) -> None:
    """The paths are absolute, and the noise is kept off the terminal."""
    assert callable(run)
    run("path.write_text(str(path)) if path.is_absolute() else None")
    assert (tmp_path / "a.txt").read_text() == str(tmp_path / "a.txt")


def test_nothing_in_the_current_folder_is_imported(
    run: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user may have a file of any name there."""
    assert callable(run)
    here = tmp_path / "here"
    here.mkdir()
    (here / "onnx.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(here)
    run("import importlib.util as u; assert 'here' not in str(u.find_spec('onnx'))")


def test_unsupported_ops_are_named_with_their_nodes() -> None:
    """A few of them, and how many more there are."""
    graph = Graph([new_node(f"n{k}", "Odd" if k < 7 else "Fine") for k in range(9)])
    text = str(unsupported("the tool", graph, ["Odd"]))
    assert text.startswith(
        "the tool does not convert 'n0' (Odd), 'n1' (Odd), 'n2' (Odd), 'n3' (Odd), 'n4' (Odd), "
        "2 more; cut that off with --outputs"
    )
    assert "does not convert (Other);" in str(unsupported("the tool", graph, ["Other"]))
