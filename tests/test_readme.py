"""What the README shows is what happens: its console blocks are run, in order, in one folder."""

import re
from pathlib import Path

import pytest

from dsconv.inspect.parity.text import tolerance_rows
from tests import pages

README = pages.README.read_text("utf-8")


def test_commands_give_the_output_that_is_shown(tmp_path: Path) -> None:
    """Every command runs; where output is shown, it is the whole output."""
    sessions = pages.sessions(pages.README)
    assert len(sessions) >= 5
    for command, shown in sessions:
        done = pages.run_dsconv(tmp_path, command)
        assert pages.comparable(done.stdout) == pages.comparable(shown), command


def test_the_python_runs(tmp_path: Path) -> None:
    """Each line of the Python block, in a folder with the demo model."""
    (block,) = pages.blocks(pages.README, "python")
    lines = block.text.strip().splitlines()
    shown = "\n".join(f"print({line})" if "(" in line else line for line in lines)
    assert pages.run_dsconv(tmp_path, "dsconv fixture").returncode == 0
    done = pages.run_python(tmp_path, shown)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "128",
        "True",
        "don't trust a number that nobody measured",
    ]


def test_every_command_is_documented() -> None:
    """Each command stands in the README's table."""
    from dsconv.cli import main

    for name in main.commands:
        assert f"| `dsconv {name}" in README, name


def test_the_tolerance_table_is_the_codes() -> None:
    """The documented tolerances are those that are used."""
    for name, probabilities, states in tolerance_rows():
        assert f"| {name} | {probabilities} | {states} |" in README


def test_the_test_command_is_named() -> None:
    """CI takes its command from here."""
    assert re.search(r"^make test$", README, re.MULTILINE)
    assert re.search(r"^make demo$", README, re.MULTILINE)


@pytest.mark.parametrize("code", range(7))
def test_exit_codes_are_documented(code: int) -> None:
    """Each exit code has its row."""
    assert re.search(rf"^\| {code} \|", README, re.MULTILINE)
