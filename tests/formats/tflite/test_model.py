"""A TFLite file is read as tensors and operators, whose values stay in the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dsconv.errors import ModelError
from dsconv.formats.tflite.flatbuffer import packed
from dsconv.formats.tflite.model import open_tflite
from dsconv.formats.tflite.schema import (
    IDENTIFIER,
    OPS,
    OPTIONS,
    Buffer,
    Metadata,
    Model,
    Operator,
    OperatorCode,
    QuantizationParameters,
    SubGraph,
    Tensor,
)

WEIGHTS = np.arange(6, dtype=np.int8)


def model(**changes: object) -> Model:
    """A SPLIT of a constant in the main subgraph, a custom op in another."""
    number, options = OPTIONS["SPLIT"]
    split = Operator(
        inputs=[-1, 0],
        outputs=[1],
        builtin_options_type=number,
        builtin_options=options(num_splits=3),
    )
    constant = Tensor(
        name="w",
        type=9,
        shape=[2, 3],
        buffer=1,
        quantization=QuantizationParameters(scale=[0.5], zero_point=[0]),
    )
    parts = {
        "description": "by hand",
        "operator_codes": [
            OperatorCode(deprecated_builtin_code=OPS.index("SPLIT")),
            OperatorCode(builtin_code=OPS.index("CUSTOM"), custom_code="Mfcc"),
        ],
        "subgraphs": [
            SubGraph(
                name="main",
                tensors=[constant, Tensor(name="y", shape=[1, 3], shape_signature=[-1, 3])],
                inputs=[],
                outputs=[1],
                operators=[split],
            ),
            SubGraph(tensors=[], operators=[Operator(opcode_index=1, inputs=[], outputs=[])]),
        ],
        "buffers": [
            Buffer(),
            Buffer(data=memoryview(WEIGHTS.tobytes())),
            Buffer(data=memoryview(b"value")),
        ],
        "metadata": [Metadata(name="key", buffer=2)],
    }
    return Model(**{**parts, **changes})


def written(folder: Path, content: Model) -> Path:
    """The file of a model."""
    path = folder / "a.tflite"
    path.write_bytes(packed(content, IDENTIFIER, 0))
    return path


def test_tensors_and_operators(tmp_path: Path) -> None:
    """Constants by name with type, shape and bytes; operators with their tensors and options."""
    with open_tflite(written(tmp_path, model())) as found:
        (constant,) = found.main.constants
        assert (constant.name, constant.dtype, constant.shape) == ("w", "int8", (2, 3))
        assert (constant.scales, constant.zero_points) == ([0.5], [0])
        np.testing.assert_array_equal(np.frombuffer(constant.data, np.int8), WEIGHTS)
        (split,) = found.main.operators
        assert (split.kind, split.inputs, dict(split.options)) == (
            "SPLIT",
            (None, constant),
            {"num_splits": 3},
        )
        assert split.outputs == tuple(found.main.outputs)
        assert [tensor.shape for tensor in found.main.outputs] == [(-1, 3)]
        assert [each.kind for each in found.subgraphs[1].operators] == ["Mfcc"]
        assert (found.description, found.metadata) == ("by hand", {"key": b"value"})


@pytest.mark.parametrize("changes", [{"buffers": []}, {"operator_codes": []}, {"subgraphs": []}])
def test_what_is_missing_is_damage(changes: dict[str, object], tmp_path: Path) -> None:
    """A buffer, an op or the main subgraph."""
    with (
        pytest.raises(ModelError, match="damaged"),
        open_tflite(written(tmp_path, model(**changes))) as found,
    ):
        assert found.main
