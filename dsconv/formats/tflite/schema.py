"""The tables of a TFLite file, what marks it, and what numbers in it stand for.

Fields that dsconv neither reads nor writes are not declared.

Source: ``schema.fbs`` of TensorFlow Lite.
"""

from __future__ import annotations

from collections.abc import Mapping

from dsconv.formats.tflite.flatbuffer import (
    Float32,
    Int8,
    Int32,
    Int64,
    Table,
    Uint8,
    Uint32,
    field,
)

VERSION = 3
"""The version of the schema."""

IDENTIFIER = b"TFL3"
"""What makes a flatbuffer a TFLite file."""

TYPES = {
    0: ("float32", 4),
    1: ("float16", 2),
    2: ("int32", 4),
    3: ("uint8", 1),
    4: ("int64", 8),
    5: ("string", 0),
    6: ("bool", 1),
    7: ("int16", 2),
    9: ("int8", 1),
    10: ("float64", 8),
}
"""The types of tensors by their numbers: the name and the bytes of an element."""

OPS = """
    ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE
    EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D
    LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1
    RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS
    SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER
    BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE
    UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT
    LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG
    PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE
    EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT REDUCE_PROD
    REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV
    REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU
    SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE
    RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE
    NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM
    BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D
    IMAG REAL COMPLEX_ABS HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL
    CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS
    RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE
    RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM ATAN2
    UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT STABLEHLO_LOGISTIC STABLEHLO_ADD
    STABLEHLO_DIVIDE STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM STABLEHLO_RESHAPE STABLEHLO_CLAMP
    STABLEHLO_CONCATENATE STABLEHLO_BROADCAST_IN_DIM STABLEHLO_CONVOLUTION STABLEHLO_SLICE
    STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE STABLEHLO_ABS STABLEHLO_AND STABLEHLO_COSINE
    STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR STABLEHLO_LOG STABLEHLO_MINIMUM STABLEHLO_NEGATE
    STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER STABLEHLO_RSQRT STABLEHLO_SELECT
    STABLEHLO_SUBTRACT STABLEHLO_TANH STABLEHLO_SCATTER STABLEHLO_COMPARE STABLEHLO_CONVERT
    STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE STABLEHLO_PAD STABLEHLO_IOTA
    STABLEHLO_DOT_GENERAL STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT STABLEHLO_WHILE
    STABLEHLO_GATHER STABLEHLO_TRANSPOSE DILATE STABLEHLO_RNG_BIT_GENERATOR REDUCE_WINDOW
    STABLEHLO_COMPOSITE STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT STABLEHLO_CASE
""".split()
"""The builtin ops, in the order of their numbers."""


class Model(Table):
    """The whole file. The first subgraph is the one that is run."""

    version: Uint32 = field(0)
    operator_codes: list[OperatorCode] = field(1)
    subgraphs: list[SubGraph] = field(2)
    description: str = field(3)
    buffers: list[Buffer] = field(4)
    metadata: list[Metadata] = field(6)


class OperatorCode(Table):
    """An op that a model uses, in one of its versions."""

    # The only one before TensorFlow 2.4; it ends at PLACEHOLDER_FOR_GREATER_OP_CODES.
    deprecated_builtin_code: Int8 = field(0)
    custom_code: str = field(1)
    version: Int32 = field(2)
    builtin_code: Int32 = field(3)


class SubGraph(Table):
    """A function: what it takes, computes and gives."""

    tensors: list[Tensor] = field(0)
    inputs: list[Int32] = field(1)
    outputs: list[Int32] = field(2)
    operators: list[Operator] = field(3)
    name: str = field(4)


class Tensor(Table):
    """A value in a subgraph. `shape_signature` has -1 for dynamic dimensions, if there are any."""

    shape: list[Int32] = field(0)
    type: Int8 = field(1)
    buffer: Uint32 = field(2)
    name: str = field(3)
    quantization: QuantizationParameters | None = field(4)
    shape_signature: list[Int32] = field(7)
    has_rank: bool = field(8)


class QuantizationParameters(Table):
    """What the integers of a tensor stand for: (value - zero point) * scale."""

    scale: list[Float32] = field(2)
    zero_point: list[Int64] = field(3)


class Operator(Table):
    """An op between tensors, which are known by their indices; -1 is an input that is left out.

    `builtin_options` is one of the tables of OPTIONS, `builtin_options_type` the number of it.
    """

    opcode_index: Uint32 = field(0)
    inputs: list[Int32] = field(1)
    outputs: list[Int32] = field(2)
    builtin_options_type: Uint8 = field(3)
    builtin_options: Table | None = field(4)
    custom_options: memoryview = field(5)


class Buffer(Table):
    """The bytes of a constant; the first buffer of a model is empty."""

    # Runtimes map the file and hand the weights to kernels that want them so.
    data: memoryview = field(0, alignment=16)


class Metadata(Table):
    """A text beside the graph, which stands in a buffer."""

    name: str = field(0)
    buffer: Uint32 = field(1)


def _options(number: int, **fields: tuple[int, str]) -> tuple[int, type[Table]]:
    """The number of a table of options in the union of all, and the table itself."""
    declared = {name: field(index, kind) for name, (index, kind) in fields.items()}
    return number, type("Options", (Table,), declared)


OPTIONS: Mapping[str, tuple[int, type[Table]]] = {
    "ADD": _options(11),
    "CONCATENATION": _options(10, axis=(0, "Int32")),
    "DEQUANTIZE": _options(38),
    "FULLY_CONNECTED": _options(8, fused_activation_function=(0, "Int8")),
    "GATHER": _options(23, axis=(0, "Int32")),
    "IF": _options(92, then_subgraph_index=(0, "Int32"), else_subgraph_index=(1, "Int32")),
    "LESS": _options(41),
    "MAXIMUM": _options(39),
    "MEAN": _options(27, keep_dims=(0, "bool")),
    "MINIMUM": _options(39),
    "MUL": _options(21),
    "PACK": _options(59, values_count=(0, "Int32"), axis=(1, "Int32")),
    "PAD": _options(22),
    "RANGE": _options(73),
    "RESHAPE": _options(17, new_shape=(0, "list[Int32]")),
    "REVERSE_V2": _options(81),
    "SELECT": _options(47),
    "SHAPE": _options(55, out_type=(0, "Int8")),
    "SOFTMAX": _options(9, beta=(0, "Float32")),
    "SPLIT": _options(35, num_splits=(0, "Int32")),
    "SQUARED_DIFFERENCE": _options(76),
    "STRIDED_SLICE": _options(32, end_mask=(1, "Int32"), shrink_axis_mask=(4, "Int32")),
    "SUB": _options(28),
    "WHILE": _options(93, cond_subgraph_index=(0, "Int32"), body_subgraph_index=(1, "Int32")),
    "ZEROS_LIKE": _options(67),
}
"""The options of the ops that dsconv reads or writes, where they have some."""
