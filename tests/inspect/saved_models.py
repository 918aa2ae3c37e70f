"""Writes SavedModels and MetaGraphs by hand, to test their readers without TensorFlow."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dsconv.acoustic.export import ExportSettings
from dsconv.fixtures.demo_model import ALPHABET
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.tensor import Shape
from dsconv.formats.graphdef.write import graph_chunks, new_node
from dsconv.formats.storage import Span
from dsconv.speech.alphabet import Alphabet
from tests.formats.checkpoint.writer import message, number, trained_variables, write_checkpoint

# Key -> name in the graph, type, shape.
Tensors = Mapping[str, tuple[str, DataType, Shape]]

ENGLISH = Alphabet.from_file(ALPHABET)
FLOAT = {"dtype": DataType.FLOAT}
FEATURES = ("features_in:0", DataType.FLOAT, (-1, -1, 26))
SIGNATURES: Mapping[str, tuple[Tensors, Tensors]] = {
    "compute_features": (
        {"input_wavfile": ("input_wavfile_contents:0", DataType.STRING, ())},
        {"features": ("ExpandDims:0", DataType.FLOAT, None)},
    ),
    "forward_from_features": (
        {"features": FEATURES, "features_len": ("feature_lens_in:0", DataType.INT32, (-1,))},
        {"probs": ("Softmax:0", DataType.FLOAT, (-1, -1, 29))},
    ),
}
"""Those of Coqui STT's SavedModels."""


def unfrozen_graph() -> Graph:
    """The ends of a network whose weights are variables, as in Coqui STT's SavedModels."""
    variable = FLOAT | {"shape": (4, 29)}
    return Graph(
        [
            new_node("features_in", "Placeholder", (), FLOAT | {"shape": (-1, -1, 26)}),
            new_node("layer_6/weights", "VariableV2", (), variable),
            new_node(
                "layer_6/weights/read", "Identity", ["layer_6/weights"], {"T": DataType.FLOAT}
            ),
            new_node("MatMul", "MatMul", ["features_in", "layer_6/weights/read"]),
            new_node("Softmax", "Softmax", ["MatMul"], {"T": DataType.FLOAT}),
        ]
    )


def meta_graph(
    graph: Graph,
    tags: Sequence[str] = ("serve",),
    signatures: Mapping[str, tuple[Tensors, Tensors]] = SIGNATURES,
) -> bytes:
    """A serialized MetaGraphDef."""
    info = b"".join(message(4, tag.encode()) for tag in tags) + message(5, b"1.15.4")
    content = b"".join(
        bytes(chunk.view if isinstance(chunk, Span) else chunk) for chunk in graph_chunks(graph)
    )
    entries = [
        message(5, message(1, name.encode()) + message(2, signature(*sides, name)))
        for name, sides in signatures.items()
    ]
    return message(1, info) + message(2, content) + b"".join(entries)


def signature(inputs: Tensors, outputs: Tensors, method: str) -> bytes:
    sides = [
        message(field, message(1, key.encode()) + message(2, tensor_info(*tensor)))
        for field, tensors in ((1, inputs), (2, outputs))
        for key, tensor in tensors.items()
    ]
    return b"".join(sides) + message(3, method.encode())


def tensor_info(name: str, dtype: DataType, shape: Shape) -> bytes:
    return message(1, name.encode()) + number(2, dtype) + message(3, shape_message(shape))


def shape_message(shape: Shape) -> bytes:
    if shape is None:
        return number(3, 1)
    return b"".join(message(2, number(1, size % (1 << 64))) for size in shape)


def write_saved_model(folder: Path, *meta_graphs: bytes) -> Path:
    """Write the folder of a SavedModel without variables."""
    folder.mkdir()
    content = number(1, 1) + b"".join(message(2, each) for each in meta_graphs)
    (folder / "saved_model.pb").write_bytes(content)
    return folder


def write_coqui_saved_model(folder: Path, alphabet: Alphabet = ENGLISH) -> Path:
    """A SavedModel as of Coqui STT: signatures, variables, the alphabet beside."""
    write_saved_model(folder, meta_graph(unfrozen_graph()))
    (folder / "variables").mkdir()
    saved = trained_variables(ExportSettings(alphabet))
    weights = {name: value for name, value in saved.items() if f"{name}/Adam" in saved}
    write_checkpoint(folder / "variables" / "variables", weights)
    (folder / "alphabet.txt").write_bytes(b"\n".join(alphabet.labels) + b"\n")
    return folder
