"""The package is laid out as docs/architecture.md says: that page lists the layers, in order."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests import pages

PACKAGE = pages.ROOT / "dsconv"
PAGE = pages.DOCS / "architecture.md"

ROOT_ROOM = "__init__"
"""What the page calls the package's own module."""

# Arrows against the layers and circles as they were before the house was put in order, under the
# names that their modules have today. None may come back.
FORMER_ARROWS = [
    ("dsconv.formats.identify", "dsconv.workflows.freeze"),
    ("dsconv.formats.output", "dsconv.commands.options"),
    ("dsconv.inspect.checkpoint", "dsconv.workflows.freeze_options"),
    ("dsconv.inspect.graph", "dsconv.convert.options"),
    ("dsconv.inspect.graph", "dsconv.convert.registry"),
    ("dsconv.inspect.graph", "dsconv.convert.target"),
    ("dsconv.inspect.drawing.draw", "dsconv.plugins"),
    ("dsconv.inspect.registry", "dsconv.plugins"),
    ("dsconv.runtime.registry", "dsconv.plugins"),
    ("dsconv.convert.registry", "dsconv.plugins"),
    ("dsconv.speech.features", "dsconv.acoustic.metadata"),
    ("dsconv.workflows.all_targets", "dsconv.commands.tables"),
]
FORMER_CIRCLES = [
    ("dsconv.commands.tables", "dsconv.workflows.all_targets"),
    ("dsconv.formats.checkpoint.locate", "dsconv.formats.identify"),
    ("dsconv.speech.features", "dsconv.acoustic.metadata"),
    ("dsconv.inspect.report", "dsconv.inspect.text"),
    ("dsconv.inspect.parity.result", "dsconv.inspect.parity.text"),
]


def layers() -> list[list[str]]:
    """The layers from the top to the bottom, as the page's first table lists them."""
    table = pages.tables(PAGE)[0]
    return [[room.strip("` /") for room in row["rooms"].split(",")] for row in table]


def modules() -> dict[str, Path]:
    """Every module of the package by its name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports() -> dict[str, set[str]]:
    """The modules of the package that each module imports: anywhere, for types too."""
    known = modules()
    return {
        name: {each for each in _imported(path, known) if each != name}
        for name, path in known.items()
    }


def _imported(path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by a relative name"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield from [each for each in (inner, str(node.module)) if each in known][:1]


def room(module: str) -> str:
    """The folder or module at the top of the package that a module belongs to."""
    _, *parts = module.split(".")
    return parts[0] if parts else ROOT_ROOM


def upward(arrows: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """The imports that point to a layer above."""
    floors = {name: floor for floor, layer in enumerate(layers()) for name in layer}
    return [
        (module, each)
        for module, found in arrows.items()
        for each in sorted(found)
        if floors[room(each)] < floors[room(module)]
    ]


def circle(arrows: Mapping[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle; empty if there is none."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def with_arrows(*added: tuple[str, str]) -> dict[str, set[str]]:
    """The imports, and some more."""
    found = imports()
    for module, imported in added:
        found.setdefault(module, set()).add(imported)
    return found


def test_every_room_has_its_layer() -> None:
    """And no name is left of one that is gone."""
    listed = [name for layer in layers() for name in layer]
    assert sorted(listed) == sorted({room(module) for module in modules()})


def test_imports_point_down() -> None:
    """No module imports one of a layer above its own, in a function or for a type either."""
    assert upward(imports()) == []


def test_no_circles() -> None:
    """No module imports, by way of others, itself."""
    assert circle(imports()) == []


@pytest.mark.parametrize("arrow", FORMER_ARROWS, ids=" -> ".join)
def test_a_former_arrow_would_be_found(arrow: tuple[str, str]) -> None:
    """The check fails for each import that once ran against the layers."""
    assert arrow in upward(with_arrows(arrow))


@pytest.mark.parametrize("pair", FORMER_CIRCLES, ids=" and ".join)
def test_a_former_circle_would_be_found(pair: tuple[str, str]) -> None:
    """The check fails for each pair of modules that once needed each other."""
    first, second = pair
    assert set(pair) <= set(circle(with_arrows((first, second), (second, first))))


def test_a_room_without_a_layer_would_be_found() -> None:
    """A new folder must be given its place on the page."""
    assert "attic" not in {name for layer in layers() for name in layer}
    with pytest.raises(KeyError):
        upward(with_arrows(("dsconv.attic.box", "dsconv.errors")))


def test_targets_do_not_know_each_other() -> None:
    """A folder of `convert/` imports what is beside it, and of the others only their options."""
    targets = {path.parent.name for path in (PACKAGE / "convert").glob("*/__init__.py")}
    assert len(targets) >= 5
    for module, found in imports().items():
        own = module.removeprefix("dsconv.convert.").split(".")[0]
        if own in targets and module.startswith("dsconv.convert."):
            for imported in found:
                other = imported.removeprefix("dsconv.convert.").split(".")[0]
                is_target = imported.startswith("dsconv.convert.") and other in targets
                is_target = is_target and not imported.endswith(".options")
                assert not is_target or other == own, (module, imported)
