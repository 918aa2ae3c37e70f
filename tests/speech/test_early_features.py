"""Features are those that models before DeepSpeech 0.5 were trained and run with.

The expected numbers are those of python_speech_features 0.6 and of the original runtimes 0.1.1,
0.2.0 and 0.4.1, for the signal of `SIGNAL` or the clip that the original exports were trained on.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dsconv.errors import ConversionError
from dsconv.runtime.graph import open_graph_model
from dsconv.runtime.stream import Speech, Stream
from dsconv.speech.alphabet import Alphabet
from dsconv.speech.decode import beam_transcript, greedy_transcript, softmax, transcript_of
from dsconv.speech.early_features import early_features
from dsconv.speech.features import FloatArray
from dsconv.speech.framing import whitened_windows
from dsconv.speech.settings import EVERY_SECOND, HAMMING, WHOLE_CLIP, EarlySettings
from dsconv.speech.wav import Samples, read_wav

CONTEXT = 9
COUNT = np.arange(1000)
SIGNAL = ((COUNT * COUNT * 31 + COUNT * 977) % 24001 - 12000).astype(np.int16)

# The energy that python_speech_features puts in place of zero, as the training code did.
TRAINING_SILENCE = float(np.finfo(np.float64).eps)

BY_25_MS = """
    23.634853 -34.314775 -8.157014 -11.990719 -11.114407 -13.883899 -10.210061 -3.112799
    6.265954 6.704068 3.565593 9.444418 7.221568 2.680334 -2.969996 0.292321 2.766717 4.603525
    4.784416 -0.921128 -1.296781 0.383260 0.079280 -0.189714 0.076262 0.993691
    23.654000 -33.017003 -7.430346 -9.951212 -6.133381 -11.229641 -7.875493 -2.240624 4.184888
    0.610237 1.330205 -3.495508 -1.182533 0.381110 -6.036633 -4.832416 -1.088967 4.756725
    1.313811 -4.339254 -1.556472 -0.639576 0.616209 0.092456 0.506562 1.567508
    23.534205 -36.428765 -13.764416 -17.818137 -14.047449 -11.656916 1.717896 2.195951 5.802869
    1.817589 3.679281 -8.468911 -9.375655 4.856218 0.743945 0.986795 -1.475040 -2.559665
    -0.358005 1.319694 0.869971 1.102271 0.107590 0.034685 -0.454561 -1.329407
"""
BY_32_MS = """
    23.068705 -38.792242 -10.090544 -14.533587 -14.008857 -18.065698 -12.155405 -4.565184
    1.950628 -0.985350 -7.530593 -2.560313 1.776667 -1.225816 -7.661491 -6.576809 -2.831149
    4.952717 3.484875 -3.530141 -3.042503 -0.440981 0.131623 -0.135564 1.109582 2.512127
    23.201822 -41.714328 -10.504795 -16.935641 -8.297108 -10.566389 -5.798492 -2.462598 0.045685
    -2.722590 4.555934 -2.162976 -1.429360 1.883118 -3.496812 -0.212094 2.314383 5.092076
    1.425766 -1.900042 1.701270 0.917498 0.770651 0.131125 0.082351 0.333879
    23.024814 -38.309269 -10.399870 -17.638336 -12.751062 -9.163217 3.318697 -1.306660 1.326803
    0.705656 4.148995 -7.387370 -10.248336 2.315277 0.742289 2.239381 0.698434 0.399804 0.583315
    0.909276 0.277712 1.474684 0.232304 0.083706 -0.055381 -0.643201
"""
AT_8_KHZ = """
    23.064825 -32.516493 -9.342751 -9.101286 -5.361928 -9.352079 -7.682429 -9.328791 -1.049582
    8.547069 -0.247521 -4.404107 -4.214560 1.323256 8.027170 -3.116656 -2.846153 -1.352097
    -3.813806 -0.587147 0.198412 0.173646 0.071564 0.127853 -0.035630 0.813385
    23.058771 -29.714022 -5.511075 -4.282360 0.551267 -2.396560 -1.842389 -4.528817 -2.083239
    4.592599 2.390991 -2.488468 -4.216882 1.263423 0.605159 -0.469531 2.495730 -2.382585
    -2.967091 0.145282 0.048139 -0.115914 -0.300866 0.039090 0.151077 2.031270
"""
# The middle of each row that the runtime 0.1.1 makes.
WHITENED = """
    6.029517 -8.559569 -1.974230 -2.939385 -2.718768 -3.416002 -2.491099 -0.704331 1.656814
    1.767108 0.976985 2.457006 1.897391 0.754116 -0.668381 0.152924 0.775862 1.238287 1.283829
    -0.152568 -0.247141 0.175819 0.099291 0.031571 0.098533 0.329500
    6.034338 -8.232852 -1.791292 -2.425932 -1.464775 -2.747782 -1.903363 -0.484758 1.132896
    0.232960 0.414216 -0.800680 -0.218375 0.175275 -1.440422 -1.137247 -0.194821 1.276860
    0.410090 -1.013096 -0.312517 -0.081684 0.234466 0.102609 0.206862 0.473960
    6.004179 -9.091779 -3.385925 -4.406469 -3.457179 -2.855350 0.511818 0.632171 1.540227
    0.536918 1.005608 -2.052756 -2.281030 1.301906 0.266627 0.327763 -0.292015 -0.565074
    -0.010795 0.411571 0.298353 0.356835 0.106419 0.088065 -0.035105 -0.255351
"""
WHITENED_ZERO = 0.079332575


def rows_of(text: str) -> NDArray[np.float64]:
    """Frames of 26 numbers."""
    return np.array([float(number) for number in text.split()]).reshape(-1, 26)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (WHOLE_CLIP, BY_25_MS),
        (EVERY_SECOND, BY_25_MS),
        (HAMMING, BY_32_MS),
        (replace(EVERY_SECOND, sample_rate=8000), AT_8_KHZ),
    ],
    ids=["0.1", "0.2", "0.4", "8-khz"],
)
def test_features_are_those_of_the_package(settings: EarlySettings, text: str) -> None:
    """The numbers of python_speech_features, but for the steps of single precision."""
    expected = rows_of(text)
    found = early_features(SIGNAL, settings)
    assert found.dtype == np.float32
    assert found.shape == (settings.frames(len(SIGNAL)), 26)
    np.testing.assert_allclose(found[: len(expected)], expected, rtol=0, atol=5e-6)


def test_whitened_windows_are_those_of_the_runtime() -> None:
    """Frames with their context, oldest first, as the runtime 0.1.1 makes them from samples."""
    rows = whitened_windows(early_features(SIGNAL, WHOLE_CLIP), CONTEXT)
    assert rows.shape == (3, 494)
    assert rows.dtype == np.float32
    windows = rows.reshape(3, 19, 26)
    middle = windows[:, CONTEXT]
    np.testing.assert_allclose(middle, rows_of(WHITENED), rtol=0, atol=5e-6)
    for row, window in enumerate(windows):
        for index, frame in enumerate(window, row - CONTEXT):
            if 0 <= index < 3:
                np.testing.assert_array_equal(frame, middle[index])
            else:
                np.testing.assert_allclose(frame, WHITENED_ZERO, rtol=0, atol=5e-6)


@pytest.mark.parametrize(
    ("settings", "samples", "frames"),
    [
        (WHOLE_CLIP, 1, 1),
        (WHOLE_CLIP, 400, 1),
        (WHOLE_CLIP, 560, 1),
        (WHOLE_CLIP, 561, 2),
        (WHOLE_CLIP, 720, 2),
        (WHOLE_CLIP, 721, 2),
        (WHOLE_CLIP, 46797, 146),
        (EVERY_SECOND, 0, 1),
        (EVERY_SECOND, 300, 1),
        (EVERY_SECOND, 400, 1),
        (EVERY_SECOND, 6800, 21),
        (EVERY_SECOND, 6960, 22),
        (EVERY_SECOND, 46797, 146),
        (HAMMING, 300, 1),
        (HAMMING, 512, 2),
        (HAMMING, 6911, 21),
        (HAMMING, 6912, 22),
        (HAMMING, 6913, 22),
        (HAMMING, 46797, 146),
    ],
)
def test_number_of_frames(settings: EarlySettings, samples: int, frames: int) -> None:
    """As many as the runtimes 0.1.1, 0.2.0 and 0.4.1 make of so many samples."""
    assert settings.frames(samples) == frames
    clip = np.resize(SIGNAL, samples).astype(np.int16)
    assert early_features(clip, settings).shape == (frames, 26)


@pytest.mark.parametrize("settings", [WHOLE_CLIP, EVERY_SECOND, HAMMING])
def test_rest_is_filled_up_behind_the_preemphasis(settings: EarlySettings) -> None:
    """A single sample has a flat spectrum; it must not come back negated from the zeros."""
    height = 1000.0 * (0.08 if settings.hamming else 1.0)
    found = early_features(np.array([1000], np.int16), settings)
    assert found[0, 0] == pytest.approx(np.log(257 * height**2 / 512), abs=1e-5)


def test_every_second_window_is_left_out() -> None:
    """The first window is used, the next is not."""
    every = early_features(SIGNAL, replace(EVERY_SECOND, every=1))
    np.testing.assert_array_equal(early_features(SIGNAL, EVERY_SECOND), every[::2])


@pytest.mark.parametrize(
    ("settings", "energy"),
    [
        (EVERY_SECOND, -87.336548),
        (HAMMING, -87.336548),
        (replace(HAMMING, silence=TRAINING_SILENCE), -36.043653),
    ],
    ids=["0.2", "0.4", "training"],
)
def test_silence(settings: EarlySettings, energy: float) -> None:
    """Digital silence has the least energy that its era knows, and no shape."""
    found = early_features(np.zeros(1000, np.int16), settings)
    np.testing.assert_allclose(found[:, 0], energy, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found[:, 1:], 0, rtol=0, atol=1e-5)


def test_whitened_silence_is_that_of_the_runtime() -> None:
    """The runtime 0.1.1 gives two numbers for silence."""
    rows = whitened_windows(early_features(np.zeros(1000, np.int16), WHOLE_CLIP), CONTEXT)
    middle = rows.reshape(3, 19, 26)[:, CONTEXT]
    np.testing.assert_allclose(middle[:, 0], -12.793227, rtol=0, atol=5e-6)
    np.testing.assert_allclose(middle[:, 1:], 0.07816636, rtol=0, atol=5e-6)


@pytest.mark.parametrize(
    ("settings", "rate", "window", "step"),
    [
        (WHOLE_CLIP, 16000, 400, 160),
        (HAMMING, 16000, 512, 320),
        (WHOLE_CLIP, 8000, 200, 80),
        (HAMMING, 8000, 256, 160),
        (WHOLE_CLIP, 11025, 276, 110),
        (HAMMING, 11025, 353, 221),
    ],
)
def test_windows_are_rounded_half_up(
    settings: EarlySettings, rate: int, window: int, step: int
) -> None:
    """As python_speech_features rounds them."""
    at_rate = replace(settings, sample_rate=rate)
    assert (at_rate.window, at_rate.step) == (window, step)


@pytest.mark.parametrize(
    ("rate", "reason"), [(22050, "are 706 samples"), (20, "too low"), (0, "too low")]
)
def test_rates_without_features_are_refused(rate: int, reason: str) -> None:
    """The originals cut longer windows off, and make none of no samples."""
    with pytest.raises(ConversionError, match=reason):
        early_features(SIGNAL, replace(HAMMING, sample_rate=rate))


def original_clip(models: Path) -> Samples:
    """The clip that the exports were trained on."""
    return read_wav(models / "LDC93S1_pcms16le_1_16000.wav", 16000)


FULL = "she had your dark suit in greasy wash water all year"
BEST_PATH = "she had your dark suit in greasy wash water al year"
SAMPLED_CLASSES = [0, 1, 5, 9, 28]

# By model: its features, the text of its best path, and some scores of the original runtime for
# the first frame, one in the middle and the last.
STREAMED = {
    "deepspeech-0.2.0-static.pb": (
        EVERY_SECOND,
        FULL,
        {
            0: [-2.672306, 2.349485, -3.093993, -6.129397, -1.388806],
            57: [14.981703, -0.718504, -4.808459, 4.597087, -1.767613],
            145: [-3.430221, 4.356157, 1.624780, -2.876921, 1.040924],
        },
    ),
    "deepspeech-0.4.1-static.pb": (
        HAMMING,
        BEST_PATH,
        {
            0: [0.000012, 0.000128, 0.000007, 0.000000, 0.000184],
            57: [0.000003, 0.000054, 0.000000, 0.171137, 0.037410],
            145: [0.000000, 0.000001, 0.000022, 0.000173, 0.002966],
        },
    ),
    # No original runtime runs it; its weights are its own.
    "deepspeech-0.4.1-nosl.pb": (HAMMING, BEST_PATH, {}),
}


@pytest.mark.models
@pytest.mark.parametrize("name", STREAMED)
def test_streamed_exports_transcribe_as_their_runtimes(name: str, models: Path) -> None:
    """The scores are those of the original runtime, and so are the texts."""
    settings, best_path, expected = STREAMED[name]
    samples = original_clip(models)
    model = open_graph_model(models / name)
    speech = Speech(samples, early_features(samples, settings))
    said = [chunk.probabilities for chunk in Stream(model).run_clip(speech)]
    probabilities = np.concatenate(said)
    for frame, row in expected.items():
        found, expected_value = probabilities[frame, SAMPLED_CLASSES], np.array(row)
        if model.interface.gives_logits:
            # Up to what a softmax takes away from all scores of a frame alike.
            found, expected_value = np.diff(np.log(found)), np.diff(expected_value)
        np.testing.assert_allclose(found, expected_value, rtol=0, atol=1e-5)
    alphabet = Alphabet.from_file(models / "alphabet.txt")
    assert greedy_transcript(probabilities, alphabet) == best_path
    assert beam_transcript(probabilities, alphabet, 500) == FULL


def scores_of_whole_clip(tensorflow: Any, path: Path, rows: FloatArray) -> tuple[Any, Any]:
    """The scores [frames, classes] of an export of 0.1, and the labels that it decodes itself."""
    definition = tensorflow.compat.v1.GraphDef()
    definition.ParseFromString(path.read_bytes())
    graph = tensorflow.Graph()
    with graph.as_default():
        tensorflow.graph_util.import_graph_def(definition, name="")
    feeds = {"input_node:0": rows[None], "input_lengths:0": [len(rows)]}
    with tensorflow.compat.v1.Session(graph=graph) as session:
        scores, labels = session.run(["logits:0", "output_node:0"], feeds)
    return scores.reshape(len(rows), -1), labels.reshape(-1)


@pytest.mark.models
@pytest.mark.tensorflow
def test_whole_clip_export_transcribes_as_its_runtime(models: Path, tensorflow: Any) -> None:
    """The decoder in the graph and a beam search find the text of the original runtime."""
    samples = original_clip(models)
    rows = whitened_windows(early_features(samples, WHOLE_CLIP), CONTEXT)
    path = models / "deepspeech-0.1.1-static.pb"
    scores, labels = scores_of_whole_clip(tensorflow, path, rows)
    alphabet = Alphabet.from_file(models / "alphabet.txt")
    assert transcript_of(alphabet, labels.tolist()) == FULL
    assert beam_transcript(softmax(scores), alphabet, 500) == FULL
    assert greedy_transcript(softmax(scores), alphabet) == BEST_PATH
