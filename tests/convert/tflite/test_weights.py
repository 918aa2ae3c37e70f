"""The weights in fewer bits: how far that is from TensorFlow, beside the exporter's own files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.recognise import recognise
from dsconv.acoustic.weights import values
from dsconv.convert.tflite.options import LstmForm
from dsconv.convert.tflite.weights import feature_factors
from dsconv.fixtures.demo_model import MODEL, clips
from dsconv.fixtures.write import write_random_model
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.graphdef.steps import DYNAMIC
from dsconv.formats.toolkits import import_litert, import_litert_schema
from dsconv.inspect.parity.tolerances import TOLERANCES
from dsconv.runtime.registry import open_model
from dsconv.runtime.tflite import TfliteModel
from dsconv.speech.features import FloatArray
from dsconv.speech.framing import chunks
from dsconv.speech.wav import read_wav
from tests.acoustic.edits import constant
from tests.convert.calls import Call, Reference, answers
from tests.convert.conversions import convert, saved
from tests.runtime.speech import clip_features, original_clip

STEPS = 16
EXPORTED = {
    "deepspeech-0.9.3-static.pb": "deepspeech-0.9.3-tflite.tflite",
    "coqui-1.4.0-static.pb": "coqui-1.4.0-tflite.tflite",
}
"""Graphs, and what their exporters' own converter made of the same weights."""

FORMS: dict[str, dict[str, Any]] = {
    "loop": {},
    "unrolled": {"lstm": "unrolled"},
    "fp16": {"precision": "fp16"},
    "fp16 unrolled": {"precision": "fp16", "lstm": "unrolled"},
}
LDC, PACKAGED = "LDC93S1", "packaged"
SPEECH = (LDC, PACKAGED)


@dataclass(frozen=True)
class Said:
    """All numbers of some clips: probabilities, and cell and hidden states after full calls."""

    probabilities: FloatArray
    c: FloatArray
    h: FloatArray

    def minus(self, other: Said) -> Said:
        """The absolute differences."""
        return Said(
            np.abs(self.probabilities - other.probabilities),
            np.abs(self.c - other.c),
            np.abs(self.h - other.h),
        )

    @property
    def largest(self) -> tuple[float, float, float]:
        """The largest of each."""
        return float(self.probabilities.max()), float(self.c.max()), float(self.h.max())

    @property
    def means(self) -> tuple[float, float, float]:
        """The mean of each."""
        return float(self.probabilities.mean()), float(self.c.mean()), float(self.h.mean())


def said(answer: Callable[[Call], list[Any]], spoken: Iterable[FloatArray]) -> Said:
    """What is said to clips of features, 16 frames a call with the states fed back."""
    probabilities, cells, hidden = [], [], []
    for clip in spoken:
        c = h = np.zeros((1, 100), np.float32)
        for windows in chunks(clip, 9, STEPS):
            padded = np.zeros((1, STEPS, 19, 26), np.float32)
            padded[0, : len(windows)] = windows
            scores, c, h = answer(Call(padded, STEPS, c, h))
            probabilities.append(scores.reshape(STEPS, -1)[: len(windows)])
            if len(windows) == STEPS:
                cells.append(c)
                hidden.append(h)
    return Said(np.concatenate(probabilities), np.array(cells), np.array(hidden))


@dataclass(frozen=True)
class Family:
    """A graph's speech, what TensorFlow says to it, and what the files made of the graph say."""

    reference: dict[str, Said]
    found: dict[tuple[str, str], Said]

    def off(self, form: str, speech: str) -> Said:
        """How far a file is from TensorFlow."""
        return self.found[form, speech].minus(self.reference[speech])


@pytest.fixture(scope="module", params=EXPORTED)
def family(
    request: pytest.FixtureRequest,
    models: Path,
    tensorflow: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Family:
    """Each graph in turn, and all that was made of it."""
    graph, folder = models / request.param, tmp_path_factory.mktemp("family")
    opened = open_model(graph)
    recordings = {
        LDC: [original_clip(models, opened.interface)],
        PACKAGED: [read_wav(clip.wav, 16000) for clip in clips()],
    }
    spoken = {
        speech: [clip_features(opened, samples) for samples in recording]
        for speech, recording in recordings.items()
    }
    reference = Reference(tensorflow, open_graph(graph))
    files = {"upstream": models / EXPORTED[request.param]} | {
        form: convert("tflite", graph, folder / form, **asked) for form, asked in FORMS.items()
    }
    found = {
        (form, speech): said(partial(answers, TfliteModel(path)), clip)
        for form, path in files.items()
        for speech, clip in spoken.items()
    }
    return Family({speech: said(reference.run, clip) for speech, clip in spoken.items()}, found)


@pytest.mark.models
@pytest.mark.tensorflow
def test_int8_is_no_further_off_than_the_exporters(family: Family) -> None:
    """The loop, on the speech the models learnt; on other speech, by the mean of all numbers.

    Printed: the largest and the mean differences of the probabilities and of the two states.
    """
    for speech in SPEECH:
        for form in ("upstream", "loop", "unrolled"):
            off = family.off(form, speech)
            figures = " ".join(f"{figure:9.2e}" for figure in (*off.largest, *off.means))
            print(f"{speech:8} {form:8} {figures}")
    ours, theirs = family.off("loop", LDC), family.off("upstream", LDC)
    assert all(own <= other for own, other in zip(ours.largest, theirs.largest, strict=True))
    for speech in SPEECH:
        ours, theirs = family.off("loop", speech), family.off("upstream", speech)
        assert all(own < other for own, other in zip(ours.means, theirs.means, strict=True))


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("form", "precision", "speech"),
    [
        ("loop", "int8", (LDC,)),
        ("fp16", "fp16", SPEECH),
        ("fp16 unrolled", "fp16", SPEECH),
    ],
)
def test_each_precision_keeps_its_tolerances(
    form: str, precision: str, speech: tuple[str, ...], family: Family
) -> None:
    """The row of the table; 8 bits only for the speech that the models learnt."""
    tolerance = TOLERANCES[precision]
    for spoken in speech:
        probabilities, c, h = family.off(form, spoken).largest
        _, largest_c, largest_h = family.reference[spoken].largest
        assert 0 < probabilities <= tolerance.probabilities
        assert c <= tolerance.of_states(largest_c)
        assert h <= tolerance.of_states(largest_h)


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("speech", SPEECH)
def test_unrolled_says_what_the_exporters_file_says(speech: str, family: Family) -> None:
    """Bit for bit, over all calls of all clips."""
    off = family.found["unrolled", speech].minus(family.found["upstream", speech])
    assert off.largest == (0, 0, 0)
    assert family.off("unrolled", speech).largest[0] > 0


@pytest.mark.models
@pytest.mark.parametrize("name", EXPORTED)
def test_unrolled_says_it_without_a_delegate_too(name: str, models: Path, tmp_path: Path) -> None:
    """The plain kernels, which the last DeepSpeech has, find the same weights and ops."""
    rng = np.random.default_rng(5)
    feeds = {
        "input_node": rng.normal(scale=3, size=(1, STEPS, 19, 26)).astype(np.float32),
        "input_samples": np.zeros(512, np.float32),
        "previous_state_c": rng.normal(size=(1, 100)).astype(np.float32),
        "previous_state_h": rng.normal(size=(1, 100)).astype(np.float32),
    }
    found = []
    for path in (
        models / EXPORTED[name],
        convert("tflite", models / name, tmp_path / "a", lstm="unrolled"),
    ):
        litert = import_litert()
        plain = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = litert.Interpreter(str(path), experimental_op_resolver_type=plain)
        interpreter.allocate_tensors()
        for detail in interpreter.get_input_details():
            interpreter.set_tensor(detail["index"], feeds[detail["name"]])
        interpreter.invoke()
        outputs = {one["name"]: one["index"] for one in interpreter.get_output_details()}
        found.append([interpreter.get_tensor(outputs[name]) for name in ("logits", "new_state_c")])
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])


def quantized_tensors(path: Path) -> dict[str, tuple[Any, ...]]:
    """The 8-bit tensors by layer: shapes, scales, zero points and bytes."""
    schema = import_litert_schema()
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    found = {}
    for tensor in (tensor for graph in model.subgraphs for tensor in graph.tensors):
        if tensor.type == schema.TensorType.INT8:
            name = tensor.name.decode()
            layer = "kernel" if "kernel" in name else name.split("/")[0]
            parameters = tensor.quantization
            data = bytes(model.buffers[tensor.buffer].data)
            found[layer] = (
                tensor.shape.tolist(),
                parameters.scale.tolist(),
                parameters.zeroPoint.tolist(),
                data,
            )
    return found


@pytest.mark.models
@pytest.mark.parametrize("name", EXPORTED)
def test_unrolled_has_the_exporters_integers(name: str, models: Path, tmp_path: Path) -> None:
    """The kernel and the matrices of all layers, byte for byte, with their scales."""
    path = convert("tflite", models / name, tmp_path / "a", lstm="unrolled")
    found, expected = quantized_tensors(path), quantized_tensors(models / EXPORTED[name])
    assert set(expected) == {"kernel", "layer_1", "layer_2", "layer_3", "layer_5", "layer_6"}
    assert found == expected


@pytest.mark.parametrize("form", ["loop", "unrolled"])
def test_integers_stand_for_the_weights(form: LstmForm, tmp_path: Path) -> None:
    """Half a scale off at most; the largest weight of a matrix is 127."""
    path = convert("tflite", MODEL, tmp_path / "a", lstm=form)
    network = recognise(open_graph(MODEL))
    for layer in network.layers:
        shape, (scale,), zero_point, data = quantized_tensors(path)[layer.name]
        integers = np.frombuffer(data, np.int8).reshape(shape)
        assert (zero_point, abs(integers.astype(int)).max()) == ([0], 127)
        weights = values(layer.weights)
        if form == "loop" and layer is network.before[0]:
            weights = weights / feature_factors(weights, 26)[:, None]
        np.testing.assert_allclose(
            integers.T * np.float32(scale), weights, rtol=0, atol=scale * 0.501
        )


def test_halves_are_rounded_away_from_zero(small_graph: Graph, tmp_path: Path) -> None:
    """As TensorFlow Lite's quantizer rounds them."""
    weights = np.resize(np.arange(-127, 127.5, 0.5), (32, 32))
    source = saved(constant("layer_2/weights", weights)(small_graph), tmp_path / "halves.pb")
    _, scale, _, data = quantized_tensors(convert("tflite", source, tmp_path / "a"))["layer_2"]
    integers = np.frombuffer(data, np.int8).reshape(32, 32).T
    assert scale == [1]
    np.testing.assert_array_equal(integers, np.copysign(np.floor(np.abs(weights) + 0.5), weights))


def test_factors_make_no_weight_larger_than_the_largest() -> None:
    """One factor a feature, the same in each frame of a window, from an eighth to one."""
    rng = np.random.default_rng(6)
    matrix = rng.normal(size=(19, 26, 50)).astype(np.float32)
    matrix *= np.geomspace(1e-3, 1, 26, dtype=np.float32)[:, None]
    flat = matrix.reshape(-1, 50)
    factors = feature_factors(flat, 26)
    assert (factors.shape, factors.dtype.name) == ((494,), "float32")
    np.testing.assert_array_equal(factors, np.tile(factors[:26], 19))
    assert (factors.min(), factors.max()) == (1 / 8, 1)
    largest = np.abs(matrix).max(axis=(0, 2))
    small = largest <= largest.max() / 8
    np.testing.assert_array_equal(factors[:26][small], 1 / 8)
    evened = np.abs(matrix / factors.reshape(19, 26, 1)).max(axis=(0, 2))
    np.testing.assert_allclose(evened[~small], largest.max(), rtol=1e-6)


@pytest.mark.parametrize("form", ["loop", "unrolled"])
def test_a_matrix_of_zeros(form: LstmForm, small_model: Path, tmp_path: Path) -> None:
    """It has no largest weight to scale by; the bias is all that comes through."""
    graph = open_graph(small_model)
    source = saved(constant("layer_1/weights", np.zeros((494, 32)))(graph), tmp_path / "zeros.pb")
    model = TfliteModel(convert("tflite", source, tmp_path / "a", lstm=form))
    rng = np.random.default_rng(7)
    windows = rng.normal(size=(2, 16, 19, 26)).astype(np.float32)
    state = np.zeros((1, 32), np.float32)
    first, second = (answers(model, Call(window[None], 16, state, state)) for window in windows)
    for one, other in zip(first, second, strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_lengths_keep_the_states_of_rounded_weights(precision: str, tmp_path: Path) -> None:
    """No valid frame: the states bit for bit; some: those after so many frames."""
    asked: dict[str, Any] = {"precision": precision, "steps": DYNAMIC, "lengths": "input"}
    model = TfliteModel(convert("tflite", MODEL, tmp_path / "a", **asked))
    assert model.interface.precision == precision
    rng = np.random.default_rng(8)
    windows = rng.normal(size=(1, 16, 19, 26)).astype(np.float32)
    shape = model.interface.states[0].shape
    c, h = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
    np.testing.assert_array_equal(answers(model, Call(windows, 0, c, h))[1:], [c, h])
    _, *short = answers(model, Call(windows[:, :5], 5, c, h))
    _, *padded = answers(model, Call(windows, 5, c, h))
    np.testing.assert_allclose(padded, short, rtol=0, atol=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_the_loop_is_no_larger_than_the_steps(precision: str, tmp_path: Path) -> None:
    """At 256 cells: one copy of the weights in either form, and few bytes around it."""
    (source,) = write_random_model(tmp_path, n_hidden=256)
    sizes = {}
    for form in ("loop", "unrolled"):
        asked: dict[str, Any] = {"precision": precision, "lstm": form}
        sizes[form] = convert("tflite", source, tmp_path / form, **asked).stat().st_size
    assert sizes["loop"] <= sizes["unrolled"] + 20_000
    weights = 494 * 256 + 3 * 256 * 256 + 512 * 1024 + 256 * 29
    assert sizes["loop"] < weights * {"fp32": 4, "fp16": 2, "int8": 1}[precision] + 50_000
