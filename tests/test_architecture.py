"""The package is laid out as docs/architecture.md says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import pages

PACKAGE = pages.ROOT / "dsconv"
PAGE = pages.DOCS / "architecture.md"
FOLDERS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def chain() -> list[list[str]]:
    """The layers from the top to the bottom, as the page lists them."""
    found = re.search(r"down this chain: ([^.]+)\.", PAGE.read_text("utf-8"))
    assert found is not None
    return [re.split(r",\s+", layer) for layer in re.split(r";\s+", found[1])]


def imports(path: Path) -> Iterator[str]:
    """The modules of dsconv that a module imports, those that it imports later among them."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dsconv."):
            yield node.module or ""


def test_every_folder_has_its_row() -> None:
    """And no row is left of one that is gone."""
    (folders, _) = pages.tables(PAGE)
    assert sorted(row["folder"].strip("`/") for row in folders) == FOLDERS


@pytest.mark.parametrize("number", range(len(chain())))
def test_imports_point_down(number: int) -> None:
    """No module imports one of a layer above its own."""
    above = {name for layer in chain()[:number] for name in layer}
    for name in chain()[number]:
        folder = PACKAGE / name
        modules = sorted(folder.rglob("*.py")) or [folder.with_suffix(".py")]
        for module in modules:
            found = {imported.split(".")[1] for imported in imports(module)}
            assert not found & above, module


def test_targets_do_not_know_each_other() -> None:
    """A folder of `convert/` imports what is beside it, and none of the other folders."""
    convert = PACKAGE / "convert"
    targets = {path.parent.name for path in convert.glob("*/__init__.py")}
    assert len(targets) >= 5
    for target in targets:
        for module in (convert / target).rglob("*.py"):
            for imported in imports(module):
                inner = imported.removeprefix("dsconv.convert.").split(".")[0]
                others = targets - {target} if imported.startswith("dsconv.convert.") else set()
                assert inner not in others, (module, imported)
