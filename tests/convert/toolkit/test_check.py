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
    judged,
    worst,
)
from dsconv.errors import ConversionError

INF, NAN = np.inf, np.nan


@pytest.mark.parametrize(
    ("expected", "found", "passes"),
    [
        ([1.0, 0.0], [1.0, 1.18e-5], True),
        ([1.0, 0.0], [1.0, 1.2e-5], False),
        ([0.0, 0.0], [1e-9, 0.0], False),
        ([1000.0, 1.0], [1000.0, 1.0118], True),
        ([1000.0, 1.0], [1000.0, 1.0121], False),
        ([INF, NAN, -INF, 1.0], [INF, NAN, -INF, 1.0], True),
        ([INF, 1.0], [1.0, 1.0], False),
        ([INF, 1.0], [-INF, 1.0], False),
        ([1.0, 1.0], [NAN, 1.0], False),
        ([NAN, 1.0], [1.0, 1.0], False),
        ([1.0, 1.0], [INF, 1.0], False),
        ([1.0, 1.0], [[1.0, 1.0]], False),
        ([1.0], 1.0, False),
        (1.0, 1.000001, True),
        (1.0, 1.1, False),
        (INF, INF, True),
        (NAN, 1.0, False),
        ([], [], True),
        ([3, 4], [3, 4], True),
        ([3, 4], [3, 5], False),
        (3, 4, False),
        ([True, False], [True, False], True),
        ([True, False], [True, True], False),
    ],
)
def test_what_passes(expected: Any, found: Any, passes: bool) -> None:
    """Ten times the reference's own rounding and 16 steps of float32, of the largest number.

    Integers are equal, and so is what is not finite. Numbers without dimensions are compared too.
    """
    kinds = {float: np.float32, bool: np.bool_, int: np.int64}
    first = np.ravel(np.array(expected, object)).tolist()
    kind = kinds[type(first[0])] if first else np.float32
    noise = 0.0 if kind is not np.float32 else 1e-6
    result = compared("a", np.array(expected, kind), np.array(found, kind), noise=noise)
    assert result.passed is passes
    assert RandomCheck((result,)).verdict == ("pass" if passes else "fail")


def test_the_reference_says_how_far_a_file_may_be_off() -> None:
    """Its largest difference from itself in other arithmetic, over all calls."""
    call = [np.array([1.0, 2.0], np.float32), np.array([4.0, 1.0], np.float32)]
    same = [array.astype(np.float64) for array in call]
    off = [call[0], call[1] + np.float32(4e-4)]
    file = [call[0] + np.float32(1e-3), call[1]]
    assert not judged("a", file, [call, same]).passed
    found = judged("a", file, [call, same, call, off])
    assert found.passed
    assert found.noise == pytest.approx(2e-4, rel=1e-2)
    # Two runs of a graph that is wrong say no less of the rounding, and excuse nothing.
    wrong = [array + np.float32(1e-3) for array in call]
    assert not judged("a", file, [call, same, wrong, wrong]).passed


def test_integers_may_differ_where_the_reference_does() -> None:
    """The larger of two equal numbers has one index or the other."""
    call, other = [np.array([3, 4])], [np.array([3, 5])]
    assert not judged("a", other, [call, call]).passed
    assert judged("a", other, [call, other]).passed


@pytest.mark.parametrize(
    ("reference", "other", "says"),
    [
        ([NAN, NAN], [NAN, NAN], "'a' holds no number"),
        ([], [], "'a' holds no number"),
        ([1.0, 2.0], [1.0, 2.5], "'a' changes by 0.25 of its largest number"),
        ([1.0, 2.0], [1.0, NAN], "'a' changes by inf"),
    ],
)
def test_what_proves_nothing(reference: list[float], other: list[float], says: str) -> None:
    """It is said, and no verdict is given."""
    call = [np.array(reference, np.float32)]
    with pytest.raises(ConversionError, match=says):
        judged("a", call, [call, [np.array(other)]])


@pytest.mark.parametrize(
    ("apart", "tolerance", "says"),
    [
        (1.7e-5, 2.4e-5, "a 1.7e-05 of 2.4e-05"),
        (2.04e-5, 2.01e-5, "a 2.04e-05 of 2.01e-05"),
        (2.0000001e-5, 2e-5, "a 2.0000001e-05 of 2.0000000e-05"),
        (2e-5, 2.01e-5, "a 2.0e-05 of 2.0e-05"),
        (1.0, 0.0, "a 1.0e+00 of 0.0e+00"),
        (INF, 1e-5, "a inf of 1.0e-05"),
    ],
)
def test_figures_never_contradict_the_verdict(apart: float, tolerance: float, says: str) -> None:
    """They have as many digits as it takes."""
    assert OutputDifference("a", apart, apart, tolerance).text == says


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
        "fail: a 1.0e-07 of 1.0e-05, b inf of 2.0e-05, on random inputs against TensorFlow"
    )
    found = check.to_json()
    assert (found["verdict"], found["outputs"][1]["max_abs"]) == ("fail", None)
    assert [output["passed"] for output in found["outputs"]] == [True, False]


def test_calls_survive_the_file(tmp_path: Any) -> None:
    """In their order, of which there may be more than ten."""
    calls = [[np.array([call, index]) for index in range(12)] for call in range(2)]
    write_calls(tmp_path / "calls.npz", calls)
    found = read_calls(tmp_path / "calls.npz")
    assert [[array.tolist() for array in arrays] for arrays in found] == [
        [[call, index] for index in range(12)] for call in range(2)
    ]
