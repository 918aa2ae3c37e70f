"""A graph in other arithmetic, which shows how far the rounding of float32 moves its outputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsconv.formats.toolkits import import_tensorflow


def in_double(definition: Any) -> Any:
    """The graph with float64 in the place of float32, functions included.

    TensorFlow refuses to import it if it has an op without float64.
    """
    tf = import_tensorflow()
    single, double = tf.float32.as_datatype_enum, tf.float64.as_datatype_enum
    found = _copy(definition)
    for value in _values(found):
        if value.type == single:
            value.type = double
        for index, kind in enumerate(value.list.type):
            if kind == single:
                value.list.type[index] = double
        if value.tensor.dtype == single:
            array = tf.make_ndarray(value.tensor).astype(np.float64)
            value.tensor.CopyFrom(tf.make_tensor_proto(array, tf.float64, array.shape))
    for function in found.library.function:
        for argument in (*function.signature.input_arg, *function.signature.output_arg):
            if argument.type == single:
                argument.type = double
    return found


def moved(definition: Any, random: np.random.Generator) -> Any:
    """The graph with each weight of float32 moved to one of its neighbours."""
    tf = import_tensorflow()
    found = _copy(definition)
    for value in _values(found):
        if value.tensor.dtype == tf.float32.as_datatype_enum:
            array = neighbours(tf.make_ndarray(value.tensor), random)
            value.tensor.CopyFrom(tf.make_tensor_proto(array, tf.float32, array.shape))
    return found


def neighbours(array: NDArray[Any], random: np.random.Generator) -> NDArray[Any]:
    """Numbers beside those of an array, up or down at random.

    Whole numbers stay: they are counts and switches, and exact.
    """
    if array.dtype.kind != "f":
        return array
    up = random.integers(0, 2, array.shape).astype(bool)
    beside = np.nextafter(array, np.where(up, np.inf, -np.inf).astype(array.dtype))
    with np.errstate(invalid="ignore"):
        stays = ~np.isfinite(array) | (array == np.round(array))
    return np.where(stays, array, beside).astype(array.dtype)


def _copy(definition: Any) -> Any:
    found = type(definition)()
    found.CopyFrom(definition)
    return found


def _values(definition: Any) -> Iterator[Any]:
    """The attributes of all nodes."""
    for node in definition.node:
        yield from node.attr.values()
    for function in definition.library.function:
        for node in function.node_def:
            yield from node.attr.values()
