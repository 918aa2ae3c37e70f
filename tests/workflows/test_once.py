"""A command opens its model once, and recognises the network in it once."""

from __future__ import annotations

import pkgutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dsconv.cli import main
from dsconv.convert.registry import TARGETS
from dsconv.formats.digest import Digest
from dsconv.formats.graphdef.write import write_graph
from dsconv.formats.storage import Storage
from tests.convert.conversions import require_toolkits
from tests.convert.toolkit.networks import chain


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often files are mapped, opened, recognised and hashed, wherever that is called from."""
    counts: Counter[str] = Counter()

    def count(what: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*given: Any) -> Any:
            counts[what] += 1
            return function(*given)

        return counting

    # The first thing that each of the two does, so that no importer of theirs is missed.
    for what, first in (
        ("opened", "dsconv.formats.graphdef.graph.parse_graph"),
        ("recognised", "dsconv.acoustic.recognise.why_not_frozen"),
    ):
        monkeypatch.setattr(first, count(what, pkgutil.resolve_name(first)))
    mapped = Storage.of_file

    def mapping(path: Path) -> Storage:
        counts[f"mapped {path.name}"] += 1
        return mapped(path)

    monkeypatch.setattr(Storage, "of_file", mapping)
    start = Digest.__init__

    def hashing(digest: Digest, path: Path, *files: Any) -> None:
        counts[f"hashed {path.name}"] += 1
        start(digest, path, *files)

    monkeypatch.setattr(Digest, "__init__", hashing)
    return counts


@pytest.fixture
def unknown(tmp_path: Path) -> Path:
    """A graph of another network."""
    path = tmp_path / "chain.pb"
    with path.open("wb") as file:
        write_graph(file, chain())
    return path


def run(*words: object) -> None:
    """A command that succeeds."""
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("options", [(), ("--no-validate",)])
@pytest.mark.parametrize("target", ["onnx", "openvino", "tflite", "coreml"])
def test_a_conversion(
    target: str, options: Sequence[str], small_model: Path, tmp_path: Path, counted: Counter[str]
) -> None:
    """The reference of the validation is the graph that was opened to convert it."""
    require_toolkits(target)
    run(target, small_model, "-o", tmp_path / f"a{TARGETS[target].suffix}", *options)
    assert (counted["opened"], counted["recognised"]) == (1, 1)
    assert counted[f"hashed {small_model.name}"] == 1


def test_an_inspection(small_model: Path, unknown: Path, counted: Counter[str]) -> None:
    """What a graph converts to is known of one recognition, whether it succeeds or fails."""
    for path in (small_model, unknown):
        counted.clear()
        run("inspect", path)
        assert (counted["opened"], counted["recognised"]) == (1, 1)
        assert counted[f"hashed {path.name}"] == counted[f"mapped {path.name}"] == 1


def test_an_inspection_that_draws(small_model: Path, tmp_path: Path, counted: Counter[str]) -> None:
    """The drawing is of the graph that was inspected."""
    run("inspect", small_model, "--graph", tmp_path / "a.svg")
    assert (counted["opened"], counted["recognised"]) == (1, 1)
    assert counted[f"mapped {small_model.name}"] == 1


def test_all_targets(
    small_model: Path, tmp_path: Path, counted: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All plans are of one source, which is the reference too.

    The package is a file of its own.
    """
    for target in ("onnx", "openvino"):
        require_toolkits(target)
    some = {name: TARGETS[name] for name in ("pbmm", "openvino", "onnx")}
    monkeypatch.setattr("dsconv.workflows.all_targets.all_targets", lambda: some)
    run("all", small_model, "-o", tmp_path)
    assert (counted["opened"], counted["recognised"]) == (2, 2)
    assert counted[f"hashed {small_model.name}"] == 1


def test_a_validation(small_model: Path, tmp_path: Path, counted: Counter[str]) -> None:
    """The reference is opened once; so is the package, to be run and to be read back."""
    package = tmp_path / "a.pbmm"
    run("pbmm", small_model, "-o", package)
    assert (counted["opened"], counted["recognised"]) == (1, 0)
    counted.clear()
    run("validate", small_model, package)
    assert (counted["opened"], counted["recognised"]) == (2, 2)
    assert counted[f"hashed {small_model.name}"] == 1


@pytest.mark.tensorflow
def test_the_toolkit_route(
    small_model: Path, unknown: Path, tmp_path: Path, counted: Counter[str]
) -> None:
    """Over speech and over random inputs, the processes of the toolkits aside."""
    require_toolkits("openvino")
    for path, options in ((small_model, ("--route", "toolkit")), (unknown, ())):
        counted.clear()
        run("openvino", path, "-o", tmp_path / f"{path.stem}.xml", *options)
        assert (counted["opened"], counted["recognised"]) == (1, 1)
        assert counted[f"hashed {path.name}"] == 1
