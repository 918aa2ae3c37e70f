"""Compressed constants are the same as coremltools makes of them, and as documented."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from dsconv.errors import ConversionError, ModelError
from dsconv.runtime.coreml.operations import OpInfo
from dsconv.runtime.coreml.ops import compute
from tests.runtime.coreml.toolkit import converted, quiet_coremltools, saved

ROWS, COLUMNS = 96, 64
RNG = np.random.default_rng(11)
# A mean that is not zero, so that quantizing has a zero point.
WEIGHT = (RNG.normal(size=(ROWS, COLUMNS)) * 0.3 + 0.2).astype(np.float32)


def decompress(kind: str, **parameters: Any) -> Any:
    """The outputs of an operation, or the only one."""
    info = OpInfo(f"constexpr_{kind}", "out", 8, ("float32",))
    outputs = compute(info, parameters)
    return outputs[0] if len(outputs) == 1 else outputs


def numbers(values: Any, dtype: str) -> Any:
    """An array of a type."""
    return np.array(values, dtype)


def test_affine_dequantize_of_a_tensor() -> None:
    found = decompress(
        "affine_dequantize",
        quantized_data=numbers([[10, 250]], "uint8"),
        zero_point=numbers(200, "uint8"),
        scale=numbers(0.5, "float32"),
        axis=numbers(0, "int32"),
    )
    assert found.tolist() == [[-95.0, 25.0]]


def test_affine_dequantize_of_channels() -> None:
    found = decompress(
        "affine_dequantize",
        quantized_data=numbers([[-128, 127], [1, 2]], "int8"),
        zero_point=numbers([0, 1], "int8"),
        scale=numbers([2.0, 0.5], "float32"),
        axis=numbers(-1, "int32"),
    )
    assert found.tolist() == [[-256.0, 63.0], [2.0, 0.5]]


def test_lookup_in_one_table_of_ios_16() -> None:
    # Indices of 2 bits: 0, 3, 2, 1 and 3.
    found = decompress(
        "lut_to_dense",
        indices=numbers([0b01_10_11_00, 0b11], "uint8"),
        lut=numbers([1.0, 2.0, 3.0, 4.0], "float32"),
        shape=numbers([5, 1], "uint32"),
    )
    assert found.tolist() == [[1.0], [4.0], [3.0], [2.0], [4.0]]


def test_lookup_in_tables_of_groups() -> None:
    indices = numbers([[2, 3], [3, 0], [1, 0], [3, 0], [2, 1], [0, 3]], "uint8")
    tables = numbers([1, 5, 9, 13, 2, 10, 18, 26], "float32").reshape(2, 1, 4, 1)
    found = decompress("lut_to_dense", indices=indices, lut=tables)
    assert found.tolist() == [[9, 13], [13, 1], [5, 1], [26, 2], [18, 10], [2, 26]]


A0, A1, A2, B0, B1, B2 = range(1, 7)
VECTORS: list[tuple[int, Any]] = [
    (
        1,
        [
            [[A0, A0], [A1, A1], [A2, A2], [B0, A0], [B1, A1], [B2, A2]],
            [[B0, B0], [B1, B1], [B2, B2], [A0, A0], [A1, A1], [A2, A2]],
        ],
    ),
    (
        2,
        [
            [[A0, A1, A2, A0, A1, A2], [B0, B1, B2, A0, A1, A2]],
            [[B0, B1, B2, B0, B1, B2], [A0, A1, A2, A0, A1, A2]],
        ],
    ),
]


@pytest.mark.parametrize(("axis", "expected"), VECTORS)
def test_lookup_of_vectors(axis: int, expected: Any) -> None:
    found = decompress(
        "lut_to_dense",
        indices=numbers([[[0, 0], [1, 0]], [[1, 1], [0, 0]]], "uint8"),
        lut=numbers([[A0, A1, A2], [B0, B1, B2]], "int8").reshape(1, 1, 1, 2, 3),
        vector_axis=numbers(axis, "int32"),
    )
    assert found.tolist() == expected


def test_scales_and_offsets_of_blocks() -> None:
    found = decompress(
        "blockwise_shift_scale",
        data=numbers([[1, 2, 3, 4], [5, 6, 7, -8]], "int8"),
        scale=numbers([[1.0, 10.0], [0.5, 2.0]], "float32"),
        offset=numbers([[0, 1], [1, 0]], "int8"),
    )
    assert found.tolist() == [[1.0, 2.0, 20.0, 30.0], [2.0, 2.5, 14.0, -16.0]]


def test_sparse_of_ios_16() -> None:
    found = decompress(
        "sparse_to_dense",
        nonzero_data=numbers([1.5, 2.5], "float32"),
        mask=numbers([0b0_1100], "uint8"),
        shape=numbers([5], "uint32"),
    )
    assert found.tolist() == [0.0, 0.0, 1.5, 2.5, 0.0]


def test_sparse_of_ios_18() -> None:
    found = decompress(
        "sparse_to_dense",
        nonzero_data=numbers([1.5, 2.5], "float32"),
        mask=numbers([[0, 1], [1, 0]], "uint8"),
    )
    assert found.tolist() == [[0.0, 1.5], [2.5, 0.0]]


def test_sparse_lookup() -> None:
    mask, found = decompress(
        "lut_to_sparse",
        indices_mask=numbers([[1, 1, 0], [0, 0, 1]], "uint8"),
        indices_nonzero_data=numbers([0, 1, 1], "uint8"),
        lut=numbers([2.0, 3.0], "float32").reshape(1, 1, 2, 1),
    )
    assert mask.tolist() == [[1, 1, 0], [0, 0, 1]]
    assert found.tolist() == [2.0, 3.0, 3.0]


def test_sparse_lookup_of_vectors() -> None:
    mask, found = decompress(
        "lut_to_sparse",
        indices_mask=numbers([[1, 0, 1]], "uint8"),
        indices_nonzero_data=numbers([0, 1], "uint8"),
        lut=numbers([[2.0, 4.0], [3.0, 5.0]], "float32").reshape(1, 1, 2, 2),
        vector_axis=numbers(0, "int32"),
    )
    assert mask.tolist() == [[1, 0, 1], [1, 0, 1]]
    assert found.tolist() == [2.0, 3.0, 4.0, 5.0]


def test_sparse_scales() -> None:
    _, found = decompress(
        "sparse_blockwise_shift_scale",
        data_mask=numbers([[1, 1, 0], [0, 0, 1]], "uint8"),
        nonzero_data=numbers([10, 11, 7], "int8"),
        scale=numbers([[0.5, 2.0, 4.0]], "float32"),
        offset=numbers([[1, 2, 3]], "int8"),
    )
    assert found.tolist() == [4.5, 18.0, 16.0]


def test_cast_of_a_constant() -> None:
    found = decompress("cast", source_val=numbers([0.1], "float16"), output_dtype="fp32")
    assert found.tolist() == [float(np.float16(0.1))]


UINT8, FLOAT = "uint8", "float32"
DAMAGED: list[tuple[str, dict[str, Any], str]] = [
    (
        "affine_dequantize",
        {
            "quantized_data": numbers([[1, 2]], UINT8),
            "zero_point": numbers(0, UINT8),
            "scale": numbers([1.0, 1.0, 1.0], FLOAT),
            "axis": numbers(1, "int32"),
        },
        "scale of shape",
    ),
    (
        "lut_to_dense",
        {
            "indices": numbers([1], UINT8),
            "lut": numbers([1.0, 2.0, 3.0], FLOAT),
            "shape": numbers([2], "uint32"),
        },
        "do not fit its table",
    ),
    (
        "lut_to_dense",
        {
            "indices": numbers([1, 1], UINT8),
            "lut": numbers([1.0, 2.0], FLOAT),
            "shape": numbers([2], "uint32"),
        },
        "do not fit its table",
    ),
    (
        "lut_to_dense",
        {"indices": numbers([4], UINT8), "lut": numbers([[[1.0], [2.0]]], FLOAT)},
        "beyond the end of its table",
    ),
    (
        "lut_to_dense",
        {"indices": numbers([0, 1, 0], UINT8), "lut": np.ones((2, 2, 1), np.float32)},
        "has tables",
    ),
    (
        "lut_to_dense",
        {"indices": numbers([0, 1], UINT8), "lut": np.ones((1, 2, 2), np.float32)},
        "no vector_axis",
    ),
    (
        "blockwise_shift_scale",
        {"data": numbers([1, 2, 3], "int8"), "scale": numbers([1.0, 2.0], FLOAT)},
        "has scales",
    ),
    (
        "blockwise_shift_scale",
        {
            "data": numbers([1, 2], "int8"),
            "scale": numbers([1.0, 2.0], FLOAT),
            "offset": numbers([1], "int8"),
        },
        "has offsets",
    ),
    (
        "sparse_to_dense",
        {"nonzero_data": numbers([1.0], FLOAT), "mask": numbers([1, 1], UINT8)},
        "another number of values",
    ),
    (
        "sparse_to_dense",
        {
            "nonzero_data": numbers([1.0], FLOAT),
            "mask": numbers([0b1_0000_0], UINT8),
            "shape": numbers([5], "uint32"),
        },
        "mask of another size",
    ),
]


@pytest.mark.parametrize(("kind", "parameters", "reason"), DAMAGED)
def test_contradictions_are_named(kind: str, parameters: dict[str, Any], reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        decompress(kind, **parameters)


def test_unknown_compression_is_refused_by_name() -> None:
    with pytest.raises(ConversionError, match="constexpr_other"):
        decompress("other")


# The ways of coremltools to compress: the function, its options, and what the program holds then.
WAYS: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "int8 of channels": (
        "iOS16", "quantize", {"mode": "linear_symmetric"}, "affine_dequantize"),
    "int8 of the tensor": (
        "iOS16", "quantize", {"mode": "linear_symmetric", "granularity": "per_tensor"},
        "affine_dequantize"),
    "uint8 with zero points": (
        "iOS16", "quantize", {"mode": "linear", "dtype": "uint8"}, "affine_dequantize"),
    "2 bits by k-means": ("iOS16", "palettize", {"mode": "kmeans", "nbits": 2}, "lut_to_dense"),
    "4 bits by k-means": ("iOS16", "palettize", {"mode": "kmeans", "nbits": 4}, "lut_to_dense"),
    "6 bits, uniform": ("iOS16", "palettize", {"mode": "uniform", "nbits": 6}, "lut_to_dense"),
    "8 bits, uniform": ("iOS16", "palettize", {"mode": "uniform", "nbits": 8}, "lut_to_dense"),
    "pruned": ("iOS16", "prune", {"target_sparsity": 0.5}, "sparse_to_dense"),
    "int8 of channels, iOS 18": (
        "iOS18", "quantize", {"mode": "linear_symmetric"}, "blockwise_shift_scale"),
    "uint8 with offsets, iOS 18": (
        "iOS18", "quantize", {"mode": "linear", "dtype": "uint8"}, "blockwise_shift_scale"),
    "int4 of blocks": (
        "iOS18", "quantize",
        {"mode": "linear_symmetric", "dtype": "int4", "granularity": "per_block",
         "block_size": 16}, "blockwise_shift_scale"),
    "uint4 of blocks with offsets": (
        "iOS18", "quantize",
        {"mode": "linear", "dtype": "uint4", "granularity": "per_block", "block_size": 32},
        "blockwise_shift_scale"),
    "1 bit by k-means, iOS 18": (
        "iOS18", "palettize", {"mode": "kmeans", "nbits": 1}, "lut_to_dense"),
    "3 bits by k-means, iOS 18": (
        "iOS18", "palettize", {"mode": "kmeans", "nbits": 3}, "lut_to_dense"),
    "6 bits, uniform, iOS 18": (
        "iOS18", "palettize", {"mode": "uniform", "nbits": 6}, "lut_to_dense"),
    "4 bits of groups of channels": (
        "iOS18", "palettize",
        {"mode": "kmeans", "nbits": 4, "granularity": "per_grouped_channel", "group_size": 16},
        "lut_to_dense"),
    "2 bits of vectors": (
        "iOS18", "palettize", {"mode": "kmeans", "nbits": 2, "cluster_dim": 4}, "lut_to_dense"),
    "4 bits with scales of channels": (
        "iOS18", "palettize", {"mode": "kmeans", "nbits": 4, "enable_per_channel_scale": True},
        "blockwise_shift_scale"),
    "pruned, iOS 18": ("iOS18", "prune", {"target_sparsity": 0.5}, "sparse_to_dense"),
}  # fmt: skip

_CONFIGURATIONS = {
    "quantize": ("linear_quantize_weights", "OpLinearQuantizerConfig"),
    "palettize": ("palettize_weights", "OpPalettizerConfig"),
    "prune": ("prune_weights", "OpMagnitudePrunerConfig"),
}


class NearestCentre:
    """Stands in for scikit-learn's k-means: some of the points, and the nearest one for each."""

    def __init__(self, clusters: int, **_: Any) -> None:
        self._clusters = clusters

    def fit(self, points: Any, **_: Any) -> NearestCentre:
        """Choose the centres of the points [points, dimensions]."""
        chosen = np.linspace(0, len(points) - 1, self._clusters).astype(int)
        self.cluster_centers_ = points[np.lexsort(points.T)][chosen]
        distances = np.square(points[:, None] - self.cluster_centers_).sum(axis=-1)
        self.labels_ = distances.argmin(axis=1)
        return self


@pytest.fixture(autouse=True)
def k_means(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let coremltools find what it clusters weights with."""
    module = ModuleType("sklearn.cluster")
    module.KMeans = NearestCentre  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sklearn", ModuleType("sklearn"))
    monkeypatch.setitem(sys.modules, "sklearn.cluster", module)


@cache
def dense_model(toolkit: Any, target: str, precision: str) -> Any:
    """A model of one dense layer without a bias, which gives its transposed weights for ones."""
    from coremltools.converters.mil.mil import Builder

    def layer(x: Any) -> Any:
        return Builder.linear(x=x, weight=WEIGHT, name="y")

    inputs = [Builder.TensorSpec((COLUMNS, COLUMNS))]
    return converted(toolkit, layer, inputs, target, precision)


def compressed(toolkit: Any, model: Any, function: str, options: dict[str, Any]) -> Any:
    """A model with its weights compressed."""
    optimize = toolkit.optimize.coreml
    name, configuration = _CONFIGURATIONS[function]
    settings = getattr(optimize, configuration)(weight_threshold=0, **options)
    return getattr(optimize, name)(model, optimize.OptimizationConfig(settings))


def compare_with_toolkit(toolkit: Any, model: Any, path: Path, held: str) -> None:
    """What is read of a saved model is what coremltools decompresses."""
    evaluator = saved(model, path)
    kinds = {operation.op_type for operation in model._mil_program.functions["main"].operations}
    assert f"constexpr_{held}" in kinds
    found = evaluator.run({"x": np.eye(COLUMNS, dtype=np.float32)})
    dense = toolkit.optimize.coreml.decompress_weights(model)
    (metadata,) = toolkit.optimize.coreml.get_weights_metadata(dense).values()
    expected = metadata.val
    assert np.abs(expected - WEIGHT).max() > 0
    (weight,) = (value for value in found.values())
    np.testing.assert_array_equal(weight.T, expected)


@pytest.mark.parametrize("precision", ["FLOAT32", "FLOAT16"])
@pytest.mark.parametrize("way", WAYS)
def test_weights_are_what_coremltools_decompresses(
    way: str, precision: str, tmp_path: Path
) -> None:
    target, function, options, held = WAYS[way]
    with quiet_coremltools() as toolkit:
        model = compressed(toolkit, dense_model(toolkit, target, precision), function, options)
        compare_with_toolkit(toolkit, model, tmp_path / "m.mlpackage", held)


@pytest.mark.parametrize(
    ("function", "options", "held"),
    [
        ("quantize", {"mode": "linear_symmetric"}, "sparse_blockwise_shift_scale"),
        ("palettize", {"mode": "kmeans", "nbits": 4}, "lut_to_sparse"),
    ],
)
def test_weights_that_are_sparse_and_compressed(
    function: str, options: dict[str, Any], held: str, tmp_path: Path
) -> None:
    with quiet_coremltools() as toolkit:
        optimize = toolkit.optimize.coreml
        model = dense_model(toolkit, "iOS18", "FLOAT32")
        pruned = compressed(toolkit, model, "prune", {"target_sparsity": 0.5})
        name, configuration = _CONFIGURATIONS[function]
        settings = getattr(optimize, configuration)(weight_threshold=0, **options)
        model = getattr(optimize, name)(
            pruned, optimize.OptimizationConfig(settings), joint_compression=True
        )
        compare_with_toolkit(toolkit, model, tmp_path / "m.mlpackage", held)
