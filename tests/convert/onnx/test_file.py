"""Weights that are too many for one file stand in another beside it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.convert.onnx import file
from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.errors import OutputError, ToolkitError
from dsconv.runtime.registry import open_model
from tests.convert.calls import Call, answers

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    onnx = pytest.importorskip("onnx", reason="ONNX is not installed")

ONNX = TARGETS["onnx"]
PAGE = 4096


@pytest.fixture
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a file could not hold the weights of the small model."""
    monkeypatch.setattr(file, "LARGEST_FILE", 50_000)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_two_files_hold_the_same_model(
    precision: Any, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same numbers come out, bit for bit, and the file is valid ONNX."""
    options = Options(precision=precision)
    one = convert_file(ONNX, small_model, tmp_path / "one.onnx", options=options)
    monkeypatch.setattr(file, "LARGEST_FILE", 50_000)
    two = convert_file(ONNX, small_model, tmp_path / "two.onnx", options=options)
    assert names(tmp_path) == ["one.onnx", "two.onnx", "two.onnx.data"]
    assert two.bytes == sum((tmp_path / name).stat().st_size for name in names(tmp_path)[1:])
    assert two.output.stat().st_size < one.bytes / 2
    onnx.checker.check_model(str(two.output), full_check=True)
    rng = np.random.default_rng(3)
    windows = rng.normal(size=(1, 16, 19, 26)).astype(np.float32)
    call = Call(windows, 9, *(rng.normal(size=(1, 32)).astype(np.float32) for _ in range(2)))
    first, second = open_model(one.output), open_model(two.output)
    assert first.interface == second.interface
    for found, expected in zip(answers(second, call), answers(first, call), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("little_room")
def test_large_weights_are_outside_and_aligned(small_model: Path, tmp_path: Path) -> None:
    """Pages for what fills one, named without a folder; what is smaller stays inside."""
    output = convert_file(ONNX, small_model, tmp_path / "a.onnx").output
    outside = 0
    for tensor in onnx.load(str(output), load_external_data=False).graph.initializer:
        size = (
            np.prod(tensor.dims) * onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        )
        where = {entry.key: entry.value for entry in tensor.external_data}
        assert (size >= PAGE) == bool(where), tensor.name
        if where:
            assert (where["location"], int(where["length"])) == ("a.onnx.data", size)
            assert int(where["offset"]) % PAGE == 0
            outside = max(outside, int(where["offset"]) + int(where["length"]))
    assert (tmp_path / "a.onnx.data").stat().st_size == outside


@pytest.mark.usefixtures("little_room")
def test_two_files_are_the_same_every_time(small_model: Path, tmp_path: Path) -> None:
    """Both of them, byte for byte."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        convert_file(ONNX, small_model, tmp_path / folder / "m.onnx")
    for name in ("m.onnx", "m.onnx.data"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.usefixtures("little_room")
def test_existing_weights_are_kept_unless_forced(small_model: Path, tmp_path: Path) -> None:
    """The second file is refused like the first, and nothing else is left behind."""
    data = tmp_path / "a.onnx.data"
    data.write_text("mine")
    with pytest.raises(OutputError, match="a.onnx.data exists; pass --force"):
        convert_file(ONNX, small_model, tmp_path / "a.onnx")
    assert (names(tmp_path), data.read_text()) == (["a.onnx.data"], "mine")
    convert_file(ONNX, small_model, tmp_path / "a.onnx", force=True)
    assert names(tmp_path) == ["a.onnx", "a.onnx.data"]
    assert open_model(tmp_path / "a.onnx").interface.steps == 16


@pytest.mark.usefixtures("little_room")
def test_neither_file_is_left_of_a_failure(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the checker refuses does not appear, and older files stay as they were."""

    def refuse(*_: object, **__: object) -> None:
        raise onnx.checker.ValidationError("no good")

    convert_file(ONNX, small_model, tmp_path / "a.onnx")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(onnx.checker, "check_model", refuse)
    with pytest.raises(ToolkitError, match="no good"):
        convert_file(ONNX, small_model, tmp_path / "a.onnx", options=Options(steps=1), force=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_one_file_is_what_the_onnx_package_writes(small_model: Path, tmp_path: Path) -> None:
    """The file that is put together around the weights reads and writes as a plain message."""
    output = convert_file(ONNX, small_model, tmp_path / "a.onnx").output
    model = onnx.load(str(output))
    again = onnx.ModelProto.FromString(model.SerializeToString())
    assert again == model
    assert len(model.SerializeToString()) == output.stat().st_size
    for tensor in model.graph.initializer:
        assert onnx.numpy_helper.to_array(tensor).shape == tuple(tensor.dims)
