"""From a clip to what a model is fed: windows of samples, features, chunks of frames.

A clip gives every full window of samples, one step apart, and one more, filled up with zeros. Each
frame of features is fed with its context; before the first and after the last frame that is zeros.

Source: ``native_client/deepspeech.cc`` of DeepSpeech 0.9.3.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dsconv.speech.early_features import early_features
from dsconv.speech.features import FloatArray, features
from dsconv.speech.settings import EarlySettings, Features

# As TensorFlow's DecodeWav and the original runtimes scale: -32768 is -1, 32767 a little below 1.
_PCM_SCALE = np.float32(1 / 32768)


def clip_features(samples: NDArray[np.int16], settings: Features) -> FloatArray:
    """The features [frames, coefficients] of a clip of 16-bit samples.

    Raises ConversionError for settings that make no features.
    """
    if isinstance(settings, EarlySettings):
        return early_features(samples, settings)
    return features(sample_windows(samples, settings.window, settings.step), settings)


def sample_windows(samples: NDArray[np.int16], window: int, step: int) -> FloatArray:
    """Windows [n, window] of 16-bit samples, scaled to the range -1 to 1. A read-only view."""
    full = (len(samples) - window) // step + 1 if len(samples) >= window else 0
    padded = np.zeros(full * step + window, np.float32)
    usable = min(len(samples), len(padded))
    padded[:usable] = scaled_samples(samples[:usable])
    return sliding_window_view(padded, window)[::step]


def scaled_samples(samples: NDArray[np.int16]) -> FloatArray:
    """16-bit samples in the range -1 to 1."""
    return samples * _PCM_SCALE


def chunks(features: FloatArray, context: int, steps: int) -> Iterator[FloatArray]:
    """Feature windows [n, 2 * context + 1, features], up to `steps` frames at a time."""
    silence = np.zeros((context, features.shape[1]), np.float32)
    padded = np.concatenate([silence, features, silence])
    windows = sliding_window_view(padded, 2 * context + 1, axis=0).transpose(0, 2, 1)
    for start in range(0, len(features), steps):
        yield windows[start : start + steps]


def whitened_windows(features: FloatArray, context: int) -> FloatArray:
    """What 0.1 feeds: each frame [n, features] with its context, [n, (2 * context + 1) * features].

    The rows run from the oldest frame to the newest. Mean and deviation over the whole clip, the
    zeros around it included, become 0 and 1.
    """
    (windows,) = chunks(features, context, len(features))
    rows = windows.reshape(len(features), -1).astype(np.float64)
    return np.asarray((rows - rows.mean()) / rows.std(), np.float32)
