"""Core ML's messages: a model, what it says about itself, and its MIL program.

Source: ``Model.proto``, ``FeatureTypes.proto`` and ``MIL.proto``, whose names these are.
"""

# ruff: noqa: N815

from __future__ import annotations

from dsconv.formats.coreml.network_schema import NeuralNetwork as NeuralNetwork
from dsconv.formats.protobuf.schema import Enum, Int32, Int64, TypedMessage, field
from dsconv.formats.storage import Span


class Model(TypedMessage):
    """A file. One more field holds the model itself; dsconv reads two kinds of it."""

    specificationVersion: Int32 = field(1)
    description: ModelDescription = field(2)
    neuralNetwork: NeuralNetwork = field(500)
    mlProgram: Program = field(502)


FIRST_KIND = 200
"""The fields of a Model from here on are those of its kinds."""

OTHER_KINDS = {
    200: "pipeline with a classifier",
    201: "pipeline with a regressor",
    202: "pipeline",
    300: "linear regressor",
    301: "support vector regressor",
    302: "tree ensemble regressor",
    303: "neural network regressor",
    304: "Bayesian probit regressor",
    400: "linear classifier",
    401: "support vector classifier",
    402: "tree ensemble classifier",
    403: "neural network classifier",
    404: "nearest neighbors classifier",
    501: "item similarity recommender",
    555: "custom model",
    556: "linked model",
    560: "class confidence thresholding",
    600: "one-hot encoder",
    601: "imputer",
    602: "feature vectorizer",
    603: "dictionary vectorizer",
    604: "scaler",
    606: "categorical mapping",
    607: "normalizer",
    609: "array feature extractor",
    610: "non-maximum suppression",
    900: "identity",
    2000: "text classifier",
    2001: "word tagger",
    2002: "vision feature print",
    2003: "sound analysis preprocessing",
    2004: "gazetteer",
    2005: "word embedding",
    2006: "audio feature print",
    3000: "serialized model",
}
"""The kinds that dsconv does not read, in words, by their fields in a Model."""


class ModelDescription(TypedMessage):
    """The interface of a model; one of several functions has it in each of them."""

    input: list[FeatureDescription] = field(1)
    output: list[FeatureDescription] = field(10)
    state: list[FeatureDescription] = field(13)
    functions: list[FunctionDescription] = field(20)
    defaultFunctionName: str = field(21)
    metadata: Metadata = field(100)


class FunctionDescription(TypedMessage):
    """The interface of a function."""

    name: str = field(1)
    input: list[FeatureDescription] = field(2)
    output: list[FeatureDescription] = field(3)
    state: list[FeatureDescription] = field(6)


class Metadata(TypedMessage):
    """What people say about a model, and its user-defined properties."""

    shortDescription: str = field(1)
    versionString: str = field(2)
    author: str = field(3)
    license: str = field(4)
    userDefined: dict[str, str] = field(100)


class FeatureDescription(TypedMessage):
    """An input, output or state."""

    name: str = field(1)
    type: FeatureType = field(3)


class FeatureType(TypedMessage):
    """The type of a feature: an array, a state that is one, or something that dsconv skips."""

    multiArrayType: ArrayFeatureType = field(5)
    stateType: StateFeatureType = field(8)


class StateFeatureType(TypedMessage):
    """The type of a state."""

    arrayType: ArrayFeatureType = field(1)


class ArrayFeatureType(TypedMessage):
    """The usual shape of an array, its type, and the other shapes that it may have."""

    shape: list[Int64] = field(1)
    dataType: Enum = field(2)
    enumeratedShapes: EnumeratedShapes = field(21)
    shapeRange: ShapeRange = field(31)


class EnumeratedShapes(TypedMessage):
    """All shapes that are allowed."""

    shapes: list[Shape] = field(1)


class Shape(TypedMessage):
    """A shape."""

    shape: list[Int64] = field(1)


class ShapeRange(TypedMessage):
    """The sizes that are allowed, for each dimension."""

    sizeRanges: list[SizeRange] = field(1)


class SizeRange(TypedMessage):
    """The least and the largest size of a dimension; -1: no limit."""

    lowerBound: Int64 = field(1)
    upperBound: Int64 = field(2)


ARRAY_TYPES = {
    65568: "float32",
    65600: "float64",
    131104: "int32",
    131080: "int8",
    65552: "float16",
}
"""ArrayFeatureType.ArrayDataType."""


class Program(TypedMessage):
    """A MIL program."""

    functions: dict[str, Function] = field(2)


class Function(TypedMessage):
    """A function: its inputs, the opset it is written in, and its block for that opset."""

    inputs: list[NamedValueType] = field(1)
    opset: str = field(2)
    block_specializations: dict[str, Block] = field(3)


class Block(TypedMessage):
    """Operations in the order in which they run."""

    inputs: list[NamedValueType] = field(1)
    outputs: list[str] = field(2)
    operations: list[Operation] = field(3)


class Operation(TypedMessage):
    """One operation; its name is an attribute."""

    type: str = field(1)
    inputs: dict[str, Argument] = field(2)
    outputs: list[NamedValueType] = field(3)
    blocks: list[Block] = field(4)
    attributes: dict[str, Value] = field(5)


class Argument(TypedMessage):
    """What an input is bound to, which may be several values."""

    arguments: list[Binding] = field(1)


class Binding(TypedMessage):
    """The name of a value, or a constant."""

    name: str = field(1)
    value: Value = field(2)


class NamedValueType(TypedMessage):
    """A value that an operation makes, or that comes in."""

    name: str = field(1)
    type: ValueType = field(2)


class ValueType(TypedMessage):
    """The type of a value: a tensor, a state, or something else."""

    tensorType: TensorType = field(1)
    stateType: StateType = field(5)


class StateType(TypedMessage):
    """The type of a state: that of what it holds."""

    wrappedType: ValueType = field(1)


class TensorType(TypedMessage):
    """The type of a tensor."""

    dataType: Enum = field(1)
    dimensions: list[Dimension] = field(3)


class Dimension(TypedMessage):
    """A dimension of a fixed size, or a dynamic one."""

    constant: ConstantDimension = field(1)
    unknown: UnknownDimension = field(2)


class ConstantDimension(TypedMessage):
    """A fixed size."""

    size: Int64 = field(1)


class UnknownDimension(TypedMessage):
    """A dynamic dimension, or any number of them."""

    variadic: bool = field(1)


DATA_TYPES = {
    1: "bool",
    2: "string",
    10: "float16",
    11: "float32",
    12: "float64",
    13: "bfloat16",
    21: "int8",
    22: "int16",
    23: "int32",
    24: "int64",
    25: "int4",
    31: "uint8",
    32: "uint16",
    33: "uint32",
    34: "uint64",
    35: "uint4",
    36: "uint2",
    37: "uint1",
    38: "uint6",
    39: "uint3",
}
"""DataType: the types of a tensor's elements."""


class Value(TypedMessage):
    """A constant: in the program itself, or in a file of weights."""

    type: ValueType = field(2)
    immediateValue: ImmediateValue = field(3)
    blobFileValue: BlobFileValue = field(5)


class ImmediateValue(TypedMessage):
    """A constant in the program itself."""

    tensor: TensorValue = field(1)
    tuple: Values = field(2)
    list: Values = field(3)


class Values(TypedMessage):
    """The values of a list or a tuple."""

    values: list[Value] = field(1)


class BlobFileValue(TypedMessage):
    """The file of weights that holds a constant, and the position of its header there."""

    fileName: str = field(1)
    offset: Int64 = field(2)


class TensorValue(TypedMessage):
    """The elements of a tensor: one of these fields."""

    floats: RepeatedBytes = field(1)
    ints: RepeatedIntegers = field(2)
    bools: RepeatedIntegers = field(3)
    strings: RepeatedStrings = field(4)
    longInts: RepeatedIntegers = field(5)
    doubles: RepeatedBytes = field(6)
    bytes: RepeatedBytes = field(7)


class RepeatedIntegers(TypedMessage):
    """Integers or truth values."""

    values: list[Int64] = field(1)


class RepeatedStrings(TypedMessage):
    """Texts."""

    values: list[str] = field(1)


class RepeatedBytes(TypedMessage):
    """Elements as they lie in memory: floats, which may come in pieces, or bytes."""

    values: list[Span] = field(1)
