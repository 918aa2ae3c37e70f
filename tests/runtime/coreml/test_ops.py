"""Each op gives what the documentation of MIL says; the expected numbers are written down here."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from dsconv.errors import ConversionError, DsconvError, ModelError
from dsconv.runtime.coreml.operations import OpInfo
from dsconv.runtime.coreml.ops import OPS, compute

IOS16, IOS18 = 6, 8
INF = math.inf
# The logarithm of 1e-45, of which float32 makes 2**-149.
SMALLEST_LOG = -149 * math.log(2)


def array(value: Any) -> Any:
    """An array of float32, int32 or bool; text stays, and a tuple becomes one of arrays."""
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return tuple(map(array, value))
    found = np.asarray(value)
    if found.dtype == np.float64:
        return found.astype(np.float32)
    return found.astype(np.int32) if found.dtype == np.int64 else found


def run(kind: str, *, opset: int = IOS18, declared: str = "float32", **parameters: Any) -> Any:
    """The outputs of an op, or the only one."""
    info = OpInfo(kind, "out", opset, (declared,))
    outputs = compute(info, {name: array(value) for name, value in parameters.items()})
    return outputs[0] if len(outputs) == 1 else outputs


X23 = [[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]]
I33 = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]

CASES: list[tuple[str, dict[str, Any], Any]] = [
    # Element by element.
    ("abs", {"x": [-1.5, 2.0]}, [1.5, 2.0]),
    ("add", {"x": [[1.0], [2.0]], "y": [10.0, 20.0]}, [[11.0, 21.0], [12.0, 22.0]]),
    ("add", {"x": [2**31 - 1], "y": [1]}, [-(2**31)]),
    ("ceil", {"x": [1.2, -1.2]}, [2.0, -1.0]),
    ("clamped_relu", {"x": [-2.0, 1.0, 9.0], "alpha": 0.5, "beta": 6.0}, [-1.0, 1.0, 6.0]),
    ("clip", {"x": [-1.0, 5.0, 25.0], "alpha": 0.0, "beta": 20.0}, [0.0, 5.0, 20.0]),
    ("cos", {"x": [0.0, math.pi]}, [1.0, -1.0]),
    ("equal", {"x": [1, 2], "y": [1, 3]}, [True, False]),
    ("exp", {"x": [0.0, 1.0]}, [1.0, math.e]),
    ("floor", {"x": [1.8, -1.2]}, [1.0, -2.0]),
    ("floor_div", {"x": [7, -7], "y": [2, 2]}, [3, -4]),
    ("floor_div", {"x": [7.0, -7.0], "y": [2.0, 2.0]}, [3.0, -4.0]),
    ("greater", {"x": [1, 2, 3], "y": 2}, [False, False, True]),
    ("greater_equal", {"x": [1, 2, 3], "y": 2}, [False, True, True]),
    ("identity", {"x": [1.0]}, [1.0]),
    ("inverse", {"x": [2.0], "epsilon": 2.0}, [0.25]),
    ("inverse", {"x": [0.0]}, [1e4]),
    ("leaky_relu", {"x": [-2.0, 3.0], "alpha": 0.1}, [-0.2, 3.0]),
    ("less", {"x": [1, 2, 3], "y": 2}, [True, False, False]),
    ("less_equal", {"x": [1, 2, 3], "y": 2}, [True, True, False]),
    ("log", {"x": [1.0, 0.0]}, [0.0, SMALLEST_LOG]),
    ("log", {"x": [1.0], "epsilon": math.e - 1}, [1.0]),
    ("logical_and", {"x": [True, True], "y": [True, False]}, [True, False]),
    ("logical_not", {"x": [True, False]}, [False, True]),
    ("logical_or", {"x": [True, False], "y": [False, False]}, [True, False]),
    ("logical_xor", {"x": [True, True], "y": [True, False]}, [False, True]),
    ("maximum", {"x": [1.0, 5.0], "y": 3.0}, [3.0, 5.0]),
    ("minimum", {"x": [1.0, 5.0], "y": 3.0}, [1.0, 3.0]),
    ("mod", {"x": [7, -7], "y": [4, 4]}, [3, 1]),
    ("mul", {"x": [2.0, 3.0], "y": [4.0, 5.0]}, [8.0, 15.0]),
    ("not_equal", {"x": [1, 2], "y": [1, 3]}, [False, True]),
    ("pow", {"x": [2.0, 9.0], "y": [3.0, 0.5]}, [8.0, 3.0]),
    ("real_div", {"x": [1.0, 3.0], "y": [2.0, 4.0]}, [0.5, 0.75]),
    ("relu", {"x": [-1.0, 2.0]}, [0.0, 2.0]),
    ("relu6", {"x": [-1.0, 2.0, 7.0]}, [0.0, 2.0, 6.0]),
    ("rsqrt", {"x": [4.0]}, [0.5]),
    ("rsqrt", {"x": [0.0]}, [1e6]),
    ("rsqrt", {"x": [1.0], "epsilon": 3.0}, [0.5]),
    ("select", {"cond": [True, False], "a": [1.0, 2.0], "b": [3.0, 4.0]}, [1.0, 4.0]),
    ("select", {"cond": [[True], [False]], "a": [1, 2], "b": 0}, [[1, 2], [0, 0]]),
    ("sigmoid", {"x": [0.0, 1.0, -200.0]}, [0.5, 0.7310586, 0.0]),
    ("sign", {"x": [-3.0, 0.0, 2.0]}, [-1.0, 0.0, 1.0]),
    ("sin", {"x": [0.0, math.pi / 2]}, [0.0, 1.0]),
    ("sqrt", {"x": [4.0, 2.25]}, [2.0, 1.5]),
    ("square", {"x": [-3.0, 0.5]}, [9.0, 0.25]),
    ("sub", {"x": [1.0, 2.0], "y": [3.0, 1.0]}, [-2.0, 1.0]),
    ("tanh", {"x": [0.0, 1.0]}, [0.0, 0.7615942]),
    ("threshold", {"x": [-1.0, 3.0], "alpha": 2.0}, [2.0, 3.0]),
    # Over dimensions.
    ("reduce_max", {"x": X23, "axes": [1]}, [3.0, 5.0]),
    ("reduce_mean", {"x": X23, "axes": [-1], "keep_dims": True}, [[2 / 3], [1.0]]),
    ("reduce_min", {"x": X23, "axes": [0]}, [1.0, -2.0, -6.0]),
    ("reduce_prod", {"x": I33, "axes": [1]}, [6, 120, 504]),
    ("reduce_sum", {"x": X23}, 5.0),
    ("reduce_sum", {"x": I33, "axes": [0, 1], "keep_dims": True}, [[45]]),
    ("softmax", {"x": [[0.0, math.log(3.0)]]}, [[0.25, 0.75]]),
    ("softmax", {"x": [[0.0, 5.0], [math.log(3.0), 5.0]], "axis": 0}, [[0.25, 0.5], [0.75, 0.5]]),
    ("softmax", {"x": [1000.0, 1000.0]}, [0.5, 0.5]),
    (
        "layer_norm",
        {"x": [[1.0, 3.0], [2.0, 2.0]], "axes": [-1], "gamma": [1.0, 2.0], "beta": [0.0, 5.0],
         "epsilon": 3.0},
        [[-0.5, 6.0], [0.0, 5.0]],
    ),
    ("layer_norm", {"x": [[1.0, 3.0], [5.0, 7.0]], "epsilon": 4.0}, [[-1.0, -1 / 3], [1 / 3, 1.0]]),
    ("cumsum", {"x": [1, 2, 3]}, [1, 3, 6]),
    ("cumsum", {"x": [1, 2, 3], "exclusive": True}, [0, 1, 3]),
    ("cumsum", {"x": [1, 2, 3], "reverse": True}, [6, 5, 3]),
    ("cumsum", {"x": [[1, 2], [3, 4]], "axis": 1, "exclusive": True, "reverse": True},
     [[2, 0], [4, 0]]),
    # Shapes.
    ("band_part", {"x": I33}, I33),
    ("band_part", {"x": I33, "lower": 0}, [[1, 2, 3], [0, 5, 6], [0, 0, 9]]),
    ("band_part", {"x": I33, "lower": 1, "upper": 0}, [[1, 0, 0], [4, 5, 0], [0, 8, 9]]),
    ("concat", {"values": ([[1], [2]], [[3], [4]]), "axis": -1}, [[1, 3], [2, 4]]),
    ("concat", {"values": (1, 2), "axis": 0}, [1, 2]),
    ("expand_dims", {"x": [1, 2], "axes": [0, -1]}, [[[1], [2]]]),
    ("fill", {"shape": [2, 1], "value": 7}, [[7], [7]]),
    ("fill", {"shape": [2]}, [0.0, 0.0]),
    ("fill_like", {"ref_tensor": [[1], [2]], "value": 1.5}, [[1.5], [1.5]]),
    ("pad", {"x": [[1, 2]], "pad": [1, 2], "constant_val": 9}, [[9, 1, 2, 9, 9]]),
    ("pad", {"x": [[1, 2]], "pad": [1, 0, 0, 1]}, [[0, 0, 0], [1, 2, 0]]),
    ("pad", {"x": [1, 2, 3], "pad": [2, 1], "mode": "reflect"}, [3, 2, 1, 2, 3, 2]),
    ("pad", {"x": [1, 2, 3], "pad": [2, 1], "mode": "replicate"}, [1, 1, 1, 2, 3, 3]),
    ("range_1d", {"start": 2, "end": 9, "step": 3}, [2, 5, 8]),
    ("range_1d", {"start": 0, "end": 0, "step": 1}, np.zeros(0, np.int32)),
    ("range_1d", {"start": 1.0, "end": 2.0, "step": 0.5}, [1.0, 1.5]),
    ("reshape", {"x": [[1, 2, 3], [4, 5, 6]], "shape": [3, -1]}, [[1, 2], [3, 4], [5, 6]]),
    ("reverse", {"x": [[1, 2], [3, 4]]}, [[4, 3], [2, 1]]),
    ("reverse", {"x": [[1, 2], [3, 4]], "axes": [1]}, [[2, 1], [4, 3]]),
    ("shape", {"x": [[1.0, 2.0, 3.0]]}, [1, 3]),
    ("sliding_windows", {"x": [1, 2, 3, 4], "axis": 0, "size": 3}, [[1, 2, 3], [2, 3, 4]]),
    (
        "sliding_windows",
        {"x": [[1, 2], [3, 4], [5, 6]], "axis": -2, "size": 2, "stride": 1},
        [[[1, 2], [3, 4]], [[3, 4], [5, 6]]],
    ),
    ("sliding_windows", {"x": [1, 2, 3, 4, 5], "axis": 0, "size": 2, "stride": 2},
     [[1, 2], [3, 4]]),
    ("squeeze", {"x": [[[1], [2]]]}, [1, 2]),
    ("squeeze", {"x": [[[1], [2]]], "axes": [-1]}, [[1, 2]]),
    ("squeeze", {"x": [[[1], [2]]], "axes": [0, 1]}, [[1], [2]]),
    ("stack", {"values": ([1, 2], [3, 4]), "axis": 1}, [[1, 3], [2, 4]]),
    ("tile", {"x": [[1, 2]], "reps": [2, 2]}, [[1, 2, 1, 2], [1, 2, 1, 2]]),
    ("transpose", {"x": [[1, 2, 3]], "perm": [1, 0]}, [[1], [2], [3]]),
    ("transpose", {"x": [[[1, 2]], [[3, 4]]], "perm": [-1, 0, 1]}, [[[1], [3]], [[2], [4]]]),
    # Parts.
    ("gather", {"x": I33, "indices": [2, 0]}, [[7, 8, 9], [1, 2, 3]]),
    ("gather", {"x": I33, "indices": 1, "axis": -1}, [2, 5, 8]),
    ("gather", {"x": I33, "indices": [[0, 1]], "axis": 1, "validate_indices": False},
     [[[1, 2]], [[4, 5]], [[7, 8]]]),
    ("gather_along_axis", {"x": [[1, 2], [3, 4]], "indices": [[1, 0], [0, 0]], "axis": 1},
     [[2, 1], [3, 3]]),
    ("gather_nd", {"x": I33, "indices": [[0, 2], [1, 1]]}, [3, 5]),
    ("gather_nd", {"x": I33, "indices": [[2]]}, [[7, 8, 9]]),
    ("scatter", {"data": [[1, 2, 3], [4, 5, 6]], "indices": [1, 0],
                 "updates": [[5, 6, 7], [8, 9, 10]], "axis": 0, "mode": "add"},
     [[9, 11, 13], [9, 11, 13]]),
    ("scatter", {"data": [1, 2, 3], "indices": [2], "updates": [9], "mode": "update"}, [1, 2, 9]),
    ("scatter", {"data": [[1, 2], [3, 4]], "indices": [1], "updates": [[9], [8]], "axis": -1,
                 "mode": "update"}, [[1, 9], [3, 8]]),
    ("scatter", {"data": [1, 2, 3], "indices": [0, 0], "updates": [5, 7], "mode": "sub"},
     [-11, 2, 3]),
    ("scatter", {"data": [1.0, 2.0], "indices": [1], "updates": [4.0], "mode": "div"}, [1.0, 0.5]),
    ("scatter", {"data": [1, 2], "indices": [1], "updates": [4], "mode": "mul"}, [1, 8]),
    ("scatter", {"data": [1, 2], "indices": [1], "updates": [4], "mode": "max"}, [1, 4]),
    ("scatter", {"data": [1, 2], "indices": [1], "updates": [4], "mode": "min"}, [1, 2]),
    ("scatter_along_axis", {"data": [[1, 2], [3, 4]], "indices": [[1], [0]],
                            "updates": [[9], [8]], "axis": 1, "mode": "update"}, [[1, 9], [8, 4]]),
    ("scatter_nd", {"data": I33, "indices": [[0, 1], [2, 2]], "updates": [20, 30],
                    "mode": "update"}, [[1, 20, 3], [4, 5, 6], [7, 8, 30]]),
    ("scatter_nd", {"data": [1, 1], "indices": [[0], [0]], "updates": [2, 3], "mode": "add"},
     [6, 1]),
    ("slice_by_index", {"x": I33, "begin": [0, 1], "end": [2, 3]}, [[2, 3], [5, 6]]),
    ("slice_by_index", {"x": I33, "begin": [-1, 0], "end": [0, -1], "end_mask": [True, False]},
     [[7, 8]]),
    ("slice_by_index", {"x": I33, "begin": [5, 0], "end": [2, 3], "stride": [1, 2],
                        "begin_mask": [True, False]}, [[1, 3], [4, 6]]),
    ("slice_by_index", {"x": I33, "begin": [2, 1], "end": [0, 3], "squeeze_mask": [True, False]},
     [8, 9]),
    ("slice_by_index", {"x": [1, 2, 3], "begin": [-1], "end": [0], "squeeze_mask": [True]}, 3),
    ("slice_by_index", {"x": [1, 2, 3], "begin": [2], "end": [0], "stride": [-1]}, [3, 2]),
    ("slice_by_size", {"x": I33, "begin": [1, 0], "size": [2, 1]}, [[4], [7]]),
    ("slice_by_size", {"x": I33, "begin": [-1, 1], "size": [1, -1]}, [[8, 9]]),
    ("slice_update", {"x": [1, 2, 3], "update": [8, 9], "begin": [0], "end": [2]}, [8, 9, 3]),
    # Products.
    ("linear", {"x": [[1.0, 2.0]], "weight": [[3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]},
     [[11.0, 17.0, 23.0]]),
    ("linear", {"x": [1.0, 2.0], "weight": [[3.0, 4.0]], "bias": [100.0]}, [111.0]),
    ("matmul", {"x": [[1, 2], [3, 4]], "y": [[5, 6], [7, 8]]}, [[19, 22], [43, 50]]),
    ("matmul", {"x": [[1, 2], [3, 4]], "y": [[5, 6], [7, 8]], "transpose_x": True},
     [[26, 30], [38, 44]]),
    ("matmul", {"x": [[1, 2], [3, 4]], "y": [[5, 6], [7, 8]], "transpose_y": True},
     [[17, 23], [39, 53]]),
    ("matmul", {"x": [1, 2], "y": [3, 4]}, 11),
    # One window of two inputs over three frames; outputs are 1*a + 2*b for each channel, summed.
    ("conv", {"x": [[[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]], "weight": [[[1.0, 2.0], [3.0, 4.0]]]},
     [[[115.0, 188.0]]]),
    ("conv", {"x": [[[1.0, 2.0, 3.0, 4.0, 5.0]]], "weight": [[[1.0, 10.0]]], "strides": [2],
              "bias": [0.5]}, [[[21.5, 43.5]]]),
    ("conv", {"x": [[[1.0, 2.0, 3.0, 4.0, 5.0]]], "weight": [[[1.0, 10.0]]], "dilations": [3]},
     [[[41.0, 52.0]]]),
    ("conv", {"x": [[[1.0, 2.0]]], "weight": [[[1.0, 10.0]], [[2.0, 0.0]]], "pad_type": "custom",
              "pad": [1, 2]}, [[[10.0, 21.0, 2.0, 0.0], [0.0, 2.0, 4.0, 0.0]]]),
    ("conv", {"x": [[[1.0, 2.0, 3.0]]], "weight": [[[1.0, 10.0, 100.0]]], "pad_type": "same"},
     [[[210.0, 321.0, 32.0]]]),
    ("conv", {"x": [[[[1.0, 2.0], [3.0, 4.0]]]], "weight": [[[[1.0, 10.0], [100.0, 1000.0]]]]},
     [[[[4321.0]]]]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "parameters", "expected"), CASES)
def test_documented_result(kind: str, parameters: dict[str, Any], expected: Any) -> None:
    found, expected = run(kind, **parameters), array(expected)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def test_every_op_has_a_documented_result() -> None:
    elsewhere = {
        "avg_pool",
        "cast",
        "const",
        "list_gather",
        "list_length",
        "list_read",
        "list_scatter",
        "list_write",
        "lstm",
        "make_list",
        "max_pool",
        "reduce_argmax",
        "reduce_argmin",
        "split",
    }
    covered = {kind for kind, *_ in CASES}
    compressed = {kind for kind in OPS if kind.startswith("constexpr_")}
    assert set(OPS) - compressed == covered | elsewhere


@pytest.mark.parametrize(
    ("values", "dtype", "expected", "of_type"),
    [
        ([1.9, -1.9, 0.0], "int32", [1, -1, 0], "int32"),
        ([1.9, -1.9, 0.0], "bool", [True, True, False], "bool"),
        ([True, False], "fp32", [1.0, 0.0], "float32"),
        ([3, 300], "uint8", [3, 44], "uint8"),
        ([1, 2], "fp16", [1.0, 2.0], "float16"),
    ],
)
def test_cast(values: Any, dtype: str, expected: Any, of_type: str) -> None:
    info = OpInfo("cast", "out", IOS18, (of_type,))
    (found,) = compute(info, {"x": array(values), "dtype": dtype})
    assert found.tolist() == expected


def test_cast_to_an_unknown_type_is_refused() -> None:
    with pytest.raises(ConversionError, match="with dtype 'string'"):
        compute(OpInfo("cast", "out", IOS18, ("string",)), {"x": array([1]), "dtype": "string"})


def test_cast_to_another_type_than_declared_is_refused() -> None:
    with pytest.raises(ModelError, match="'fp32' is declared to give int32"):
        compute(OpInfo("cast", "out", IOS18, ("int32",)), {"x": array([1]), "dtype": "fp32"})


def test_split_into_equal_parts() -> None:
    first, second = run("split", x=[[1, 2, 3, 4]], axis=-1, num_splits=2)
    assert first.tolist() == [[1, 2]]
    assert second.tolist() == [[3, 4]]


def test_split_into_given_sizes() -> None:
    parts = run("split", x=[1, 2, 3, 4], axis=0, split_sizes=[1, 3], num_splits=2)
    assert [part.tolist() for part in parts] == [[1], [2, 3, 4]]


def test_zeros_of_reshape_since_ios_17() -> None:
    x = np.zeros((2, 50), np.float32)
    assert run("reshape", x=x, shape=[1, 0, -1, 0]).shape == (1, 1, 2, 50)


def test_zeros_of_reshape_before_ios_17() -> None:
    x = np.zeros((2, 3, 4), np.float32)
    assert run("reshape", opset=IOS16, x=x, shape=[0, -1, 0]).shape == (2, 3, 4)
    with pytest.raises(ModelError, match="for 2 dimensions"):
        run("reshape", opset=IOS16, x=x, shape=[0, -1])


def test_indices_below_zero_count_from_the_end_before_ios_17() -> None:
    assert run("gather", opset=IOS16, x=[1, 2, 3], indices=[-1, 0]).tolist() == [3, 1]
    assert run("gather_nd", opset=IOS16, x=I33, indices=[[-1, -2]]).tolist() == [8]
    with pytest.raises(ConversionError, match="outside of 3"):
        run("gather", x=[1, 2, 3], indices=[-1])


def test_defaults_that_float16_cannot_hold_are_zero() -> None:
    with np.errstate(divide="ignore"):
        assert run("rsqrt", declared="float16", x=[0.0]).tolist() == [INF]
        assert run("log", declared="float16", x=[0.0]).tolist() == [-INF]


# A model of one op with two cells and an input of one, whose gates are computed one by one.
X = [[[0.5]], [[-1.0]], [[2.0]]]
H, C = [[0.1, -0.2]], [[0.3, 0.4]]
# Rows are the gates i, f, o, z, with two cells each.
W_IH = [[0.1], [0.2], [0.3], [0.4], [-0.5], [0.6], [0.7], [-0.8]]
W_HH = [
    [0.11, -0.12], [0.13, 0.14], [-0.15, 0.16], [0.17, 0.18],
    [0.19, 0.21], [-0.22, 0.23], [0.24, -0.25], [0.26, 0.27],
]  # fmt: skip
BIAS = [0.01, 0.02, 1.0, 1.1, -0.03, 0.04, 0.05, -0.06]


def plain_lstm(bias: list[float]) -> tuple[list[list[float]], list[float], list[float]]:
    """All outputs and the last states, from the formulas in the documentation, in plain Python."""

    def sigmoid(value: float) -> float:
        return 1 / (1 + math.exp(-value))

    h, c, outputs = H[0], C[0], []
    for frame in X:
        gates = [
            W_IH[row][0] * frame[0][0]
            + sum(w * s for w, s in zip(W_HH[row], h, strict=True))
            + bias[row]
            for row in range(8)
        ]
        i, f, o = ([sigmoid(g) for g in gates[2 * n : 2 * n + 2]] for n in range(3))
        z = [math.tanh(g) for g in gates[6:8]]
        c = [f[n] * c[n] + i[n] * z[n] for n in range(2)]
        h = [o[n] * math.tanh(c[n]) for n in range(2)]
        outputs.append(h)
    return outputs, h, c


LSTM: dict[str, Any] = {
    "x": X,
    "initial_h": H,
    "initial_c": C,
    "weight_ih": W_IH,
    "weight_hh": W_HH,
}


@pytest.mark.parametrize("bias", [BIAS, None])
def test_lstm(bias: list[float] | None) -> None:
    given = LSTM if bias is None else LSTM | {"bias": bias}
    outputs, h, c = run("lstm", **given, output_sequence=True)
    wanted_outputs, wanted_h, wanted_c = plain_lstm(bias or [0.0] * 8)
    np.testing.assert_allclose(outputs[:, 0], wanted_outputs, rtol=0, atol=1e-7)
    np.testing.assert_allclose(h, [wanted_h], rtol=0, atol=1e-7)
    np.testing.assert_allclose(c, [wanted_c], rtol=0, atol=1e-7)
    assert outputs.shape == (3, 1, 2)


def test_first_step_of_lstm_in_numbers() -> None:
    # i = sigmoid(0.1*0.5 + 0.11*0.1 + 0.12*0.2 + 0.01) = sigmoid(0.095) for the first cell, and so
    # f = sigmoid(1.103), o = sigmoid(-0.303), z = tanh(0.474).
    _, h, c = run("lstm", **LSTM | {"x": X[:1]}, bias=BIAS)
    assert c[0, 0] == pytest.approx(0.75082 * 0.3 + 0.52373 * 0.44144, abs=1e-5)
    assert h[0, 0] == pytest.approx(0.42482 * math.tanh(float(c[0, 0])), abs=1e-5)


def test_lstm_gives_the_last_output_by_default() -> None:
    outputs, h, _ = run("lstm", **LSTM, bias=BIAS)
    assert outputs.shape == (1, 1, 2)
    np.testing.assert_array_equal(outputs[0], h)


def test_lstm_without_frames_keeps_its_states() -> None:
    outputs, h, c = run("lstm", **LSTM | {"x": np.zeros((0, 1, 1))}, output_sequence=True)
    assert outputs.shape == (0, 1, 2)
    assert (h.tolist(), c.tolist()) == (array(H).tolist(), array(C).tolist())


def test_lists() -> None:
    (ls,) = compute(
        OpInfo("make_list", "out", IOS18, (None,)),
        {"init_length": array(2), "elem_shape": (array(1), "n"), "dtype": "int32"},
    )
    assert compute_list("list_length", ls) == 2
    longer = compute_list("list_write", ls, index=2, value=[[7, 8]])
    assert compute_list("list_length", longer) == 3
    assert compute_list("list_length", ls) == 2
    full = compute_list("list_scatter", longer, indices=[0, 1], value=[[[1, 2]], [[3, 4]]])
    assert compute_list("list_read", full, index=1).tolist() == [[3, 4]]
    gathered = compute_list("list_gather", full, indices=[2, 0])
    assert gathered.tolist() == [[[7, 8]], [[1, 2]]]


def compute_list(kind: str, ls: Any, **parameters: Any) -> Any:
    """An op on a list."""
    info = OpInfo(kind, "out", IOS18, (None,))
    (found,) = compute(info, {"ls": ls} | {key: array(v) for key, v in parameters.items()})
    return found


@pytest.mark.parametrize(
    ("kind", "parameters", "reason"),
    [
        ("list_read", {"index": 0}, "nothing was written"),
        ("list_read", {"index": 1}, "index 1 in a list of 1"),
        ("list_read", {"index": -1}, "index -1 in a list of 1"),
        ("list_write", {"index": 1, "value": [1.0]}, "index 1 in a list of 1"),
        ("list_write", {"index": 0, "value": [1.0, 2.0]}, r"writes \[2\] to a list of \[1\]"),
        ("list_gather", {"indices": np.zeros(0, np.int32)}, "of no indices"),
    ],
)
def test_indices_of_lists_that_are_not_there(
    kind: str, parameters: dict[str, Any], reason: str
) -> None:
    ls = compute(
        OpInfo("make_list", "out", IOS18, (None,)),
        {"elem_shape": (array(1),), "dynamic_length": array(False)},
    )[0]
    with pytest.raises(DsconvError, match=reason):
        compute_list(kind, ls, **parameters)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("lstm", LSTM | {"direction": "reverse"}, "with direction 'reverse'"),
    ("lstm", LSTM | {"recurrent_activation": "hard_sigmoid"}, "hard_sigmoid"),
    ("lstm", LSTM | {"cell_activation": "relu"}, "activations sigmoid, relu, tanh"),
    ("lstm", LSTM | {"activation": "linear"}, "activations sigmoid, tanh, linear"),
    ("lstm", LSTM | {"peephole": [0.0] * 6}, "with peephole"),
    ("lstm", LSTM | {"clip": 3.0}, "with clip"),
    ("lstm", LSTM | {"weight_ih_back": W_IH}, "with weight_ih_back"),
    ("relu", {"x": [1.0], "alpha": 1.0}, "with alpha"),
    ("topk", {"x": [1.0]}, "'out' is a Core ML topk, which"),
    ("conv", {"x": [[[1.0]]], "weight": [[[1.0]]], "groups": 2}, "with groups 2"),
    ("conv", {"x": [[[1.0]]], "weight": [[[1.0]]], "pad_type": "other"}, "pad_type 'other'"),
    ("conv", {"x": [[[1.0]]], "weight": [[[1.0]]], "pad_type": "custom"}, "pad_type 'custom'"),
    ("conv", {"x": [[[1.0]]], "weight": [[[1.0, 1.0]]], "pad_type": "same"}, "odd number of zeros"),
    ("clip", {"x": [1.0], "alpha": 2.0, "beta": 1.0}, "alpha is larger"),
    ("concat", {"values": ([1], [2]), "axis": 0, "interleave": True}, "with interleave"),
    ("gather", {"x": [1], "indices": [0], "batch_dims": 1}, "with batch_dims"),
    ("gather", {"x": [1], "indices": [1]}, "outside of 1 entries"),
    ("gather_along_axis", {"x": [1], "indices": [1]}, "outside of 1 entries"),
    ("gather_nd", {"x": [1], "indices": [[0]], "batch_dims": 1}, "with batch_dims"),
    ("gather_nd", {"x": [1], "indices": [[1]]}, "outside of 1 entries"),
    ("scatter", {"data": [1], "indices": [0], "updates": [1]}, "without a mode"),
    ("scatter", {"data": [1], "indices": [0], "updates": [1], "mode": "xor"}, "with mode 'xor'"),
    ("scatter", {"data": [1], "indices": [1], "updates": [1], "mode": "add"}, "outside of 1"),
    ("slice_by_size", {"x": [1, 2], "begin": [1], "size": [2]}, "takes 1 to 3 of 2"),
    (
        "slice_by_index",
        {"x": [1], "begin": [1], "end": [2], "squeeze_mask": [True]},
        "outside of 1",
    ),
    ("pad", {"x": [1], "pad": [1, 1], "mode": "circular"}, "with mode 'circular'"),
    ("real_div", {"x": [1], "y": [2]}, "of integers"),
    ("pow", {"x": [2], "y": [2]}, "of integers"),
    ("reduce_mean", {"x": [2]}, "of integers"),
    ("floor_div", {"x": [1], "y": [0]}, "by an integer zero"),
    ("mod", {"x": [1], "y": [0]}, "by an integer zero"),
    ("make_list", {}, "without elem_shape"),
    ("make_list", {"elem_shape": (1,), "dtype": "string"}, "with dtype 'string'"),
]


@pytest.mark.parametrize(("kind", "parameters", "reason"), REFUSED)
def test_what_is_not_computed_is_refused_by_name(
    kind: str, parameters: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConversionError, match=reason):
        run(kind, **parameters)


DAMAGED: list[tuple[str, dict[str, Any], str]] = [
    ("linear", {"x": [1.0]}, "has no weight"),
    ("linear", {"x": [1.0], "weight": [[1.0, 2.0]]}, "do not fit"),
    ("linear", {"x": [1.0], "weight": [[1.0]], "bias": [1.0, 2.0]}, "has a bias of shape"),
    ("linear", {"x": [1.0], "weight": [1.0]}, "has a weight of shape"),
    ("conv", {"x": [[[1.0]]], "weight": [[[1.0]]], "bias": [1.0, 2.0]}, "has a bias of shape"),
    ("lstm", LSTM | {"weight_ih": W_IH[:4]}, "different sizes"),
    ("lstm", LSTM | {"initial_h": C[0]}, "different sizes"),
    ("lstm", LSTM | {"bias": BIAS[:4]}, "has a bias of shape"),
    ("add", {"x": [1.0, 2.0], "y": [1.0, 2.0, 3.0]}, "do not fit"),
    ("add", {"x": [1.0], "y": "text"}, "do not fit"),
    ("reshape", {"x": [1, 2, 3], "shape": [2, -1]}, "do not fit"),
    ("expand_dims", {"x": [1], "axes": [3]}, "has the axes"),
    ("split", {"x": [1, 2, 3], "axis": 0, "num_splits": 2}, "equal parts"),
    ("split", {"x": [1, 2, 3], "axis": 0, "split_sizes": [1, 1]}, "cuts 3 into"),
    ("split", {"x": [1, 2], "axis": 0}, "equal parts"),
    ("tile", {"x": [1], "reps": [0]}, "repeats"),
    ("fill", {"shape": [-1], "value": 0}, "has the shape"),
    ("range_1d", {"start": 0, "end": 1, "step": 0}, "step of zero"),
    ("pad", {"x": [1], "pad": [1, 1, 1, 1]}, "pads 1 dimensions"),
    ("pad", {"x": [1], "pad": [-1, 1]}, "pads 1 dimensions"),
    ("slice_by_index", {"x": [1], "begin": [0, 0], "end": [1, 1]}, "does not cut 1"),
    ("slice_by_size", {"x": [1], "begin": [0, 0], "size": [1, 1]}, "does not cut 1"),
    ("scatter", {"data": [1], "indices": [0], "updates": [1, 2], "mode": "add"}, "has updates"),
    ("gather_along_axis", {"x": I33, "indices": [[0]]}, "has indices"),
    ("gather_nd", {"x": [1], "indices": [[0, 0]]}, "has indices"),
    ("layer_norm", {"x": [[1.0, 2.0]], "axes": [1], "gamma": [1.0]}, "has a gamma"),
    ("sliding_windows", {"x": [1, 2], "axis": 0, "size": 3}, "windows of 3 of 2"),
    ("logical_and", {"x": [1], "y": [1]}, "not true or false"),
    ("logical_not", {"x": [1]}, "not true or false"),
    ("select", {"cond": [1], "a": [1], "b": [1]}, "not true or false"),
    ("matmul", {"x": 1.0, "y": [1.0]}, "not a matrix"),
    ("sliding_windows", {"x": 1, "axis": 0, "size": 1}, "do not fit"),
    ("fill", {"shape": [2**31 - 1] * 3, "value": 0}, "do not fit"),
]


@pytest.mark.parametrize(("kind", "parameters", "reason"), DAMAGED)
def test_contradictions_are_named(kind: str, parameters: dict[str, Any], reason: str) -> None:
    with pytest.raises(ModelError, match=rf"'out', a Core ML {kind}, .*{reason}"):
        run(kind, **parameters)
