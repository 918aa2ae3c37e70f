"""What the documentation says is what the code does."""

from __future__ import annotations

import importlib.util
import pkgutil
import re
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS, SERIES
from tests import pages
from tools import versions_table
from tools.cli_reference import reference


def test_the_table_of_versions_is_that_of_the_code() -> None:
    """`python -m tools.versions_table` was not forgotten."""
    text = versions_table.PAGE.read_text("utf-8")
    assert versions_table.table() in text
    assert versions_table.page(text) == text


def test_the_reference_of_the_command_line_is_what_is_printed() -> None:
    """`python -m tools.cli_reference > docs/cli.md` was not forgotten."""
    assert (pages.DOCS / "cli.md").read_text("utf-8") == reference()


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: str(page.relative_to(pages.ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Files that pages name are there, and the headings in them."""
    for path, anchor in pages.links(page):
        assert path.exists(), path
        if anchor:
            assert anchor in pages.anchors(path), (path, anchor)


@pytest.mark.parametrize("page", sorted(pages.DOCS.glob("*.md")), ids=lambda page: page.name)
def test_every_page_is_in_the_index(page: Path) -> None:
    """Of the documentation."""
    index = pages.DOCS / "README.md"
    assert page == index or (page, "") in pages.links(index)


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: str(page.relative_to(pages.ROOT)))
def test_modules_that_pages_name_are_there(page: Path) -> None:
    """Files and folders of the package, the tests and the tools; names in it; benchmarks."""
    text = page.read_text("utf-8")
    for name in re.findall(r"`((?:\w+/)*\w+\.py|(?:\w+/)+)`", text):
        if not name.startswith("dsconv_npz/"):  # What the page of plug-ins itself writes.
            assert is_there(name), name
    for name in re.findall(r"`(dsconv(?:\.\w+)+)`", text):
        assert pkgutil.resolve_name(name), name
    for name in re.findall(r"python -m ((?:dsconv|tools|benchmarks)[\w.]*)", text):
        assert importlib.util.find_spec(name), name
    for name in re.findall(r"python -m benchmarks --only ([\w-]+)", text):
        assert name in BENCHMARKS | SERIES, name


def is_there(name: str) -> bool:
    """A path from the top or in the package, or the name alone of a module or folder in that."""
    package = pages.ROOT / "dsconv"
    if (pages.ROOT / name).exists() or (package / name).exists():
        return True
    alone = name.rstrip("/")
    return "/" not in alone and any(package.rglob(alone))
