"""Train the demo model that ships in ``dsconv/fixtures/data``.

Needs TensorFlow, scipy and the ``espeak-ng`` command; a user of dsconv needs none of them.
The model learns the five clips below by heart, so it transcribes them and nothing else, which is
all that a parity check asks of it. It is made to behave like a released model where numbers are
compared: a soft noise in the clips keeps them from digital silence, which no recording has; a
penalty keeps the cell states as small as those of the releases; noise on the weights, several times
the rounding error of int8, keeps it from leaning on their last digits. It learns the texts with CTC
first, and then each frame's own class, so that no frame lies halfway between two.

    python tools/train_demo_model.py            # speak the clips, train, write the package data
"""

import argparse
import subprocess
import tempfile
import wave
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.signal import resample_poly

from dsconv.acoustic.export import LSTM, ExportSettings, export_chunks
from dsconv.acoustic.front_end import usual_settings
from dsconv.acoustic.metadata import Metadata
from dsconv.fixtures.random_model import random_weights
from dsconv.formats.output import new_file
from dsconv.formats.storage import write_chunks
from dsconv.speech.alphabet import Alphabet
from dsconv.speech.decode import greedy_transcript, softmax
from dsconv.speech.features import FloatArray, features
from dsconv.speech.framing import chunks, sample_windows
from dsconv.speech.wav import Samples

Loss: TypeAlias = Callable[[tf.Tensor], tf.Tensor]
"""Of raw scores [time, clips, classes], as one number a frame."""

SENTENCES = {
    "open-the-file": "open the file and read what is inside",
    "same-words": "every converted model must say the same words",
    "trust": "don't trust a number that nobody measured",
    "small-models": "small models fit where large ones can not go",
    "frozen-graph": "a frozen graph goes in at one end and five new formats come out at the other "
    "each of them checked against the same speech",
}
ALPHABET = Alphabet(tuple(letter.encode() for letter in " abcdefghijklmnopqrstuvwxyz'"))
BLANK = len(ALPHABET.labels)
SETTINGS = ExportSettings(ALPHABET, language="en-US")
HIDDEN = 128
SEED = 1

DITHER = 3.0
"""Standard deviation of the noise in the clips, in steps of their 16 bits."""

VARIANTS = 8
"""Louder, softer and noisier versions of the clips to train on, beside the clips themselves."""

LARGEST_CELL = 5.0
"""Cell states beyond this are penalised."""

WEIGHT_NOISE = 10.0
"""Noise on the weights in training, as a multiple of the error of rounding them to int8."""

SMOOTHING = 0.02
"""Probability that the targets leave to all classes together, so that scores stay moderate."""


def speak(text: str, rng: np.random.Generator) -> Samples:
    """Speak `text` with espeak-ng; return it at the model's rate, with soft noise throughout."""
    with tempfile.TemporaryDirectory() as folder:
        spoken = Path(folder, "spoken.wav")
        subprocess.run(["espeak-ng", "-v", "en-us", "-s", "150", "-w", spoken, text], check=True)
        with wave.open(str(spoken)) as wav:
            rate = wav.getframerate()
            samples = np.frombuffer(wav.readframes(wav.getnframes()), np.int16)
    resampled = resample_poly(samples.astype(np.float64), SETTINGS.sample_rate, rate)
    return with_noise(resampled, DITHER, rng)


def with_noise(
    samples: NDArray[np.floating], deviation: float, rng: np.random.Generator
) -> Samples:
    """The samples with white noise, as 16-bit integers."""
    noisy = samples + deviation * rng.standard_normal(len(samples))
    return np.asarray(np.clip(np.rint(noisy), -32768, 32767), np.int16)


def write_wav(path: Path, samples: Samples) -> None:
    """Write a 16-bit mono WAV at the model's rate."""
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(SETTINGS.sample_rate)
        wav.writeframes(samples.astype("<i2").tobytes())


def varied(samples: Samples, rng: np.random.Generator) -> Samples:
    """The clip from half as loud to half as loud again, with up to twice the noise added."""
    gain = rng.uniform(0.5, 1.5)
    return with_noise(gain * samples, rng.uniform(0, 2 * DITHER), rng)


def feature_windows(samples: Samples) -> FloatArray:
    """The clip's features with their context [frames, 19 * 26], as dsconv feeds them."""
    front_end = usual_settings(Metadata(), SETTINGS.n_input)
    windows = sample_windows(samples, front_end.window, front_end.step)
    mfccs = features(windows, front_end)
    (whole_clip,) = chunks(mfccs, SETTINGS.n_context, len(mfccs))
    return whole_clip.reshape(len(mfccs), -1)


def padded(clips: list[FloatArray]) -> FloatArray:
    """Clips [frames, values] side by side, the short ones filled up: [time, clips, values]."""
    longest = max(map(len, clips))
    return np.stack([np.pad(c, ((0, longest - len(c)), (0, 0))) for c in clips], axis=1)


def training_batches(recordings: list[Samples]) -> FloatArray:
    """The clips, and then their variants [1 + variants, time, clips, values]."""
    rng = np.random.default_rng(SEED)
    versions = [recordings]
    versions += [[varied(samples, rng) for samples in recordings] for _ in range(VARIANTS)]
    return np.stack([padded([feature_windows(clip) for clip in version]) for version in versions])


def initial_weights() -> dict[str, tf.Variable]:
    """Random weights under the names that the original training code gives them."""
    weights = random_weights(HIDDEN, SETTINGS, SEED)
    # Gate columns are i, c, f, o; the graph's forget_bias is 0, so the bias itself starts at 1.
    weights[f"{LSTM}/bias"][2 * HIDDEN : 3 * HIDDEN] += 1
    return {name: tf.Variable(value) for name, value in weights.items()}


def network(weights: dict[str, tf.Tensor], batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Raw scores [time, clips, classes] and cell states of windows [time, clips, values]."""
    zeros, state = tf.zeros([HIDDEN]), tf.zeros([batch.shape[1], HIDDEN])

    def dense(name: str, x: tf.Tensor) -> tf.Tensor:
        return tf.tensordot(x, weights[f"{name}/weights"], 1) + weights[f"{name}/bias"]

    def clipped(name: str, x: tf.Tensor) -> tf.Tensor:
        return tf.minimum(tf.nn.relu(dense(name, x)), SETTINGS.relu_clip)

    lstm = tf.raw_ops.BlockLSTM(
        seq_len_max=tf.constant(batch.shape[0], tf.int64),
        x=clipped("layer_3", clipped("layer_2", clipped("layer_1", batch))),
        cs_prev=state,
        h_prev=state,
        w=weights[f"{LSTM}/kernel"],
        wci=zeros,
        wcf=zeros,
        wco=zeros,
        b=weights[f"{LSTM}/bias"],
        forget_bias=0.0,
        cell_clip=-1.0,
        use_peephole=False,
    )
    return dense("layer_6", clipped("layer_5", lstm.h)), lstm.cs


def noisy(weight: tf.Tensor) -> tf.Tensor:
    """A matrix with noise in proportion to the int8 rounding of its largest value."""
    if len(weight.shape) < 2:
        return tf.convert_to_tensor(weight)
    rounding = tf.reduce_max(tf.abs(weight)) / 127 / 12**0.5
    return weight + WEIGHT_NOISE * rounding * tf.random.normal(weight.shape)


def fit(weights: dict[str, tf.Variable], batches: FloatArray, loss: Loss, iterations: int) -> None:
    """Train on the first of the batches [n, time, clips, values] beside one of the others."""
    rate = tf.keras.optimizers.schedules.CosineDecay(2e-3, iterations)
    optimizer = tf.keras.optimizers.AdamW(rate, weight_decay=1e-4, global_clipnorm=1.0)
    variables = list(weights.values())
    pool = tf.constant(batches)

    @tf.function
    def step(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        variant = 1 + number % VARIANTS
        with tf.GradientTape() as tape:
            disturbed = {name: noisy(weight) for name, weight in weights.items()}
            scores, cells = network(disturbed, tf.concat([pool[0], pool[variant]], axis=1))
            value = loss(scores)
            excess = tf.nn.relu(tf.abs(cells) - LARGEST_CELL)
            total = value + tf.reduce_mean(excess**2)
        optimizer.apply_gradients(zip(tape.gradient(total, variables), variables, strict=True))
        return value, tf.reduce_max(tf.abs(cells))

    for iteration in range(iterations):
        value, cell = step(tf.constant(iteration))
        if iteration % 50 == 0 or iteration == iterations - 1:
            print(f"{iteration:5d}  loss {value:8.4f}  largest cell {cell:5.1f}", flush=True)


def loss_of_texts(texts: list[str], lengths: list[int]) -> Loss:
    """CTC, for the clips and once more for their variants."""
    labels = [[ALPHABET.labels.index(letter.encode()) for letter in text] for text in texts]
    sparse = tf.cast(tf.ragged.constant(labels + labels).to_sparse(), tf.int32)
    frames = np.array(lengths + lengths, np.int32)

    def loss(scores: tf.Tensor) -> tf.Tensor:
        each = tf.nn.ctc_loss(sparse, scores, None, frames, blank_index=BLANK)
        return tf.reduce_sum(each) / frames.sum()

    return loss


def loss_of_frames(classes: NDArray[np.int64]) -> Loss:
    """Cross entropy with a class for each frame [time, clips] and for the same of the variants."""
    certain = tf.one_hot(np.tile(classes, (1, 2)), BLANK + 1)
    targets = certain * (1 - SMOOTHING) + SMOOTHING / (BLANK + 1)

    def loss(scores: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, scores))

    return loss


def best_paths(scores: FloatArray, lengths: list[int]) -> NDArray[np.int64]:
    """The likeliest class of each frame [time, clips], the blank behind the end of a clip."""
    behind = np.arange(len(scores))[:, None] >= np.array(lengths)
    return np.where(behind, BLANK, scores.argmax(axis=-1))


def train(recordings: list[Samples], texts: list[str], iterations: int) -> dict[str, FloatArray]:
    """Fit the network to the clips, first to their texts, then to its own path through them."""
    clips = [feature_windows(samples) for samples in recordings]
    lengths = [len(clip) for clip in clips]
    batches = training_batches(recordings)
    weights = initial_weights()
    fit(weights, batches, loss_of_texts(texts, lengths), iterations)
    scores = network(weights, tf.constant(batches[0]))[0].numpy()
    paths = best_paths(scores, lengths)
    fit(weights, batches, loss_of_frames(paths), iterations)
    report(weights, clips, texts)
    return {name: variable.numpy() for name, variable in weights.items()}


def report(weights: dict[str, tf.Variable], clips: list[FloatArray], texts: list[str]) -> None:
    """Print the best path of every clip, which must be the clip's own text, and its margin."""
    for clip, text in zip(clips, texts, strict=True):
        scores, cells = network(weights, tf.constant(clip[:, None]))
        probabilities = softmax(scores[:, 0].numpy())
        ranked = np.sort(probabilities, axis=1)
        greedy = greedy_transcript(probabilities, ALPHABET)
        print(
            f"{'ok ' if greedy == text else 'BAD'} {len(clip)} frames, smallest margin "
            f"{(ranked[:, -1] - ranked[:, -2]).min():.3f}, largest cell "
            f"{np.abs(cells).max():.1f}  {greedy!r}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = Path(__file__).parents[1] / "dsconv" / "fixtures" / "data"
    parser.add_argument("--output", type=Path, default=data, help="folder of the package data")
    parser.add_argument("--iterations", type=int, default=500, help="for texts, and for frames")
    arguments = parser.parse_args()
    folder: Path = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    tf.keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(2)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    rng = np.random.default_rng(SEED)
    recordings = [speak(text, rng) for text in SENTENCES.values()]
    for (name, text), samples in zip(SENTENCES.items(), recordings, strict=True):
        write_wav(folder / f"{name}.wav", samples)
        (folder / f"{name}.txt").write_text(text + "\n")
    (folder / "alphabet.txt").write_text("".join(f"{label}\n" for label in ALPHABET.texts))
    weights = train(recordings, list(SENTENCES.values()), arguments.iterations)
    with new_file(folder / "output_graph.pb", force=True) as file:
        write_chunks(file, export_chunks(weights, SETTINGS))


if __name__ == "__main__":
    main()
