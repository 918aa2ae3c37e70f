"""Networks that also read from the last frame to the first, as DeepSpeech 0.1's: whole clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from dsconv.acoustic.network import DenseLayer, Lstm, Network
from dsconv.acoustic.recognise import recognise
from dsconv.acoustic.source import Source
from dsconv.convert.coreml.options import CoreMlOptions
from dsconv.convert.form import form_of
from dsconv.convert.network_target import NetworkTarget
from dsconv.convert.options import Options, Precision, Scores
from dsconv.convert.properties import properties
from dsconv.convert.registry import TARGETS
from dsconv.errors import ConversionError
from dsconv.fixtures.write import write_random_model
from dsconv.formats.coreml.file import open_core_ml
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.graphdef.steps import DYNAMIC
from dsconv.formats.graphdef.tensor import Tensor
from dsconv.formats.storage import Storage
from dsconv.formats.toolkits import import_litert_schema, import_onnx, import_openvino
from dsconv.inspect.parity.tolerances import TOLERANCES
from dsconv.runtime.model import Model, TensorSpec
from dsconv.runtime.registry import open_model
from dsconv.speech.decode import softmax
from dsconv.speech.early_features import early_features
from dsconv.speech.framing import whitened_windows
from dsconv.speech.settings import WHOLE_CLIP
from dsconv.speech.wav import read_wav
from tests.convert.conversions import require_toolkits
from tests.convert.coreml.forms import kinds
from tests.convert.sources import NetworkSource
from tests.reference import run_graph
from tests.runtime.speech import distance

Doubles = NDArray[np.float64]

FORMS: dict[str, tuple[str, CoreMlOptions]] = {
    "onnx": ("onnx", CoreMlOptions()),
    "openvino": ("openvino", CoreMlOptions()),
    "tflite": ("tflite", CoreMlOptions()),
    "mlprogram": ("coreml", CoreMlOptions(deployment_target="ios17")),
    "mlprogram ios16": ("coreml", CoreMlOptions(deployment_target="ios16")),
    "neuralnetwork": ("coreml", CoreMlOptions("neuralnetwork")),
}
"""Each target, and the forms of Core ML."""

FRAMES = (37, 1, 150, 2, 5)
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")


def bidirectional(path: Path, *, probabilities: bool = True) -> Network:
    """The network of a small model with an LSTM more, whose forget bias is another."""
    network = recognise(open_graph(path))
    generator = np.random.default_rng(1)

    def like(tensor: Tensor, rows: int = 1) -> Tensor:
        shape = (rows * tensor.shape[0], *tensor.shape[1:])
        return tensor_of(generator.uniform(-0.3, 0.3, shape))

    first, *others = network.after
    return replace(
        network,
        backward=replace(
            network.lstm,
            name="backward",
            kernel=like(network.lstm.kernel),
            bias=like(network.lstm.bias),
            forget_bias=2.0,
        ),
        after=(replace(first, weights=like(first.weights, 2)), *others),
        front_end=None,
        softmax=probabilities,
    )


def tensor_of(value: ArrayLike) -> Tensor:
    """A float32 tensor as it stands in a graph."""
    array = np.asarray(value, np.float32)
    storage = Storage.of_bytes(array.tobytes())
    return Tensor(DataType.FLOAT, array.shape, storage.span(0, len(storage)), None)


def evaluated(network: Network, rows: Doubles) -> Doubles:
    """The scores [frames, classes] of a clip's windows [frames, values], in double precision."""
    assert network.backward is not None
    for layer in network.before:
        rows = dense(layer, rows)
    backward = lstm(network.backward, rows[::-1])[::-1]
    rows = np.concatenate([lstm(network.lstm, rows), backward], axis=1)
    for layer in (*network.after, network.output):
        rows = dense(layer, rows)
    if not network.softmax:
        return rows
    raised = np.exp(rows - rows.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def mistaken(network: Network, rows: Doubles) -> Iterator[Doubles]:
    """What would come out with the LSTMs exchanged, the order turned, or no forget bias."""
    assert network.backward is not None
    yield evaluated(replace(network, lstm=network.backward, backward=network.lstm), rows)
    yield evaluated(network, rows[::-1])[::-1]
    yield evaluated(replace(network, backward=replace(network.backward, forget_bias=0.0)), rows)


def dense(layer: DenseLayer, rows: Doubles) -> Doubles:
    """A dense layer."""
    found = rows @ doubles(layer.weights) + doubles(layer.bias)
    return np.clip(found, 0, layer.clip) if layer.relu else found


def lstm(layer: Lstm, rows: Doubles) -> Doubles:
    """The hidden states after each row, from zeros."""
    kernel, bias = doubles(layer.kernel), doubles(layer.bias)
    cell, hidden = np.zeros(layer.cells), np.zeros(layer.cells)
    found = []
    for row in rows:
        gates = np.split(np.concatenate([row, hidden]) @ kernel + bias, 4)
        i, c, f, o = (gates[layer.gates.index(gate)] for gate in "icfo")
        cell = cell * sigmoid(f + layer.forget_bias) + sigmoid(i) * np.tanh(c)
        hidden = sigmoid(o) * np.tanh(cell)
        found.append(hidden)
    return np.array(found)


def sigmoid(value: Doubles) -> Doubles:
    return np.asarray(1 / (1 + np.exp(-value)))


def doubles(tensor: Tensor) -> Doubles:
    return np.asarray(tensor.array(), np.float64)


def built(form: str, network: Network, folder: Path, precision: Precision = "fp32") -> Path:
    """The file that a target writes of a network."""
    name, core_ml = FORMS[form]
    require_toolkits(name)
    target = TARGETS[name]
    assert isinstance(target, NetworkTarget)
    scores: Scores = "probabilities" if network.softmax else "logits"
    options = Options(core_ml=core_ml, precision=precision, scores=scores)
    path = folder / f"model{target.suffix_for(options)}"
    chosen = target.form(NetworkSource(network), options)
    texts = properties(network, chosen.weights_precision, "0" * 64)
    assert target.write(target.build(chosen), texts, path, force=False) == sum(
        file.stat().st_size for file in folder.rglob("*") if file.is_file()
    )
    return path


def clip(frames: int) -> NDArray[np.float32]:
    """Whitened windows [1, frames, values]."""
    return np.random.default_rng(frames).normal(size=(1, frames, 494)).astype(np.float32)


def answer(model: Model, windows: NDArray[np.float32]) -> Any:
    """The scores [frames, classes] of a clip."""
    scores = model.call({"input_node": windows}, ["logits"])["logits"]
    return scores.reshape(windows.shape[1], -1)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("form", FORMS)
def test_clips_of_any_length(
    form: str, precision: Precision, small_model: Path, tmp_path: Path
) -> None:
    """Scores as an evaluation in double precision has them, one clip after the other."""
    network = bidirectional(small_model)
    model = open_model(built(form, network, tmp_path, precision))
    for frames in FRAMES:
        windows = clip(frames)
        found = answer(model, windows)
        rows = windows[0].astype(np.float64)
        expected = evaluated(network, rows)
        far = distance(found, expected)
        assert far <= TOLERANCES[precision].probabilities
        assert precision == "fp32" or far > 1e-6
        # A frame alone is first and last, and there is nothing to forget.
        if frames > 1:
            assert far < min(distance(scores, expected) for scores in mistaken(network, rows)) / 2
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=2e-3)


@pytest.mark.parametrize("bits", [8, 6, 4])
def test_palettes(bits: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both LSTMs of a Core ML program are made of as few values as was asked for."""
    (source,) = write_random_model(tmp_path / "source", 128)
    network = bidirectional(source)
    options = CoreMlOptions(deployment_target="ios17", palette_bits=bits)
    monkeypatch.setitem(FORMS, "palette", ("coreml", options))
    folder = tmp_path / "made"
    folder.mkdir()
    path = built("palette", network, folder, "fp16")
    windows = clip(37)
    expected = evaluated(network, windows[0].astype(np.float64))
    tolerance = TOLERANCES[f"palette{bits}"].probabilities
    assert 1e-5 < distance(answer(open_model(path), windows), expected) <= tolerance
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    assert size < weights_bytes(network) * bits / 32 * 1.2 + 100_000


@pytest.mark.parametrize("form", FORMS)
def test_raw_scores(form: str, small_model: Path, tmp_path: Path) -> None:
    """As in DeepSpeech 0.1, whose graph has no softmax."""
    network = bidirectional(small_model, probabilities=False)
    model = open_model(built(form, network, tmp_path))
    windows = clip(21)
    expected = evaluated(network, windows[0].astype(np.float64))
    assert expected.min() < -0.1
    assert distance(answer(model, windows), expected) <= 1e-5


@pytest.mark.parametrize("form", FORMS)
def test_windows_in_scores_out(form: str, small_model: Path, tmp_path: Path) -> None:
    """Flat windows of any number of frames, and nothing else: no lengths and no states."""
    interface = open_model(built(form, bidirectional(small_model), tmp_path)).interface
    assert interface.inputs == (TensorSpec("input_node", "float32", (1, -1, 494)),)
    outputs = [spec for spec in interface.outputs if not spec.name.startswith("metadata_")]
    assert [spec.name for spec in outputs] == ["logits"]
    # TFLite's exporter left out the batch; Core ML tells no sizes that are open.
    shapes = {"onnx": (-1, 1, 29), "openvino": (-1, 1, 29), "tflite": (-1, 29)}
    assert outputs[0].shape == shapes.get(form)
    assert (interface.lengths, interface.states) == (None, ())


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("form", FORMS)
def test_every_weight_is_stored_once(form: str, precision: Precision, tmp_path: Path) -> None:
    """The file is as large as the weights, and little more."""
    (source,) = write_random_model(tmp_path / "source", 128)
    network = bidirectional(source)
    assert network.backward is not None
    folder = tmp_path / "made"
    folder.mkdir()
    built(form, network, folder, precision)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    share = 1 if precision == "fp32" else 2
    weights = weights_bytes(network) / share
    if form == "neuralnetwork":
        # The layer that takes the features keeps its exact weights.
        weights += network.before[0].weights.nbytes * (1 - 1 / share)
    assert weights < size < weights + network.backward.kernel.nbytes / 4


def weights_bytes(network: Network) -> int:
    """The bytes of all matrices in float32."""
    assert network.backward is not None
    matrices = [network.lstm.kernel, network.backward.kernel]
    matrices += [layer.weights for layer in network.layers]
    return sum(matrix.nbytes for matrix in matrices)


def onnx_ops(path: Path) -> Counter[str]:
    nodes = import_onnx().load(str(path)).graph.node
    directions = [
        str(a.s, "ascii") for node in nodes for a in node.attribute if a.name[:3] == "dir"
    ]
    return Counter([node.op_type for node in nodes] + directions)


def openvino_ops(path: Path) -> Counter[str]:
    model = import_openvino().Core().read_model(str(path))
    return Counter(op.get_type_name() for op in model.get_ops())


def tflite_ops(path: Path) -> Counter[str]:
    schema = import_litert_schema()
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    names = {number: name for name, number in vars(schema.BuiltinOperator).items()}
    codes = [names[code.builtinCode] for code in model.operatorCodes]
    return Counter(codes[operator.opcodeIndex] for operator in model.subgraphs[0].operators)


def core_ml_ops(path: Path) -> Counter[str]:
    return kinds(open_core_ml(path))


FASTEST: dict[str, tuple[Callable[[Path], Counter[str]], Mapping[str, int]]] = {
    "onnx": (onnx_ops, {"LSTM": 1, "bidirectional": 1, "ReverseSequence": 0}),
    "openvino": (openvino_ops, {"TensorIterator": 2, "Reverse": 0, "ReverseSequence": 0}),
    "tflite": (tflite_ops, {"WHILE": 2, "REVERSE_V2": 2}),
    "mlprogram": (core_ml_ops, {"lstm": 2, "reverse": 2}),
    "neuralnetwork": (core_ml_ops, {"uniDirectionalLSTM": 2, "reverse": 2}),
}
"""The ops of the form that each target runs fastest."""


@pytest.mark.parametrize("form", FASTEST)
def test_ops_are_fused_or_looped(form: str, small_model: Path, tmp_path: Path) -> None:
    """No op for each frame, and no more turning around than a format needs."""
    path = built(form, bidirectional(small_model), tmp_path)
    counted, expected = FASTEST[form]
    found = counted(path)
    assert {op: found[op] for op in expected} == expected


def test_integers_in_onnx_are_one_node_too(small_model: Path, tmp_path: Path) -> None:
    """ONNX Runtime's own LSTM reads both ways."""
    found = onnx_ops(built("onnx", bidirectional(small_model), tmp_path, "int8"))
    assert (found["DynamicQuantizeLSTM"], found["bidirectional"]) == (1, 1)


@pytest.fixture
def whole_clips(small_model: Path) -> Source:
    """A source of a network that reads both ways."""
    return NetworkSource(bidirectional(small_model))


@pytest.mark.parametrize(
    ("asked", "option"),
    [
        ({"steps": 16}, "--n-steps"),
        ({"input_shape": (1, 16, 19, 26)}, "--input-shape"),
        ({"input_shape": (1, -1, 494)}, "--input-shape"),
        ({"lengths": "input"}, "--lengths input"),
        ({"states": "internal"}, "--states internal"),
        ({"lstm": "unrolled"}, "--lstm unrolled"),
        ({"front_end": True}, "--front-end"),
    ],
)
@pytest.mark.parametrize("target", ["onnx", "openvino", "tflite", "coreml"])
def test_what_chunks_want_is_refused(
    target: str, asked: dict[str, Any], option: str, whole_clips: Source
) -> None:
    """The option that makes no sense for whole clips is named, by every target."""
    says = f"the graph's network reads whole clips, .* from fresh states; leave out {option}.$"
    with pytest.raises(ConversionError, match=says):
        TARGETS[target].plan(whole_clips, Options(**asked))


@pytest.mark.parametrize("asked", [{}, {"steps": DYNAMIC}, {"lengths": "frozen"}, {"states": "io"}])
def test_forms_are_of_whole_clips(asked: dict[str, Any], whole_clips: Source) -> None:
    """Whatever the target likes best and the graph's own steps."""
    form = form_of(whole_clips, Options(**asked), lengths="input", states=("internal", "io"))
    assert (form.steps, form.lengths, form.states) == (DYNAMIC, "frozen", "io")
    assert form.whole_clip
    assert not form.front_end
    assert form.window_shape == (494,)


def test_core_ml_takes_as_many_frames_as_asked(whole_clips: Source) -> None:
    """The longest clip is the user's choice; a choice of several numbers is one of chunks."""
    chunks = Options(core_ml=CoreMlOptions(step_choices=(1, 16)), steps=DYNAMIC)
    with pytest.raises(ConversionError, match="reads whole clips, .* leave out --n-steps"):
        TARGETS["coreml"].plan(whole_clips, chunks)
    TARGETS["coreml"].plan(whole_clips, Options(core_ml=CoreMlOptions(max_steps=9000)))


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("form", FORMS)
def test_the_original_on_speech(
    form: str, precision: Precision, models: Path, tensorflow: Any, tmp_path: Path
) -> None:
    """DeepSpeech 0.1's own graph in TensorFlow, over the clip that it was trained on."""
    graph = open_graph(models / "deepspeech-0.1.1-static.pb")
    samples = read_wav(models / "LDC93S1_pcms16le_1_16000.wav", 16000)
    windows = whitened_windows(early_features(samples, WHOLE_CLIP), 9)[None]
    feeds = {"input_node": windows, "input_lengths": np.array([windows.shape[1]], np.int32)}
    (expected,) = run_graph(tensorflow, graph, feeds, ["logits"])
    expected = expected.reshape(windows.shape[1], -1)
    network = recognise(graph)
    for probabilities in (False, True):
        folder = tmp_path / str(probabilities)
        folder.mkdir()
        path = built(form, replace(network, softmax=probabilities), folder, precision)
        found = answer(open_model(path), windows)
        expected_value = softmax(expected) if probabilities else expected
        print(form, precision, probabilities, f"{distance(found, expected_value):.1e}")
        if probabilities:
            assert distance(found, expected_value) <= TOLERANCES[precision].probabilities
        elif precision == "fp32":
            assert distance(found, expected_value) <= 1e-5 * np.abs(expected_value).max()
