"""What the README shows is what happens, when a person follows it from top to bottom."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from dsconv.cli import main
from tests import pages

README = pages.README.read_text("utf-8")


def test_the_five_minutes(tmp_path: Path) -> None:
    """Every block in one folder, which is empty at first."""
    assert pages.run_page(pages.README, tmp_path) >= 9
    assert len(pages.blocks(pages.README, "console")) >= 5
    assert pages.blocks(pages.README, "python")


def test_it_is_short() -> None:
    """The rest is in docs/."""
    assert len(README.splitlines()) <= 200


@pytest.mark.parametrize("name", main.commands)
def test_every_command_is_there(name: str) -> None:
    """In the table of formats or in that of commands."""
    assert re.search(rf"^\|.*`dsconv {name}`", README, re.MULTILINE)


def test_default_precisions_are_the_commands() -> None:
    """The table of formats names the first choice of --precision."""
    formats, _ = pages.tables(pages.README)
    for row in formats:
        (name, *_) = re.findall(r"`dsconv (\w+)`", row["written by"])
        for option in main.commands[name].params:
            if option.name == "precision" and isinstance(option.type, click.Choice):
                assert row["default precision"] == option.type.choices[0], name


def test_the_test_command_is_named() -> None:
    """CI takes its command from here."""
    assert re.search(r"^make test$", README, re.MULTILINE)
    assert re.search(r"^make demo$", README, re.MULTILINE)
