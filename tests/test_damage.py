"""Whatever happens to a file on its way, dsconv answers with a result or with one line."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from dsconv.acoustic.recognise import recognise
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.errors import ConversionError, DsconvError, ModelError, about
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.graphdef.steps import DYNAMIC, set_steps
from dsconv.inspect.registry import inspect_file
from dsconv.inspect.report import render
from tests.convert.conversions import convert, require_toolkits

HEADERS = 4_000
TAIL = 9_000


def damaged(data: bytes, rng: random.Random) -> bytes:
    """The bytes with a few of them changed, lost or added, mostly where the structure is."""
    result = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5])):
        where = rng.random()
        if where < 0.2:
            position = rng.randrange(len(result))
        elif where < 0.5:
            position = rng.randrange(HEADERS)
        else:
            position = len(result) - 1 - rng.randrange(TAIL)
        kind = rng.random()
        if kind < 0.6:
            result[position] = rng.randrange(256)
        elif kind < 0.8:
            del result[position : position + rng.randrange(1, 20)]
        else:
            result[position:position] = rng.randbytes(rng.randrange(1, 9))
    return bytes(result)


def recognised(path: Path) -> None:
    with about(path):
        recognise(open_graph(path))


@pytest.mark.parametrize("packaged", [False, True], ids=["pb", "pbmm"])
def test_only_errors_of_the_design(packaged: bool, small_model: Path, tmp_path: Path) -> None:
    """No other exception for 200 damaged files, and every error names its file in one line."""
    rng = random.Random(7)
    source = small_model
    if packaged:
        source = convert_file(TARGETS["pbmm"], source, tmp_path / "small.pbmm").output
    data = source.read_bytes()
    path, output = tmp_path / "damaged.pb", tmp_path / "output"
    outcomes = {"done": 0, "error": 0}
    works: list[Callable[[], object]] = [
        lambda: render(inspect_file(path)),
        lambda: convert_file(TARGETS["pbmm"], path, output, force=True),
        lambda: convert_file(TARGETS["pb"], path, output, force=True),
        lambda: set_steps(open_graph(path), DYNAMIC),
        lambda: recognised(path),
    ]
    for _ in range(200):
        path.write_bytes(damaged(data, rng))
        for work in works:
            try:
                work()
                outcomes["done"] += 1
            except DsconvError as error:
                outcomes["error"] += 1
                if isinstance(error, ModelError):
                    assert "damaged.pb" in str(error)
                assert isinstance(error, ModelError | ConversionError)
                assert "\n" not in str(error)
    assert min(outcomes.values()) > 50, outcomes


@pytest.mark.parametrize("target", ["tflite", "openvino", "onnx"])
def test_damaged_results_are_inspected_or_named(
    target: str, small_model: Path, tmp_path: Path
) -> None:
    """Of 200 damaged files of each format, no inspection ends in another way."""
    require_toolkits(target)
    rng = random.Random(11)
    data = convert(target, small_model, tmp_path / "small").read_bytes()
    path = tmp_path / "damaged"
    outcomes = {"done": 0, "error": 0}
    for _ in range(200):
        path.write_bytes(damaged(data, rng))
        try:
            render(inspect_file(path))
            outcomes["done"] += 1
        except DsconvError as error:
            outcomes["error"] += 1
            assert isinstance(error, ModelError)
            assert str(path) in str(error)
            assert "\n" not in str(error)
    assert min(outcomes.values()) > 10, outcomes
