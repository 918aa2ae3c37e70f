"""Each op in numpy gives what TensorFlow's kernel gives: same shapes, same types, same numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from dsconv.errors import ConversionError
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.write import new_constant, new_node
from dsconv.runtime.evaluator import Evaluator
from dsconv.runtime.ops import OPS
from tests.reference import run_graph
from tests.runtime.built import built

TOLERANCE = 1e-6

# Which input gives the value of each type attribute. Ops that are not here have one type, T.
TYPES: dict[str, dict[str, int]] = {
    "All": {"Tidx": 1},
    "AudioSpectrogram": {},
    "Cast": {"SrcT": 0},
    "ConcatV2": {"T": 0, "Tidx": -1},
    "ExpandDims": {"T": 0, "Tdim": 1},
    "Fill": {"T": 1, "index_type": 0},
    "BlockLSTM": {"T": 1},
    "Gather": {"Tparams": 0, "Tindices": 1},
    "GatherNd": {"Tparams": 0, "Tindices": 1},
    "GatherV2": {"Tparams": 0, "Tindices": 1, "Taxis": 2},
    "LogicalAnd": {},
    "Max": {"T": 0, "Tidx": 1},
    "Mean": {"T": 0, "Tidx": 1},
    "Mfcc": {},
    "Prod": {"T": 0, "Tidx": 1},
    "Range": {"Tidx": 0},
    "Reshape": {"T": 0, "Tshape": 1},
    "ReverseSequence": {"T": 0, "Tlen": 1},
    "ReverseV2": {"T": 0, "Tidx": 1},
    "Select": {"T": 1},
    "Split": {"T": 1},
    "SplitV": {"T": 0, "Tlen": 1},
    "StridedSlice": {"T": 0, "Index": 1},
    "Tile": {"T": 0, "Tmultiples": 1},
    "Transpose": {"T": 0, "Tperm": 1},
}


@dataclass(frozen=True)
class Case:
    """One node with its inputs."""

    op: str
    variant: str
    inputs: tuple[Any, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    outputs: int = 1

    def defined(self, output: int, value: Any) -> Any:
        """The part of an output that TensorFlow computes.

        After the last valid step BlockLSTM clears the cells (1) and its output (6), and leaves in
        the others what the memory held before.
        """
        if self.op == "BlockLSTM" and output not in (1, 6):
            return value[: int(self.inputs[0])]
        return value

    @property
    def tensors(self) -> list[str]:
        """The names of the node's outputs."""
        return [f"node:{number}" for number in range(self.outputs)]

    @property
    def feeds(self) -> dict[str, Any]:
        """The inputs by the names of their placeholders."""
        return {f"input_{number}": value for number, value in enumerate(self.inputs)}

    def graph(self) -> Graph:
        """A placeholder for each input, and the node."""
        nodes = [
            new_node(name, "Placeholder", [], {"dtype": data_type(value), "shape": value.shape})
            for name, value in self.feeds.items()
        ]
        types = TYPES.get(self.op, {"T": 0})
        attributes = {key: data_type(self.inputs[number]) for key, number in types.items()}
        if self.op in ("ConcatV2", "Pack"):
            attributes["N"] = sum(value.dtype == self.inputs[0].dtype for value in self.inputs)
        return Graph([*nodes, new_node("node", self.op, self.feeds, attributes | self.attributes)])


def data_type(value: Any) -> DataType:
    """TensorFlow's type of an array."""
    return next(kind for kind in DataType if kind.label == value.dtype.name)


def floats(*shape: int, scale: float = 1.0) -> Any:
    """Random numbers that depend on the shape alone."""
    generator = np.random.default_rng(sum(shape) + 10 * len(shape))
    return (scale * generator.normal(size=shape)).astype(np.float32)


def ints(*values: Any) -> Any:
    """A vector of integers; of lists, a matrix."""
    return np.array(values, np.int32)


def scalar(value: int) -> Any:
    """A single integer."""
    return np.array(value, np.int32)


def lstm(
    variant: str, frames: int, length: int, batch: int = 1, scale: float = 1.0, **attributes: float
) -> Case:
    """An LSTM of three inputs and five cells, some of which start beyond the default clip."""
    inputs, cells = 3, 5
    kernel = floats(inputs + cells, 4 * cells, scale=scale)
    states = 5 * floats(batch, cells), 0.5 * floats(batch, cells, 1).reshape(batch, cells)
    zeros = np.zeros(cells, np.float32)
    x = floats(frames, batch, inputs)
    arrays = (np.array(length, np.int64), x, *states, kernel, zeros, zeros, zeros)
    return Case("BlockLSTM", variant, (*arrays, floats(4 * cells)), dict(attributes), outputs=7)


def strided(variant: str, begin: Any, end: Any, strides: Any, **masks: int) -> Case:
    """A part of an array [4, 5, 6]."""
    return Case("StridedSlice", variant, (floats(4, 5, 6), begin, end, strides), dict(masks))


def parts(variant: str, value: Any, axis: int, count: int) -> Case:
    """An array in equal parts."""
    return Case("Split", variant, (scalar(axis), value), {"num_split": count}, outputs=count)


def sizes(variant: str, axis: int, *counts: int) -> Case:
    """An array [2, 3, 4] in parts of some sizes."""
    inputs = (CUBE, ints(*counts), scalar(axis))
    return Case("SplitV", variant, inputs, {"num_split": len(counts)}, outputs=len(counts))


def reverse(variant: str, value: Any, lengths: Any, **dimensions: int) -> Case:
    """The first elements backwards."""
    return Case("ReverseSequence", variant, (value, lengths), dict(dimensions))


def bools(*values: Any) -> Any:
    """A vector of truths; of lists, a matrix."""
    return np.array(values, np.bool_)


def spectrogram(variant: str, samples: Any, window: int, stride: int, **attributes: bool) -> Case:
    """Spectra of some samples."""
    values = {"window_size": window, "stride": stride, **attributes}
    return Case("AudioSpectrogram", variant, (samples,), values)


def coefficients(variant: str, bins: int, rate: int, **attributes: float) -> Case:
    """MFCCs of two channels of three spectra."""
    return Case("Mfcc", variant, (floats(2, 3, bins) ** 2, scalar(rate)), dict(attributes))


MATRIX, VECTOR = floats(3, 4), floats(4)
CUBE = floats(2, 3, 4)
SQUARE_A, SQUARE_B = floats(4, 4), floats(4, 4, 1).reshape(4, 4)

CASES = [
    Case("Add", "matrix and vector", (MATRIX, VECTOR)),
    Case("Add", "integers", (ints(1, 2, 3), scalar(4))),
    Case("AddV2", "two dimensions that grow", (floats(3, 1), floats(1, 5))),
    Case("All", "of a vector", (bools(True, True), ints(0)), {"keep_dims": False}),
    Case("All", "default drops", (bools([True, False], [True, True]), ints(-1))),
    Case("All", "kept", (bools([True, False], [True, True]), scalar(0)), {"keep_dims": True}),
    Case("All", "of none", (np.zeros((0, 2), np.bool_), ints(0))),
    spectrogram("one window", floats(512, 1, scale=0.1), 512, 320, magnitude_squared=True),
    spectrogram("default is no square", floats(512, 1, scale=0.1), 512, 320),
    spectrogram("windows and channels", floats(1000, 2), 400, 160, magnitude_squared=True),
    spectrogram("8 kHz", floats(256, 1), 256, 160, magnitude_squared=True),
    Case("BiasAdd", "default format", (MATRIX, VECTOR)),
    Case("BiasAdd", "named format", (MATRIX, VECTOR), {"data_format": b"NHWC"}),
    Case("BiasAdd", "three dimensions", (CUBE, VECTOR), {"data_format": b"NHWC"}),
    lstm("as exported", 6, 6, forget_bias=0.0, cell_clip=-1.0, use_peephole=False),
    lstm("defaults", 6, 6),
    lstm("forget bias", 6, 6, forget_bias=1.0, cell_clip=-1.0),
    lstm("clipped cells", 6, 6, cell_clip=0.5),
    lstm("no clip at zero", 6, 6, cell_clip=0.0),
    lstm("batch of two", 6, 6, batch=2, forget_bias=0.0, cell_clip=-1.0),
    lstm("shorter than the input", 6, 4, batch=2, forget_bias=0.0, cell_clip=-1.0),
    lstm("no step at all", 6, 0, forget_bias=0.0, cell_clip=-1.0),
    lstm("saturated gates", 6, 6, scale=100.0, forget_bias=0.0, cell_clip=-1.0),
    Case("Cast", "int32 to int64", (ints(1, -2),), {"DstT": DataType.INT64, "Truncate": False}),
    Case("Cast", "bool to float", (np.array([True, False]),), {"DstT": DataType.FLOAT}),
    Case("Cast", "float to int", (np.array([1.7, -1.7], np.float32),), {"DstT": DataType.INT32}),
    Case("Cast", "float to half", (MATRIX,), {"DstT": DataType.HALF}),
    Case("Cast", "same type", (ints(3),), {"DstT": DataType.INT32}),
    Case("ConcatV2", "first dimension", (MATRIX, floats(1, 4), scalar(0))),
    Case("ConcatV2", "last dimension", (MATRIX, floats(3, 2), floats(3, 1), scalar(-1))),
    Case("Equal", "integers", (ints(1, 2), ints([1], [2]))),
    Case("Equal", "floats", (MATRIX, MATRIX * np.array([1, 1, 2, 1], np.float32))),
    Case("ExpandDims", "front", (MATRIX, scalar(0))),
    Case("ExpandDims", "back", (MATRIX, scalar(-1))),
    Case("ExpandDims", "vector of one axis", (MATRIX, ints(-1))),
    Case("Fill", "floats", (ints(2, 3), np.array(0.25, np.float32))),
    Case("Fill", "integers", (ints(3), scalar(7))),
    Case("Fill", "no dimensions", (np.zeros(0, np.int32), scalar(7))),
    Case("Gather", "vector of indices", (MATRIX, ints(2, 0, 2))),
    Case("Gather", "one index", (MATRIX, scalar(1)), {"validate_indices": True}),
    Case("Gather", "matrix of indices", (CUBE, ints([1, 0], [0, 0]))),
    Case("GatherNd", "rows", (CUBE, ints([1, 2], [0, 0]))),
    Case("GatherNd", "elements", (MATRIX, ints([2, 3], [0, 1]))),
    Case("GatherNd", "one index of the first dimension", (CUBE, ints([1]))),
    Case("GatherNd", "indices of three dimensions", (CUBE, ints([[1, 2], [0, 0]], [[0, 1]] * 2))),
    Case("GatherV2", "first axis", (CUBE, ints(1, 0), scalar(0)), {"batch_dims": 0}),
    Case("GatherV2", "last axis", (CUBE, ints(3, 0, 3), scalar(-1))),
    Case("GatherV2", "one index of the middle axis", (CUBE, scalar(1), scalar(1))),
    Case("GreaterEqual", "integers", (ints(0, 1, 2), ints([1], [2]))),
    Case("GreaterEqual", "one and a vector", (scalar(2), ints(1, 2, 3))),
    Case("Identity", "floats", (MATRIX,)),
    Case("Identity", "one integer", (scalar(3),)),
    Case("Less", "integers", (ints(0, 1, 2), ints([1], [2]))),
    Case("Less", "floats", (MATRIX, VECTOR)),
    Case("LogicalAnd", "broadcast", (bools(True, False), bools([True], [False]))),
    Case("MatMul", "defaults", (MATRIX, floats(4, 5))),
    *(
        Case("MatMul", f"transposed {a} {b}", (SQUARE_A, SQUARE_B), {k[0]: a, k[1]: b})
        for k in [("transpose_a", "transpose_b")]
        for a in (False, True)
        for b in (False, True)
    ),
    Case("MatMul", "no rows", (np.zeros((0, 4), np.float32), floats(4, 5))),
    Case("Max", "all of a vector", (ints(5, 9, 2), ints(0)), {"keep_dims": False}),
    Case("Max", "default drops", (CUBE, ints(1, 2))),
    Case("Max", "kept", (CUBE, scalar(-1)), {"keep_dims": True}),
    Case("Max", "over no dimension", (CUBE, np.zeros(0, np.int32))),
    Case("Maximum", "broadcast", (MATRIX, VECTOR)),
    Case("Mean", "default drops", (CUBE, ints(-1))),
    Case("Mean", "kept", (CUBE, ints(0, 2)), {"keep_dims": True}),
    Case("Mean", "scalar axis", (CUBE, scalar(1)), {"keep_dims": False}),
    coefficients("defaults", 257, 16000),
    coefficients(
        "0.9.3",
        257,
        16000,
        dct_coefficient_count=26,
        filterbank_channel_count=40,
        lower_frequency_limit=20.0,
        upper_frequency_limit=8000.0,
    ),
    coefficients("8 kHz", 129, 8000, dct_coefficient_count=26),
    Case("Minimum", "clip", (MATRIX, np.array(0.5, np.float32))),
    Case("Mul", "broadcast", (CUBE, floats(3, 1))),
    Case("Mul", "integers", (ints(2, 3), ints(-4, 5))),
    Case("Pack", "default axis", (VECTOR, floats(4, scale=2.0))),
    Case("Pack", "second axis", (ints(16), ints(0)), {"axis": 1}),
    Case("Pack", "last axis", (MATRIX, 2 * MATRIX, 3 * MATRIX), {"axis": -1}),
    Case("Pack", "one scalar", (scalar(3),), {"axis": 0}),
    Case("Prod", "integers", (ints(5, 9, 2), ints(0)), {"keep_dims": False}),
    Case("Prod", "default drops", (CUBE, ints(1, 2))),
    Case("Prod", "kept", (CUBE, scalar(-1)), {"keep_dims": True}),
    Case("Prod", "of none", (np.zeros(0, np.int32), ints(0))),
    Case("Range", "upwards", (scalar(0), scalar(16), scalar(1))),
    Case("Range", "in steps", (scalar(1), scalar(10), scalar(4))),
    Case("Range", "downwards", (scalar(5), scalar(0), scalar(-2))),
    Case("Range", "empty", (scalar(0), scalar(0), scalar(1))),
    Case("Relu", "floats", (MATRIX,)),
    Case("Relu", "integers", (ints(-1, 0, 2),)),
    Case("Reshape", "with a dynamic dimension", (CUBE, ints(-1, 6))),
    Case("Reshape", "to one number", (floats(1, 1), np.zeros(0, np.int32))),
    Case("Reshape", "int64 sizes", (CUBE, np.array([4, -1], np.int64))),
    reverse("time first", floats(5, 3, 2), ints(5, 2, 0), seq_dim=0, batch_dim=1),
    reverse("batch first", floats(3, 5), ints(4, 1, 3), seq_dim=1),
    reverse(
        "int64 lengths", floats(4, 2, 3), np.array([1, 3, 4], np.int64), seq_dim=0, batch_dim=2
    ),
    reverse("batch after", floats(2, 3, 4), ints(4, 2, 3), seq_dim=2, batch_dim=1),
    Case("ReverseV2", "time first", (floats(5, 3, 2), ints(0))),
    Case("ReverseV2", "from the end", (CUBE, ints(-1))),
    Case("ReverseV2", "two dimensions", (ints([1, 2, 3], [4, 5, 6]), ints(1, 0))),
    Case("ReverseV2", "no dimension", (MATRIX, np.zeros(0, np.int32))),
    Case("Rsqrt", "positive", (MATRIX**2 + np.float32(1e-6),)),
    Case("Select", "element by element", (MATRIX > 0, MATRIX, 2 * MATRIX)),
    Case("Select", "row by row", (bools(True, False, True), MATRIX, 2 * MATRIX)),
    Case("Select", "rows of a cube", (bools(False, True), CUBE, 2 * CUBE)),
    Case("Select", "a square row by row", (bools(True, False, True, False), SQUARE_A, SQUARE_B)),
    Case("Select", "a vector", (VECTOR > 0, VECTOR, 2 * VECTOR)),
    Case("Select", "all or none", (np.array(False), ints(1, 2), ints(3, 4))),
    Case("Shape", "default type", (CUBE,)),
    Case("Shape", "int64", (CUBE,), {"out_type": DataType.INT64}),
    Case("Shape", "of a scalar", (scalar(1),), {"out_type": DataType.INT32}),
    Case("Sigmoid", "small", (CUBE,)),
    Case("Sigmoid", "saturated", (floats(3, 4, scale=100.0),)),
    Case("Softmax", "matrix", (MATRIX,)),
    Case("Softmax", "three dimensions", (CUBE,)),
    Case("Softmax", "large scores", (floats(3, 4, scale=1e4),)),
    parts("columns", MATRIX, 1, 4),
    parts("last dimension of integers", ints([1, 2, 3, 4], [5, 6, 7, 8]), -1, 2),
    parts("one part", CUBE, 0, 1),
    sizes("last dimension", 2, 1, 3),
    sizes("what is left", -1, 1, -1, 1),
    sizes("an empty part", 1, 0, 3),
    Case("SquaredDifference", "broadcast", (CUBE, floats(2, 3, 1))),
    Case("StopGradient", "floats", (MATRIX,)),
    strided("plain", ints(1, 0, 2), ints(3, 5, 4), ints(1, 2, 1)),
    strided("from the end", ints(-3, 0, 0), ints(-1, -1, 9), ints(1, 1, 1)),
    strided("backwards", ints(3, 4, 5), ints(0, 0, 0), ints(-1, -2, -1)),
    strided("open begins", ints(1, 1, 1), ints(3, 3, 3), ints(1, 1, 1), begin_mask=5),
    strided("open ends", ints(1, 1, 1), ints(2, 2, 2), ints(1, 1, 1), end_mask=6),
    strided("all open", ints(0, 0, 0), ints(0, 0, 0), ints(-1, -1, 1), begin_mask=7, end_mask=7),
    strided("dropped", ints(2, -1, 0), ints(3, 0, 3), ints(1, 1, 1), shrink_axis_mask=3),
    strided("fewer than the dimensions", ints(1), ints(3), ints(1)),
    strided("dropped first", ints(2), ints(3), ints(1), shrink_axis_mask=1),
    strided("dropped and open", ints(2, 0), ints(3, 0), ints(1, 1), shrink_axis_mask=1, end_mask=2),
    strided("nothing", ints(2), ints(2), ints(1)),
    Case(
        "StridedSlice",
        "size of a shape",
        (ints(16, 1, 8), ints(0), ints(1), ints(1)),
        {"shrink_axis_mask": 1, "begin_mask": 0, "ellipsis_mask": 0, "new_axis_mask": 0},
    ),
    Case("Sub", "broadcast", (MATRIX, VECTOR)),
    Case("Tanh", "small", (CUBE,)),
    Case("Tanh", "saturated", (floats(3, 4, scale=100.0),)),
    Case("Tile", "three dimensions", (floats(2, 1, 1), ints(1, 1, 5))),
    Case("Tile", "several at once", (MATRIX, ints(2, 3))),
    Case("Transpose", "two dimensions", (MATRIX, ints(1, 0))),
    Case("Transpose", "feature windows", (floats(1, 4, 3, 2), ints(1, 0, 2, 3))),
]


@pytest.mark.tensorflow
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.op}-{case.variant}")
def test_op_computes_what_tensorflow_computes(case: Case, tensorflow: Any) -> None:
    """Shapes and types are equal, whole numbers too; floats differ by 1e-6 of the largest."""
    graph = case.graph()
    expected = run_graph(tensorflow, graph, case.feeds, case.tensors)
    actual = Evaluator(graph).run(case.feeds, case.tensors)
    for number, tensor in enumerate(case.tensors):
        found, expected_value = actual[tensor], expected[number]
        assert (found.shape, found.dtype) == (expected_value.shape, expected_value.dtype), tensor
        found, expected_value = case.defined(number, found), case.defined(number, expected_value)
        if not np.issubdtype(expected_value.dtype, np.floating):
            np.testing.assert_array_equal(found, expected_value, err_msg=tensor)
        elif expected_value.size:
            atol = TOLERANCE * float(np.abs(expected_value).max())
            np.testing.assert_allclose(found, expected_value, rtol=0, atol=atol, err_msg=tensor)


def test_every_op_is_compared() -> None:
    """The cases above leave no op out but Assert, which gives nothing and stands below."""
    assert {case.op for case in CASES} == set(OPS) - {"Assert"}


@pytest.mark.parametrize(
    ("case", "says"),
    [
        (
            Case("BiasAdd", "", (floats(1, 4, 3, 3), VECTOR), {"data_format": b"NCHW"}),
            "'node' is a BiasAdd with data_format NCHW",
        ),
        (
            lstm("", 2, 2, use_peephole=True),
            "'node' is a BlockLSTM with peepholes",
        ),
        (
            strided("", ints(0, 1), ints(0, 2), ints(1, 1), ellipsis_mask=1),
            "'node' is a StridedSlice with ellipsis_mask",
        ),
        (
            strided("", ints(0, 1), ints(0, 2), ints(1, 1), new_axis_mask=1),
            "'node' is a StridedSlice with new_axis_mask",
        ),
        (
            Case("GatherV2", "", (CUBE, ints([1], [0]), scalar(1)), {"batch_dims": 1}),
            "'node' is a GatherV2 with batch_dims",
        ),
        (
            reverse("", floats(3, 3), ints(1, 2, 3), seq_dim=0, batch_dim=0),
            "'node' is a ReverseSequence whose seq_dim and batch_dim are 0",
        ),
        (
            Case("Select", "", (bools(True), MATRIX, MATRIX)),
            r"'node' is a Select by \[1\] conditions of \[3, 4\]",
        ),
        (
            Case("Select", "", (bools(True, False, True, False), MATRIX, MATRIX)),
            r"'node' is a Select by \[4\] conditions of \[3, 4\]",
        ),
        (
            Case("Select", "", (bools(True, False, True), MATRIX, VECTOR)),
            r"'node' is a Select from \[3, 4\] and \[4\]",
        ),
        (
            sizes("", 2, 1, 2),
            r"'node' is a SplitV of 4 into \[1, 2\]",
        ),
        (
            sizes("", 2, 5, -1),
            r"'node' is a SplitV of 4 into \[5, -1\]",
        ),
        (
            sizes("", 2, 6, -1, -1),
            r"'node' is a SplitV of 4 into \[6, -1, -1\]",
        ),
    ],
    ids=lambda value: value.op if isinstance(value, Case) else "",
)
def test_attributes_that_are_not_computed_are_refused(case: Case, says: str) -> None:
    """An attribute that would change the numbers is named, never ignored."""
    with pytest.raises(ConversionError, match=f"{says}, which dsconv does not evaluate"):
        Evaluator(case.graph()).run(case.feeds, ["node"])


def test_more_steps_than_there_are() -> None:
    """As in TensorFlow."""
    case = lstm("", 2, 3)
    with pytest.raises(ConversionError, match="'node' should run 3 steps but gets 2"):
        Evaluator(case.graph()).run(case.feeds, ["node"])


def test_the_same_attributes_at_rest_are_no_reason_to_refuse() -> None:
    """Written out with the value that changes nothing, they are as if left out."""
    sliced = strided("", ints(1), ints(3), ints(1), ellipsis_mask=0, new_axis_mask=0)
    found = Evaluator(sliced.graph()).run(sliced.feeds, ["node"])["node"]
    np.testing.assert_array_equal(found, sliced.inputs[0][1:3])


@pytest.mark.parametrize("lengths", [ints(6, 2, 0), ints(5, -1, 0), ints(5, 2), ints(1, 2, 3, 4)])
def test_lengths_that_do_not_fit_are_refused(lengths: Any) -> None:
    """No sequence is longer than the input that holds it, and each has one length."""
    case = reverse("", floats(5, 3, 2), lengths, seq_dim=0, batch_dim=1)
    with pytest.raises(ConversionError, match="'node' has 3 sequences of 5 steps and .*; feed"):
        Evaluator(case.graph()).run(case.feeds, ["node"])


def checked(**attributes: int) -> Graph:
    """A number that is given out if it is above 2, and vectors that are shown if it is not."""
    return Graph(
        [
            new_node("x", "Placeholder", [], {"dtype": DataType.INT32, "shape": ()}),
            new_constant("two", scalar(2)),
            new_node("Less", "Less", ["two", "x"], {"T": DataType.INT32}),
            new_constant("text", np.array(b"too small:", object)),
            new_constant("more", ints([1, 2], [3, 4])),
            new_node("Assert", "Assert", ["Less", "text", "x", "more"], attributes),
            new_node("y", "Identity", ["x", "^Assert"], {"T": DataType.INT32}),
        ]
    )


@pytest.mark.parametrize(
    ("attributes", "shown"),
    [({}, "1 2 3..."), ({"summarize": 4}, "1 2 3 4"), ({"summarize": -1}, "1 2 3 4")],
)
def test_an_assert_stops_the_run_with_its_message(attributes: dict[str, int], shown: str) -> None:
    """It lets a run go on that it accepts; `summarize` says how many values it shows."""
    evaluator = Evaluator(checked(**attributes))
    np.testing.assert_array_equal(evaluator.run({"x": scalar(3)}, ["y"])["y"], 3)
    with pytest.raises(ConversionError) as error:
        evaluator.run({"x": scalar(2)}, ["y"])
    assert str(error.value) == (
        f"the check 'Assert' of the graph fails: [too small:] [2] [{shown}]; feed other inputs."
    )


@pytest.mark.tensorflow
def test_an_assert_says_what_tensorflow_says(tensorflow: Any) -> None:
    """The same message for texts and vectors, cut off at the same length."""

    def make(v1: Any) -> None:
        x = v1.placeholder(tensorflow.int32, [5], name="x")
        data = ["saw", x, tensorflow.cast(x, tensorflow.int64)[:3]]
        check = tensorflow.raw_ops.Assert(condition=v1.reduce_all(x >= 0), data=data, summarize=3)
        with v1.control_dependencies([check]):
            v1.identity(x, name="y")

    graph = built(tensorflow, make)
    feeds = {"x": ints(1, 2, -3, 4, 5)}
    with pytest.raises(tensorflow.errors.InvalidArgumentError) as expected:
        run_graph(tensorflow, graph, feeds, ["y"])
    (said,) = re.findall(r"assertion failed: (\[.*\])", expected.value.message)
    assert said.startswith("[saw] [1 2 -3...]")
    with pytest.raises(ConversionError, match=re.escape(f"fails: {said}; feed")):
        Evaluator(graph).run(feeds, ["y"])
