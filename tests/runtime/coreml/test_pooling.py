"""Pooling and the indices of the largest numbers; the expected numbers are written down here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dsconv.errors import ConversionError, ModelError
from dsconv.runtime.coreml.operations import OpInfo
from dsconv.runtime.coreml.ops import compute

# One image of 3 x 4 with one channel.
IMAGE = [[[[1.0, 2.0, 3.0, 4.0], [8.0, 7.0, 6.0, 5.0], [-9.0, -1.0, -2.0, -3.0]]]]
LINE = [[[-4.0, -2.0, -6.0]]]
ROWS = [[1.0, 5.0, 5.0], [7.0, 2.0, 0.0]]


def run(kind: str, x: Any, *, declared: str = "float32", **parameters: Any) -> Any:
    """The output of an op."""
    given = {
        name: np.array(value, np.int32) if isinstance(value, list) else value
        for name, value in parameters.items()
    }
    info = OpInfo(kind, "out", 8, (declared,))
    return compute(info, {"x": np.array(x, np.float32), **given})[0]


@pytest.mark.parametrize(
    ("kind", "x", "parameters", "expected"),
    [
        ("max_pool", IMAGE, {"kernel_sizes": [2, 2]}, [[8, 7, 6], [8, 7, 6]]),
        ("max_pool", IMAGE, {"kernel_sizes": [2, 2], "strides": [1, 2]}, [[8, 6], [8, 6]]),
        ("max_pool", IMAGE, {"kernel_sizes": [3, 1], "strides": [2, 1]}, [[8, 7, 6, 5]]),
        (
            "max_pool",
            LINE,
            {"kernel_sizes": [3], "strides": [2], "pad_type": "custom", "pad": [1, 1]},
            [-2, -2],
        ),
        ("max_pool", LINE, {"kernel_sizes": [3], "pad_type": "same"}, [-2, -2, -2]),
        (
            "avg_pool",
            IMAGE,
            {"kernel_sizes": [1, 2], "strides": [1, 2]},
            [[1.5, 3.5], [7.5, 5.5], [-5, -2.5]],
        ),
        ("avg_pool", LINE, {"kernel_sizes": [3], "pad_type": "same"}, [-2, -4, -8 / 3]),
        (
            "avg_pool",
            LINE,
            {"kernel_sizes": [3], "pad_type": "same", "exclude_padding_from_average": True},
            [-3, -4, -4],
        ),
    ],
)
def test_pooling(kind: str, x: Any, parameters: dict[str, Any], expected: Any) -> None:
    """What stands around counts as a zero in a mean if asked, and never in a maximum."""
    found = run(kind, x, **parameters)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "parameters", "expected"),
    [
        ("reduce_argmax", {}, [1, 0]),
        ("reduce_argmax", {"axis": 0}, [1, 0, 0]),
        ("reduce_argmin", {"axis": 1, "keep_dims": True}, [[0], [2]]),
    ],
)
def test_indices(kind: str, parameters: dict[str, Any], expected: Any) -> None:
    """The first of equal ones."""
    found = run(kind, ROWS, declared="int32", **parameters)
    assert found.dtype == np.int32
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ("kind", "x", "parameters", "says"),
    [
        ("max_pool", IMAGE, {"kernel_sizes": [2, 2], "ceil_mode": True}, "with ceil_mode"),
        ("max_pool", IMAGE, {"kernel_sizes": [2]}, r"of \[1, 1, 3, 4\] by \[2\]"),
        ("max_pool", ROWS, {"kernel_sizes": []}, r"of \[2, 3\] by \[\]"),
        ("avg_pool", IMAGE, {"kernel_sizes": [2, 2], "pad_type": "odd"}, "with pad_type 'odd'"),
        ("reduce_argmax", ROWS, {"declared": "uint16"}, "as uint16"),
    ],
)
def test_what_is_not_known_is_refused(
    kind: str, x: Any, parameters: dict[str, Any], says: str
) -> None:
    """By name, never passed over."""
    with pytest.raises(ConversionError, match=says):
        run(kind, x, **parameters)


def test_a_window_larger_than_the_image() -> None:
    """It makes no sense."""
    with pytest.raises(ModelError, match="values that do not fit"):
        run("max_pool", LINE, kernel_sizes=[4])
