"""Write the graph that the exporters in the table of versions write, without TensorFlow.

The nodes have the exporter's names, order, ops, attributes and devices, so that the original
runtimes open the result and its size is the exporter's to the byte.

Source: `create_inference_graph` in DeepSpeech 0.9.3's training code, as TensorFlow 1.15 freezes it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from dsconv.acoustic.versions import DEFAULT_EXPORTER, PLACEHOLDER_LANGUAGE, Exporter
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import LIBRARY, NODE, VERSIONS
from dsconv.formats.graphdef.steps import DYNAMIC
from dsconv.formats.graphdef.tensor import Tensor
from dsconv.formats.graphdef.write import constant_chunks, new_constant, new_node
from dsconv.formats.protobuf import wire
from dsconv.formats.storage import Chunk
from dsconv.speech.alphabet import Alphabet
from dsconv.speech.settings import window_samples

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Weight: TypeAlias = NDArray[np.float32] | Tensor

LSTM = "cudnn_lstm/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell"
"""Scope of the LSTM's weights and nodes."""

# The defaults of TensorFlow's Mfcc op, which all exporters leave as they are.
_MEL_CHANNELS = 40
_LOWEST_FREQUENCY = 20.0
# That of tf.contrib.layers.layer_norm.
_NORM_EPSILON = 1e-12
# TensorFlow writes a tensor of zeros as a Fill from this many elements on.
_FILL_ELEMENTS = 1000


@dataclass(frozen=True)
class ExportSettings:
    """What an exporter is told beside the weights. Windows are in milliseconds.

    `n_steps` is -1 for any number of frames a call. No `language` is written if it is None.
    """

    alphabet: Alphabet
    n_steps: int = 16
    sample_rate: int = 16000
    feature_win_len: int = 32
    feature_win_step: int = 20
    n_context: int = 9
    n_input: int = 26
    relu_clip: float = 20.0
    beam_width: int = 500
    language: str | None = PLACEHOLDER_LANGUAGE
    batch_size: int = 1
    layer_norm: bool = False
    exporter: Exporter = DEFAULT_EXPORTER

    @property
    def window_values(self) -> int:
        """Numbers in one input frame: its own features and those of the context around it."""
        return (2 * self.n_context + 1) * self.n_input


def weight_shapes(n_hidden: int, settings: ExportSettings) -> dict[str, tuple[int, ...]]:
    """The weights that `export_chunks` takes, by name, in the order of the graph."""
    classes = len(settings.alphabet.labels) + 1
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, rows, columns in (
        ("layer_1", settings.window_values, n_hidden),
        ("layer_2", n_hidden, n_hidden),
        ("layer_3", n_hidden, n_hidden),
        (LSTM, 2 * n_hidden, 4 * n_hidden),
        ("layer_5", n_hidden, n_hidden),
        ("layer_6", n_hidden, classes),
    ):
        matrix = "kernel" if layer == LSTM else "weights"
        shapes |= {f"{layer}/bias": (columns,), f"{layer}/{matrix}": (rows, columns)}
        if settings.layer_norm and layer not in (LSTM, "layer_6"):
            shapes |= dict.fromkeys(norm_weights(layer), (columns,))
    return shapes


def norm_weights(layer: str) -> tuple[str, str]:
    """The names of the weights of a layer's normalization: its offset and its scale."""
    return f"{layer}/LayerNorm/beta", f"{layer}/LayerNorm/gamma"


def export_chunks(weights: Mapping[str, Weight], settings: ExportSettings) -> Iterator[Chunk]:
    """The serialized graph. `weights` are in float32, by the names of `weight_shapes`.

    A tensor on a mapped file stays there until its chunk is written. The LSTM's gate columns are
    i, c, f, o, its rows the input's and then the state's.
    """
    writer = _GraphWriter(weights, settings)
    for node in writer.nodes():
        yield from wire.nested(NODE, node)
    # An empty library and empty versions close the exporter's files.
    yield from (*wire.nested(LIBRARY, []), *wire.nested(VERSIONS, []))


# Nodes to write, and then the name of the tensor that they make.
_NodesAndOutput: TypeAlias = Generator[list[Chunk], None, str]


class _GraphWriter:
    """Makes the nodes one after the other; each is a list of chunks."""

    def __init__(self, weights: Mapping[str, Weight], settings: ExportSettings) -> None:
        self.weights = weights
        self.settings = settings
        self.batch = settings.batch_size
        (self.n_hidden,) = weights["layer_1/bias"].shape
        self.classes = len(settings.alphabet.labels) + 1

    def nodes(self) -> Iterator[list[Chunk]]:
        yield from self.front_end()
        yield from self.inputs()
        source = "Reshape_1"
        for number, layer in enumerate(("layer_1", "layer_2", "layer_3")):
            source = yield from self.clipped_layer(layer, number, source)
        yield from self.reshape("Reshape_2", source, [-1, self.batch, self.n_hidden])
        yield from self.lstm("Reshape_2")
        yield from self.reshape("Reshape_3", f"{LSTM}/mul", [-1, self.n_hidden])
        source = yield from self.clipped_layer("layer_5", 3, "Reshape_3")
        scores = yield from self.layer("layer_6", 4, source)
        yield from self.reshape("raw_logits", scores, [-1, self.batch, self.classes])
        yield self.node("logits", "Softmax", ["raw_logits"])
        yield self.node("new_state_c", "Identity", [f"{LSTM}/GatherNd"])
        yield self.node("new_state_h", "Identity", [f"{LSTM}/GatherNd_1"])
        yield from self.metadata()

    def front_end(self) -> Iterator[list[Chunk]]:
        """Samples to MFCCs."""
        settings = self.settings
        window, stride = (
            window_samples(settings.sample_rate, milliseconds)
            for milliseconds in (settings.feature_win_len, settings.feature_win_step)
        )
        yield self.placeholder("input_samples", DataType.FLOAT, (window,))
        yield from self.expand_dims("ExpandDims", "input_samples", -1)
        spectrogram = {"magnitude_squared": True, "stride": stride, "window_size": window}
        yield _node("AudioSpectrogram", "AudioSpectrogram", ["ExpandDims"], spectrogram)
        yield self.integers("Mfcc/sample_rate", settings.sample_rate)
        mfcc = {
            "dct_coefficient_count": settings.n_input,
            "filterbank_channel_count": _MEL_CHANNELS,
            "lower_frequency_limit": _LOWEST_FREQUENCY,
            "upper_frequency_limit": settings.exporter.filter_limit or settings.sample_rate / 2,
        }
        yield _node("Mfcc", "Mfcc", ["AudioSpectrogram", "Mfcc/sample_rate"], mfcc)
        yield from self.reshape("Reshape", "Mfcc", [-1, settings.n_input])
        yield self.node("mfccs", "Identity", ["Reshape"])

    def inputs(self) -> Iterator[list[Chunk]]:
        """The network's inputs; the windows come out flat, time first."""
        settings = self.settings
        windows = (self.batch, settings.n_steps, 2 * settings.n_context + 1, settings.n_input)
        yield self.placeholder("input_node", DataType.FLOAT, windows)
        yield self.placeholder("input_lengths", DataType.INT32, (self.batch,))
        yield self.placeholder("previous_state_c", DataType.FLOAT, (self.batch, self.n_hidden))
        yield self.placeholder("previous_state_h", DataType.FLOAT, (self.batch, self.n_hidden))
        yield from self.transpose("transpose", "input_node", [1, 0, 2, 3])
        yield from self.reshape("Reshape_1", "transpose", [-1, settings.window_values])

    def layer(self, layer: str, number: int, source: str) -> _NodesAndOutput:
        """A dense layer; returns the name of its output."""
        for weight in (f"{layer}/bias", f"{layer}/weights"):
            yield from self.variable(weight, "/device:CPU:0")
        matmul, biased = _numbered("MatMul", number), _numbered("BiasAdd", number)
        transposed = {"transpose_a": False, "transpose_b": False}
        yield self.node(matmul, "MatMul", [source, f"{layer}/weights/read"], **transposed)
        yield self.node(biased, "BiasAdd", [matmul, f"{layer}/bias/read"], data_format=b"NHWC")
        return biased

    def clipped_layer(self, layer: str, number: int, source: str) -> _NodesAndOutput:
        """A dense layer with a clipped ReLU, normalized if asked; returns its output's name."""
        biased = yield from self.layer(layer, number, source)
        relu, minimum = _numbered("Relu", number), _numbered("Minimum", number)
        yield self.node(relu, "Relu", [biased])
        yield self.constant(f"{minimum}/y", "float32", self.settings.relu_clip)
        yield self.node(minimum, "Minimum", [relu, f"{minimum}/y"])
        if self.settings.layer_norm:
            return (yield from self.normalized(layer, minimum))
        return minimum

    def normalized(self, layer: str, source: str) -> _NodesAndOutput:
        """A layer normalization; returns the name of its output."""
        for weight in norm_weights(layer):
            yield from self.variable(weight, "")
        beta, gamma = (f"{weight}/read" for weight in norm_weights(layer))
        # TensorFlow enters the layer's scope for the second time, and so numbers it.
        moments, norm = f"{layer}_1/LayerNorm/moments", f"{layer}_1/LayerNorm/batchnorm"
        yield from self.mean(f"{moments}/mean", source)
        yield self.node(f"{moments}/StopGradient", "StopGradient", [f"{moments}/mean"])
        deviation = f"{moments}/SquaredDifference"
        inputs = [source, f"{moments}/StopGradient"]
        yield self.node(deviation, "SquaredDifference", inputs)
        yield from self.mean(f"{moments}/variance", deviation)
        yield self.constant(f"{norm}/add/y", "float32", _NORM_EPSILON)
        yield self.node(f"{norm}/add", "AddV2", [f"{moments}/variance", f"{norm}/add/y"])
        yield self.node(f"{norm}/Rsqrt", "Rsqrt", [f"{norm}/add"])
        yield self.node(f"{norm}/mul", "Mul", [f"{norm}/Rsqrt", gamma])
        yield self.node(f"{norm}/mul_1", "Mul", [source, f"{norm}/mul"])
        yield self.node(f"{norm}/mul_2", "Mul", [f"{moments}/mean", f"{norm}/mul"])
        yield self.node(f"{norm}/sub", "Sub", [beta, f"{norm}/mul_2"])
        yield self.node(f"{norm}/add_1", "AddV2", [f"{norm}/mul_1", f"{norm}/sub"])
        return f"{norm}/add_1"

    def mean(self, name: str, source: str) -> Iterator[list[Chunk]]:
        """The mean over the units."""
        yield self.integers(f"{name}/reduction_indices", [1])
        inputs = [source, f"{name}/reduction_indices"]
        yield self.node(name, "Mean", inputs, Tidx=DataType.INT32, keep_dims=True)

    def lstm(self, source: str) -> Iterator[list[Chunk]]:
        """The LSTM over the valid frames, its masked output and its states after them."""
        for weight in ("kernel", "bias"):
            yield from self.variable(f"{LSTM}/{weight}", "")
        dynamic = self.settings.n_steps == DYNAMIC
        if dynamic:
            yield from self.length_of(source)
        yield from self.zeros()
        yield self.integers(f"{LSTM}/Const", [0])
        int32 = {"T": DataType.INT32}
        inputs = ["input_lengths", f"{LSTM}/Const"]
        yield _node(
            f"{LSTM}/Max", "Max", inputs, {**int32, "Tidx": DataType.INT32, "keep_dims": False}
        )
        yield self.cast(f"{LSTM}/Cast", f"{LSTM}/Max", DataType.INT32, DataType.INT64)
        peepholes = [f"{LSTM}/zeros"] * 3
        states = ["previous_state_c", "previous_state_h"]
        inputs = [f"{LSTM}/Cast", source, *states, f"{LSTM}/kernel/read", *peepholes]
        attributes = {
            "cell_clip": -1.0,
            "forget_bias": self.settings.exporter.forget_bias,
            "use_peephole": False,
        }
        inputs.append(f"{LSTM}/bias/read")
        yield self.node(f"{LSTM}/BlockLSTM", "BlockLSTM", inputs, **attributes)
        yield from self.mask(f"{LSTM}/strided_slice" if dynamic else None)
        yield from self.state_history("", "_1", "previous_state_c", f"{LSTM}/BlockLSTM:1")
        yield from self.state_history("_1", "_2", "previous_state_h", f"{LSTM}/mul")
        yield from self.state_after("")
        yield from self.state_after("_1")

    def length_of(self, source: str) -> Iterator[list[Chunk]]:
        """The number of frames, read from the LSTM's input."""
        yield self.node(f"{LSTM}/Shape", "Shape", [source], out_type=DataType.INT32)
        name = f"{LSTM}/strided_slice"
        ends = [f"{name}/stack", f"{name}/stack_1", f"{name}/stack_2"]
        for end, value in zip(ends, (0, 1, 1), strict=True):
            yield self.integers(end, [value])
        masks = ("begin_mask", "ellipsis_mask", "end_mask", "new_axis_mask")
        attributes = {"Index": DataType.INT32, "T": DataType.INT32, **dict.fromkeys(masks, 0)}
        yield _node(
            name, "StridedSlice", [f"{LSTM}/Shape", *ends], {**attributes, "shrink_axis_mask": 1}
        )

    def zeros(self) -> Iterator[list[Chunk]]:
        """The peephole weights of an LSTM without peepholes."""
        name = f"{LSTM}/zeros"
        if self.n_hidden < _FILL_ELEMENTS:
            yield self.constant(name, "float32", 0.0, (self.n_hidden,))
            return
        yield self.integers(f"{name}/shape_as_tensor", [self.n_hidden])
        yield self.constant(f"{name}/Const", "float32", 0.0)
        inputs = [f"{name}/shape_as_tensor", f"{name}/Const"]
        yield self.node(name, "Fill", inputs, index_type=DataType.INT32)

    def mask(self, length: str | None) -> Iterator[list[Chunk]]:
        """The LSTM's output with the frames after `input_lengths` set to zero."""
        scope = f"{LSTM}/SequenceMask"
        int32 = {"T": DataType.INT32}
        values = [0, 1] if length else [self.settings.n_steps, 0, 1]
        names = [_numbered(f"{scope}/Const", number) for number in range(len(values))]
        for name, value in zip(names, values, strict=True):
            yield self.integers(name, value)
        limit = length or names.pop(0)
        tidx = {"Tidx": DataType.INT32}
        yield _node(f"{scope}/Range", "Range", [names[0], limit, names[1]], tidx)
        yield from self.expand_dims(f"{scope}/ExpandDims", "input_lengths", -1, DataType.INT32)
        yield self.cast(f"{scope}/Cast", f"{scope}/ExpandDims", DataType.INT32, DataType.INT32)
        yield _node(f"{scope}/Less", "Less", [f"{scope}/Range", f"{scope}/Cast"], int32)
        yield self.cast(f"{scope}/Cast_1", f"{scope}/Less", DataType.BOOL, DataType.FLOAT)
        yield from self.transpose(f"{LSTM}/transpose", f"{scope}/Cast_1", [1, 0])
        yield from self.expand_dims(f"{LSTM}/ExpandDims", f"{LSTM}/transpose", [-1])
        yield self.integers(f"{LSTM}/Tile/multiples", [1, 1, self.n_hidden])
        inputs = [f"{LSTM}/ExpandDims", f"{LSTM}/Tile/multiples"]
        yield self.node(f"{LSTM}/Tile", "Tile", inputs, Tmultiples=DataType.INT32)
        yield self.node(f"{LSTM}/mul", "Mul", [f"{LSTM}/BlockLSTM:6", f"{LSTM}/Tile"])

    def state_history(
        self, suffix: str, dims_suffix: str, previous: str, after_each_step: str
    ) -> Iterator[list[Chunk]]:
        """The state before the first step and after each one."""
        first, concat = f"{LSTM}/ExpandDims{dims_suffix}", f"{LSTM}/concat{suffix}"
        yield from self.expand_dims(first, previous, [0])
        yield self.integers(f"{concat}/axis", 0)
        inputs = [first, after_each_step, f"{concat}/axis"]
        yield self.node(concat, "ConcatV2", inputs, N=2, Tidx=DataType.INT32)

    def state_after(self, suffix: str) -> Iterator[list[Chunk]]:
        """The state after the last valid frame."""
        name = f"{LSTM}/range{suffix}"
        ends = [f"{name}/start", f"{name}/limit", f"{name}/delta"]
        for end, value in zip(ends, (0, self.batch, 1), strict=True):
            yield self.integers(end, value)
        yield _node(name, "Range", ends, {"Tidx": DataType.INT32})
        stack = f"{LSTM}/stack{suffix}"
        pack = {"N": 2, "T": DataType.INT32, "axis": 1}
        yield _node(stack, "Pack", ["input_lengths", name], pack)
        types = {"Tindices": DataType.INT32, "Tparams": DataType.FLOAT}
        yield _node(
            f"{LSTM}/GatherNd{suffix}", "GatherNd", [f"{LSTM}/concat{suffix}", stack], types
        )

    def metadata(self) -> Iterator[list[Chunk]]:
        """What the runtimes read before they run."""
        settings = self.settings
        exporter, alphabet = settings.exporter, settings.alphabet
        assert exporter.graph_version is not None
        yield self.integers("metadata_version", [exporter.graph_version])
        yield self.integers("metadata_sample_rate", [settings.sample_rate])
        yield self.integers("metadata_feature_win_len", [settings.feature_win_len])
        yield self.integers("metadata_feature_win_step", [settings.feature_win_step])
        if exporter.writes_beam_width:
            yield self.integers("metadata_beam_width", [settings.beam_width])
        blob = alphabet.to_blob(in_order=exporter.labels_in_order)
        yield self.constant("metadata_alphabet", "object", [blob])
        if settings.language is not None:
            yield self.constant("metadata_language", "object", [settings.language.encode()])

    def variable(self, name: str, device: str) -> Iterator[list[Chunk]]:
        """A weight, and the Identity through which it is read."""
        weight = self.weights[name]
        yield constant_chunks(name, DataType.FLOAT, weight.shape, _content(weight))
        attributes = {"T": DataType.FLOAT, "_class": [f"loc:@{name}".encode()]}
        yield _node(f"{name}/read", "Identity", [name], attributes, device)

    def node(self, name: str, op: str, inputs: list[str], **attributes: Any) -> list[Chunk]:
        """A node on float32 tensors."""
        return _node(name, op, inputs, {"T": DataType.FLOAT, **attributes})

    def placeholder(self, name: str, dtype: DataType, shape: tuple[int, ...]) -> list[Chunk]:
        return _node(name, "Placeholder", [], {"dtype": dtype, "shape": shape})

    def cast(self, name: str, source: str, old: DataType, new: DataType) -> list[Chunk]:
        return _node(name, "Cast", [source], {"DstT": new, "SrcT": old, "Truncate": False})

    def reshape(self, name: str, source: str, shape: list[int]) -> Iterator[list[Chunk]]:
        yield self.integers(f"{name}/shape", shape)
        yield self.node(name, "Reshape", [source, f"{name}/shape"], Tshape=DataType.INT32)

    def transpose(self, name: str, source: str, order: list[int]) -> Iterator[list[Chunk]]:
        yield self.integers(f"{name}/perm", order)
        yield self.node(name, "Transpose", [source, f"{name}/perm"], Tperm=DataType.INT32)

    def expand_dims(
        self, name: str, source: str, axis: int | list[int], dtype: DataType = DataType.FLOAT
    ) -> Iterator[list[Chunk]]:
        yield self.integers(f"{name}/dim", axis)
        attributes = {"T": dtype, "Tdim": DataType.INT32}
        yield _node(name, "ExpandDims", [source, f"{name}/dim"], attributes)

    def integers(self, name: str, value: int | list[int]) -> list[Chunk]:
        return self.constant(name, "int32", value)

    def constant(
        self, name: str, dtype: str, value: object, shape: tuple[int, ...] | None = None
    ) -> list[Chunk]:
        import numpy as np

        return [new_constant(name, np.array(value, dtype), shape).span]


def _content(weight: Weight) -> Chunk:
    """The bytes of a weight, in row-major order."""
    if isinstance(weight, Tensor):
        return weight.raw()
    import numpy as np

    return np.ascontiguousarray(weight, "<f4").data.cast("B")


def _numbered(name: str, number: int) -> str:
    """TensorFlow's names for the nodes of one kind: MatMul, MatMul_1, MatMul_2."""
    return f"{name}_{number}" if number else name


def _node(
    name: str, op: str, inputs: list[str], attributes: Mapping[str, Any], device: str = ""
) -> list[Chunk]:
    return [new_node(name, op, inputs, attributes, device).span]
