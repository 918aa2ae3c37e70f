"""A user's own inputs for the check, from an .npz with an array for each input of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dsconv.errors import ConversionError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dsconv.convert.toolkit.calls import Arrays
    from dsconv.runtime.model import TensorSpec


def read_inputs(path: Path, inputs: Sequence[TensorSpec]) -> Arrays:
    """The arrays in the order of the inputs.

    Raises ConversionError for what is no .npz, and where names, shapes or types do not fit.
    """
    arrays = _read(path)
    expected = [given.name for given in inputs]
    for name in expected:
        if name not in arrays:
            raise ConversionError(
                f"{path} has no array '{name}', but {_listed(arrays)}; it needs one for each of "
                f"{_listed(expected)}."
            )
    for name in arrays:
        if name not in expected:
            raise ConversionError(
                f"{path} has an array '{name}', which is no input; the inputs are "
                f"{_listed(expected)}."
            )
    return [_fitting(path, arrays[given.name], given) for given in inputs]


def _read(path: Path) -> dict[str, NDArray[np.generic]]:
    import numpy as np

    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as loaded:
            return {name: loaded[name] for name in loaded.files}
    except Exception as error:  # numpy raises whatever a damaged file leads it to.
        raise ConversionError(
            f"{path} is no .npz of arrays ({type(error).__name__}); write one with numpy.savez."
        ) from error


def _fitting(path: Path, array: NDArray[np.generic], given: TensorSpec) -> NDArray[np.generic]:
    """An array in the type of its input, if that keeps its kind and its integers."""
    import numpy as np

    shape, kind = given.shape or (), np.dtype(given.dtype)
    sizes = zip(array.shape, shape, strict=False)
    if array.ndim != len(shape) or any(size not in (actual, -1) for actual, size in sizes):
        raise ConversionError(
            f"{path}: '{given.name}' has shape {list(array.shape)} where {_dimensions(shape)} is "
            "expected."
        )
    found = array.astype(kind) if np.can_cast(array.dtype, kind, "same_kind") else None
    if found is None or (kind.kind in "iu" and not np.array_equal(found, array)):
        raise ConversionError(
            f"{path}: '{given.name}' is of {array.dtype.name} where {kind.name} is expected."
        )
    return found


def _dimensions(shape: Sequence[int]) -> str:
    return f"[{', '.join('?' if size < 0 else str(size) for size in shape)}]"


def _listed(names: object) -> str:
    return ", ".join(map(str, names)) or "nothing"  # type: ignore[call-overload]
