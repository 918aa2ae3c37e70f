"""The pages about what one does with dsconv: every command that they show runs."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from dsconv.fixtures.write import write_demo_model
from dsconv.inspect.parity.text import tolerance_rows
from tests import pages
from tests.formats.checkpoint.writer import write_training
from tests.inspect.parity.corpus import write_corpus

GUIDES = ("install", "inspect", "convert", "validate", "freeze", "cli")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader has: the demo model, a training's folder, a corpus."""
    folder = tmp_path_factory.mktemp("guides")
    write_demo_model(folder)
    write_training(folder / "checkpoints")
    write_corpus(folder, 6)
    return folder


@pytest.mark.parametrize("name", GUIDES)
def test_the_blocks_run(name: str, prepared: Path, tmp_path: Path) -> None:
    """From top to bottom, in one folder; what a command names as its output is there."""
    folder = tmp_path / "here"
    shutil.copytree(prepared, folder)
    page = pages.DOCS / f"{name}.md"
    assert pages.run_page(page, folder) >= 1
    named = [word for block in pages.blocks(page, "sh") for word in shlex.split(block.text)]
    for output in {"out.html", "out.svg", "run.journal", "frozen.pb", "card.pb"} & set(named):
        assert (folder / output).stat().st_size > 100


def test_the_tolerance_table_is_the_codes() -> None:
    """The documented tolerances are those that are used."""
    page = (pages.DOCS / "validate.md").read_text("utf-8")
    for name, probabilities, states in tolerance_rows():
        assert f"| {name} | {probabilities} | {states} |" in page


@pytest.mark.parametrize("code", range(7))
def test_exit_codes_are_documented(code: int) -> None:
    """Each has its line in the help, which the page of the command line shows."""
    page = (pages.DOCS / "cli.md").read_text("utf-8")
    assert re.search(rf"^    {code}  \w", page, re.MULTILINE)
