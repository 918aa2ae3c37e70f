"""Train the demo model that ships in ``dsconv/fixtures/data``.

Needs TensorFlow, scipy and the ``espeak-ng`` command; a user of dsconv needs none of them.
The model learns the five clips below by heart, so it transcribes them and nothing else, which is
all that a parity check asks of it. Noise on the features and on the weights during training keeps
the probabilities sharp enough for int8 conversions to give the same text.

    python tools/train_demo_model.py            # speak the clips, train, write the package data
"""

import argparse
import subprocess
import tempfile
import wave
from pathlib import Path
from typing import TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.signal import resample_poly

from dsconv.acoustic.export import LSTM, ExportSettings, export_chunks
from dsconv.graph.storage import write_chunks
from dsconv.output import new_file
from dsconv.speech.alphabet import Alphabet

FloatArray: TypeAlias = NDArray[np.float32]

SENTENCES = {
    "open-the-file": "open the file and read what is inside",
    "same-words": "every converted model must say the same words",
    "trust": "don't trust a number that nobody measured",
    "small-models": "small models fit where large ones can not go",
    "frozen-graph": "a frozen graph goes in at one end and five new formats come out at the other "
    "each of them checked against the same speech",
}
ALPHABET = " abcdefghijklmnopqrstuvwxyz'"
SAMPLE_RATE = 16000
WINDOW, STEP = 512, 320
LANGUAGE = "en-US"
CONTEXT = 9
FEATURES = 26
HIDDEN = 128
RELU_CLIP = 20.0


def speak(text: str, path: Path) -> NDArray[np.int16]:
    """Speak `text` with espeak-ng into a 16 kHz mono WAV; return its int16 samples."""
    with tempfile.TemporaryDirectory() as folder:
        spoken = Path(folder, "spoken.wav")
        subprocess.run(["espeak-ng", "-v", "en-us", "-s", "150", "-w", spoken, text], check=True)
        with wave.open(str(spoken)) as wav:
            rate = wav.getframerate()
            samples = np.frombuffer(wav.readframes(wav.getnframes()), np.int16)
    resampled = resample_poly(samples.astype(np.float64), SAMPLE_RATE, rate)
    pcm = np.clip(np.round(resampled), -32768, 32767).astype(np.int16)
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(SAMPLE_RATE)
        wav.writeframes(pcm.tobytes())
    return pcm


def features(pcm: NDArray[np.int16]) -> FloatArray:
    """MFCC windows [frames, 19 * 26], framed as the original native client frames a whole clip."""
    frames = max(0, (len(pcm) - WINDOW) // STEP + 1) + 1
    padded = np.zeros((frames - 1) * STEP + WINDOW, np.float32)
    usable = pcm[: len(padded)].astype(np.float32) / 32768
    padded[: len(usable)] = usable
    spectrogram = tf.raw_ops.AudioSpectrogram(
        input=padded[:, None], window_size=WINDOW, stride=STEP, magnitude_squared=True
    )
    mfcc = tf.raw_ops.Mfcc(
        spectrogram=spectrogram,
        sample_rate=SAMPLE_RATE,
        dct_coefficient_count=FEATURES,
        upper_frequency_limit=SAMPLE_RATE / 2,
    )[0].numpy()
    assert len(mfcc) == frames
    silent = np.zeros((CONTEXT, FEATURES), np.float32)
    around = np.concatenate([silent, mfcc, silent])
    return np.stack([around[i : i + 2 * CONTEXT + 1].ravel() for i in range(frames)])


def initial_weights(rng: np.random.Generator) -> dict[str, tf.Variable]:
    """Glorot-uniform weights under the names that the original training code gives them."""
    inputs = (2 * CONTEXT + 1) * FEATURES
    shapes = {
        "layer_1/weights": (inputs, HIDDEN),
        "layer_2/weights": (HIDDEN, HIDDEN),
        "layer_3/weights": (HIDDEN, HIDDEN),
        f"{LSTM}/kernel": (2 * HIDDEN, 4 * HIDDEN),
        "layer_5/weights": (HIDDEN, HIDDEN),
        "layer_6/weights": (HIDDEN, len(ALPHABET) + 1),
    }
    weights = {}
    for name, (rows, columns) in shapes.items():
        limit = np.sqrt(6 / (rows + columns))
        weights[name] = rng.uniform(-limit, limit, (rows, columns))
        weights[name.replace("weights", "bias").replace("kernel", "bias")] = np.zeros(columns)
    # Gate columns are i, c, f, o; the graph's forget_bias is 0, so the bias itself starts at 1.
    weights[f"{LSTM}/bias"][2 * HIDDEN : 3 * HIDDEN] = 1.0
    return {name: tf.Variable(value, dtype=tf.float32) for name, value in weights.items()}


def logits(weights: dict[str, tf.Tensor], batch: tf.Tensor) -> tf.Tensor:
    """Raw scores [time, batch, classes] of feature windows [time, batch, 494]."""
    steps, clips = batch.shape[:2]

    def dense(name: str, x: tf.Tensor) -> tf.Tensor:
        return x @ weights[f"{name}/weights"] + weights[f"{name}/bias"]

    x = tf.reshape(batch, [steps * clips, -1])
    for name in ("layer_1", "layer_2", "layer_3"):
        x = tf.minimum(tf.nn.relu(dense(name, x)), RELU_CLIP)
    zeros, state = tf.zeros([HIDDEN]), tf.zeros([clips, HIDDEN])
    x = tf.raw_ops.BlockLSTM(
        seq_len_max=tf.constant(steps, tf.int64),
        x=tf.reshape(x, [steps, clips, HIDDEN]),
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
    ).h
    x = tf.reshape(x, [steps * clips, HIDDEN])
    x = tf.minimum(tf.nn.relu(dense("layer_5", x)), RELU_CLIP)
    return tf.reshape(dense("layer_6", x), [steps, clips, -1])


def train(clips: list[FloatArray], texts: list[str], iterations: int) -> dict[str, FloatArray]:
    """Fit the network to the clips with CTC; return the weights by name."""
    tf.keras.utils.set_random_seed(1)
    tf.config.experimental.enable_op_determinism()
    lengths = np.array([len(clip) for clip in clips], np.int32)
    batch = np.zeros((lengths.max(), len(clips), clips[0].shape[1]), np.float32)
    for i, clip in enumerate(clips):
        batch[: len(clip), i] = clip
    labels = tf.ragged.constant([[ALPHABET.index(c) for c in text] for text in texts])
    label_lengths = np.array([len(text) for text in texts], np.int32)
    dense_labels = labels.to_tensor()
    weights = initial_weights(np.random.default_rng(1))
    rate = tf.keras.optimizers.schedules.CosineDecay(2e-3, iterations)
    optimizer = tf.keras.optimizers.AdamW(rate, weight_decay=1e-4, global_clipnorm=5.0)
    variables = list(weights.values())

    @tf.function
    def step(noise: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            noisy = {
                name: w + noise * tf.math.reduce_std(w) * tf.random.normal(w.shape)
                for name, w in weights.items()
            }
            scores = logits(noisy, batch + 4 * noise * tf.random.normal(batch.shape))
            loss = tf.reduce_mean(
                tf.nn.ctc_loss(
                    dense_labels, scores, label_lengths, lengths, blank_index=len(ALPHABET)
                )
            )
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    for iteration in range(iterations):
        loss = step(tf.constant(0.1 * min(1.0, iteration / (iterations / 3)), tf.float32))
        if iteration % 50 == 0 or iteration == iterations - 1:
            print(f"{iteration:5d}  loss {float(loss):8.4f}", flush=True)
    report(weights, clips, texts)
    return {name: variable.numpy() for name, variable in weights.items()}


def report(weights: dict[str, tf.Variable], clips: list[FloatArray], texts: list[str]) -> None:
    """Print the best path of every clip: it must be the clip's own text."""
    for clip, text in zip(clips, texts, strict=True):
        probabilities = tf.nn.softmax(logits(weights, clip[:, None])[:, 0]).numpy()
        path = probabilities.argmax(1)
        kept = [c for i, c in enumerate(path) if c < len(ALPHABET) and (i == 0 or c != path[i - 1])]
        greedy = "".join(ALPHABET[c] for c in kept)
        print(f"{'ok ' if greedy == text else 'BAD'} {len(clip)} frames  {greedy!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = Path(__file__).parents[1] / "dsconv" / "fixtures" / "data"
    parser.add_argument("--output", type=Path, default=data, help="folder of the package data")
    parser.add_argument("--iterations", type=int, default=3000)
    arguments = parser.parse_args()
    folder: Path = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    texts = list(SENTENCES.values())
    recordings = [speak(text, folder / f"{name}.wav") for name, text in SENTENCES.items()]
    for name, text in SENTENCES.items():
        (folder / f"{name}.txt").write_text(text + "\n")
    (folder / "alphabet.txt").write_text("".join(f"{letter}\n" for letter in ALPHABET))
    weights = train([features(pcm) for pcm in recordings], texts, arguments.iterations)
    settings = ExportSettings(Alphabet.from_file(folder / "alphabet.txt"), language=LANGUAGE)
    with new_file(folder / "output_graph.pb", force=True) as file:
        write_chunks(file, export_chunks(weights, settings))


if __name__ == "__main__":
    main()
