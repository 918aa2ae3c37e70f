"""What the README shows is what happens: its console blocks are run, in order, in one folder."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.fixtures.write import write_demo_model
from dsconv.inspect.parity.text import tolerance_rows
from tests import pages
from tests.formats.checkpoint.writer import write_training
from tests.inspect.parity.corpus import write_corpus

README = pages.README.read_text("utf-8")


def test_commands_give_the_output_that_is_shown(tmp_path: Path) -> None:
    """Every command runs; where output is shown, it is the whole output."""
    sessions = pages.sessions(pages.README)
    assert len(sessions) >= 5
    for command, shown in sessions:
        done = pages.run_dsconv(tmp_path, command)
        assert pages.comparable(done.stdout) == pages.comparable(shown), command


# What stands for the user's own files, and such files in the folder of the test.
PLACEHOLDERS = {
    "REFERENCE CANDIDATE...": "output_graph.pb output_graph.tflite",
    "MODEL AUDIO...": "output_graph.tflite trust.wav",
    "CHECKPOINT": "checkpoints",
    "FILE...": "output_graph.pb",
    " [MODEL]": "",
    "MODEL": "output_graph.pb",
}
MADE_AGAIN = {"freeze": "output_graph.pb", "all": "output_graph.tflite"}


def other_commands() -> list[str]:
    """The commands of other blocks and of the text, but for those that the console blocks run."""
    shown = {shlex.split(command)[1] for command, _ in pages.sessions(pages.README)}
    lines = [line for block in pages.blocks(pages.README, "sh") for line in block.text.splitlines()]
    found = [line for line in lines if line.startswith("dsconv ")]
    for inline in re.findall(r"`(dsconv [^`]+)`", README):
        command = " ".join(inline.split())
        for placeholder, own in PLACEHOLDERS.items():
            command = command.replace(placeholder, own)
        if shlex.split(command)[1] not in shown or "--" in command:
            found.append(command)
    return list(dict.fromkeys(found))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the commands take for granted."""
    found = tmp_path_factory.mktemp("readme")
    model, *_ = write_demo_model(found)
    convert_file(TARGETS["tflite"], model)
    write_training(found / "checkpoints")
    write_corpus(found, 6)
    return found


@pytest.mark.parametrize("command", other_commands())
def test_other_commands_run(command: str, folder: Path, tmp_path: Path) -> None:
    """As they stand, each in a folder of its own; an output that is named is there."""
    here = tmp_path / "here"
    shutil.copytree(folder, here)
    if made := MADE_AGAIN.get(shlex.split(command)[1]):
        (here / made).unlink()
    done = pages.run_dsconv(here, command)
    assert done.returncode == 0, done.stdout
    for output in re.findall(r"out\.\w+|run\.journal", command):
        assert (here / output).stat().st_size > 100


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
