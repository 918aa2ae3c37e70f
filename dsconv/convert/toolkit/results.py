"""Ops that give several tensors: the type of each, as TensorFlow registers them.

Source: ``tensorflow/core/ops``.
"""

from __future__ import annotations

from collections.abc import Callable

from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.node import Node

_FLOAT, _INT32, _INT64 = DataType.FLOAT, DataType.INT32, DataType.INT64


def results_of(node: Node) -> list[DataType] | None:
    """The types of the results of a node that gives several; None where they are not known."""
    rule = _RULES.get(node.op)
    return rule(node) if rule else None


def gives_several(node: Node) -> bool:
    """Whether a node has several results; True where their number is not known.

    An op that is not in the tables has one, or as a batch's normalisation one that is of use after
    the training.
    """
    if node.op in _UNKNOWN:
        return True
    rule = _RULES.get(node.op)
    return rule is not None and len(rule(node)) > 1


def _of(node: Node, key: str, default: DataType = _INT32) -> DataType:
    """A type that a node holds; `default` is TensorFlow's for a key that may be left out."""
    return node.attribute(key, DataType) if key == "T" else node.attribute_or(key, default)


def _some(node: Node, key: str) -> list[DataType]:
    return [_of(node, "T")] * node.attribute(key, int)


_RULES: dict[str, Callable[[Node], list[DataType]]] = {
    "BlockLSTM": lambda node: [_of(node, "T")] * 7,
    "BlockLSTMV2": lambda node: [_of(node, "T")] * 7,
    "CombinedNonMaxSuppression": lambda _: [_FLOAT, _FLOAT, _FLOAT, _INT32],
    "CTCGreedyDecoder": lambda node: [
        *[_INT64] * 3,
        node.attribute_or("T", _FLOAT),
    ],
    "CTCLoss": lambda node: [node.attribute_or("T", _FLOAT)] * 2,
    "GRUBlockCell": lambda node: [_of(node, "T")] * 4,
    "ListDiff": lambda node: [_of(node, "T"), _of(node, "out_idx")],
    "LogMatrixDeterminant": lambda node: [_of(node, "T")] * 2,
    "LSTMBlockCell": lambda node: [_of(node, "T")] * 7,
    "MaxPoolWithArgmax": lambda node: [_of(node, "T"), _of(node, "Targmax", _INT64)],
    "Merge": lambda node: [_of(node, "T"), _INT32],
    "NonMaxSuppressionV4": lambda _: [_INT32, _INT32],
    "NonMaxSuppressionV5": lambda node: [_INT32, node.attribute_or("T", _FLOAT), _INT32],
    "Qr": lambda node: [_of(node, "T")] * 2,
    "SelfAdjointEigV2": lambda node: [_of(node, "T")] * 2,
    "SoftmaxCrossEntropyWithLogits": lambda node: [_of(node, "T")] * 2,
    "SparseSoftmaxCrossEntropyWithLogits": lambda node: [_of(node, "T")] * 2,
    "Split": lambda node: _some(node, "num_split"),
    "SplitV": lambda node: _some(node, "num_split"),
    "Svd": lambda node: [_of(node, "T")] * 3,
    "Switch": lambda node: [_of(node, "T")] * 2,
    "TopK": lambda node: [_of(node, "T"), _INT32],
    "TopKV2": lambda node: [_of(node, "T"), _of(node, "index_type")],
    "Unique": lambda node: [_of(node, "T"), _of(node, "out_idx")],
    "UniqueV2": lambda node: [_of(node, "T"), _of(node, "out_idx")],
    "UniqueWithCounts": lambda node: [_of(node, "T"), *[_of(node, "out_idx")] * 2],
    "UniqueWithCountsV2": lambda node: [_of(node, "T"), *[_of(node, "out_idx")] * 2],
    "Unpack": lambda node: _some(node, "num"),
}

# Their results are counted by lists of types, or are of no use one by one.
_UNKNOWN = frozenset(
    "Batch Case CTCBeamSearchDecoder CTCLossV2 DecodeCSV DynamicPartition Eig For "
    "FractionalAvgPool FractionalMaxPool GenerateBoundingBoxProposals IdentityN If Lu "
    "NearestNeighbors ParseExample ParseExampleV2 ParseSingleExample PartitionedCall QuantizeV2 "
    "RaggedRange RaggedTensorToSparse SampleDistortedBoundingBox SampleDistortedBoundingBoxV2 "
    "ShapeN SparseAdd SparseConcat SparseFillEmptyRows SparseReorder SparseReshape SparseSlice "
    "SparseSplit StatefulPartitionedCall StatelessCase StatelessIf StatelessWhile StringSplit "
    "StringSplitV2 TensorListConcat TensorListConcatV2 TensorListPopBack TPUPartitionedCall "
    "UnicodeDecode While".split()
)
