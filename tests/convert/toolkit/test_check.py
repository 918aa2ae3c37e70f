"""The comparison with TensorFlow: what passes, what does not, and what is fed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dsconv.convert.toolkit.calls import read_calls, write_calls
from dsconv.convert.toolkit.check import (
    OutputDifference,
    RandomCheck,
    compared,
    random_feeds,
    worst,
)
from dsconv.runtime.model import TensorSpec

INF, NAN = np.inf, np.nan


@pytest.mark.parametrize(
    ("expected", "found", "passes"),
    [
        ([1.0, 0.0], [1.0, 1.9e-5], True),
        ([1.0, 0.0], [1.0, 2.1e-5], False),
        ([0.0, 0.0], [0.9e-5, 0.0], True),
        ([0.0, 0.0], [1.1e-5, 0.0], False),
        ([1000.0, 1.0], [1000.0, 1.009], True),
        ([1000.0, 1.0], [1000.0, 1.011], False),
        ([INF, NAN, -INF], [INF, NAN, -INF], True),
        ([INF, 1.0], [1.0, 1.0], False),
        ([INF, 1.0], [-INF, 1.0], False),
        ([1.0, 1.0], [NAN, 1.0], False),
        ([NAN, 1.0], [1.0, 1.0], False),
        ([1.0, 1.0], [INF, 1.0], False),
        ([1.0, 1.0], [[1.0, 1.0]], False),
        ([], [], True),
        ([3, 4], [3, 4], True),
        ([3, 4], [3, 5], False),
        ([True, False], [True, False], True),
        ([True, False], [True, True], False),
    ],
)
def test_what_passes(expected: Any, found: Any, passes: bool) -> None:
    """1e-5, and 1e-5 of the largest number; integers are equal, and so is what is not finite."""
    kinds = {float: np.float32, bool: np.bool_, int: np.int64}
    kind = kinds[type(expected[0])] if expected else np.float32
    result = compared("a", np.array(expected, kind), np.array(found, kind))
    assert result.passed is passes
    assert RandomCheck((result,)).verdict == ("pass" if passes else "fail")


def test_no_number_is_the_worst_of_all_calls() -> None:
    """Whichever call has it."""
    bad = compared("a", np.array([1.0, 2.0], np.float32), np.array([NAN, 2.0], np.float32))
    assert (bad.max_abs, bad.max_rel) == (INF, INF)
    good = OutputDifference("a", 1e-7, 1e-7, 1e-5)
    assert not worst([good, bad]).passed
    assert not worst([bad, good]).passed
    exact = OutputDifference("a", 1.0, 0.1, 0.0)
    assert not worst([OutputDifference("a", 0.0, 0.0, 0.0), exact]).passed


def test_toolkits_store_integers_in_other_sizes() -> None:
    """Only the values count."""
    assert compared("a", np.array([3], np.int64), np.array([3], np.int32)).passed
    assert compared("a", np.array([3], np.int64), np.array([3], np.float32)).passed
    assert not compared("a", np.array([3], np.int64), np.array([3.5], np.float32)).passed


def test_one_bad_output_is_enough() -> None:
    """The line names each, the JSON has no infinity."""
    check = RandomCheck(
        (
            OutputDifference("a", 1e-7, 1e-7, 1e-5),
            OutputDifference("b", INF, INF, 2e-5),
        )
    )
    assert not check.passed
    assert check.line == (
        "fail: a 1.0e-07 of 1e-05, b inf of 2e-05, on random inputs against TensorFlow"
    )
    found = check.to_json()
    assert (found["verdict"], found["outputs"][1]["max_abs"]) == ("fail", None)
    assert [output["passed"] for output in found["outputs"]] == [True, False]


def test_feeds_have_the_types_and_sizes_of_the_inputs() -> None:
    """Dynamic dimensions are the same in the same place, and differ between places."""
    specs = [
        TensorSpec("a", "float32", (2, 3)),
        TensorSpec("b", "int32", (-1,)),
        TensorSpec("c", "float64", (-1, -1)),
        TensorSpec("d", "bool", (64,)),
        TensorSpec("e", "int64", ()),
    ]
    feeds = random_feeds(specs, (5, 7), 1)
    assert [feed.shape for feed in feeds] == [(2, 3), (5,), (5, 7), (64,), ()]
    assert [feed.dtype.name for feed in feeds] == ["float32", "int32", "float64", "bool", "int64"]
    assert set(feeds[1].tolist()) <= {0, 1}
    assert len(set(feeds[3].tolist())) == 2
    again, others = random_feeds(specs, (5, 7), 1), random_feeds(specs, (5, 7), 2)
    assert all(np.array_equal(a, b) for a, b in zip(feeds, again, strict=True))
    assert not np.array_equal(feeds[0], others[0])


def test_calls_survive_the_file(tmp_path: Any) -> None:
    """In their order, of which there may be more than ten."""
    calls = [[np.array([call, index]) for index in range(12)] for call in range(2)]
    write_calls(tmp_path / "calls.npz", calls)
    found = read_calls(tmp_path / "calls.npz")
    assert [[array.tolist() for array in arrays] for arrays in found] == [
        [[call, index] for index in range(12)] for call in range(2)
    ]
