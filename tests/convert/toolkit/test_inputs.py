"""A user's own inputs for the check: read in the order of the graph's, or refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.source import Source
from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS
from dsconv.convert.toolkit.inputs import read_inputs
from dsconv.convert.toolkit.options import ToolkitOptions
from dsconv.errors import ConversionError
from dsconv.runtime.model import TensorSpec
from tests.convert.conversions import saved
from tests.convert.toolkit.networks import chain

INPUTS = [TensorSpec("net/x", "float32", (-1, 2)), TensorSpec("n", "int32", ())]


def own(path: Path, **arrays: Any) -> Path:
    """A file of a user's."""
    np.savez(path / "own.npz", **arrays)
    return path / "own.npz"


def test_the_inputs_of_a_graph(tmp_path: Path) -> None:
    """In the types of the graph, where these hold them."""
    path = own(tmp_path, n=np.int64(3), **{"net/x": np.zeros((5, 2))})
    found = read_inputs(path, INPUTS)
    assert [array.dtype.name for array in found] == ["float32", "int32"]
    assert [array.shape for array in found] == [(5, 2), ()]


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"n": 1}, "has no array 'net/x', but n; it needs one for each of net/x, n"),
        ({"net/x": np.zeros((5, 3)), "n": 1}, r"'net/x' has shape \[5, 3\] where \[\?, 2\]"),
        ({"net/x": np.zeros(2), "n": 1}, r"'net/x' has shape \[2\] where \[\?, 2\]"),
        ({"net/x": np.zeros((5, 2)), "n": 1.5}, "'n' is of float64 where int32 is expected"),
        ({"net/x": np.zeros((5, 2)), "n": 1 << 40}, "'n' is of int64 where int32 is expected"),
        ({"net/x": np.zeros((5, 2), complex), "n": 1}, "'net/x' is of complex128"),
        ({"net/x": np.zeros((5, 2)), "n": 1, "m": 1}, "has an array 'm', which is no input"),
    ],
)
def test_what_does_not_fit(arrays: dict[str, Any], says: str, tmp_path: Path) -> None:
    """Its name, shape or type is said, and what is expected."""
    with pytest.raises(ConversionError, match=says):
        read_inputs(own(tmp_path, **arrays), INPUTS)


def test_what_is_no_npz(tmp_path: Path) -> None:
    """Whatever it is."""
    path = tmp_path / "own.npz"
    for data in (b"", b"PK\3\4 and no more", b"\x93NUMPY\1\0"):
        path.write_bytes(data)
        with pytest.raises(ConversionError, match="own.npz is no .npz of arrays"):
            read_inputs(path, INPUTS)


def test_they_are_read_before_any_work(tmp_path: Path) -> None:
    """The plan refuses them."""
    path, toolkit = saved(chain(), tmp_path / "chain.pb"), own(tmp_path, x=np.zeros((2, 3)))
    options = Options(toolkit=ToolkitOptions(check_inputs=toolkit))
    with pytest.raises(ConversionError, match="has no array 'scale'"):
        TARGETS["openvino"].plan(Source(path), options)
