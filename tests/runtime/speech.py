"""Speech for the tests of runtimes, and whole clips run through a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dsconv.fixtures.demo_model import clips
from dsconv.runtime.model import Interface, Model
from dsconv.runtime.stream import USUAL_STEPS, Speech, Stream, hear
from dsconv.speech.features import FloatArray
from dsconv.speech.wav import Samples, read_wav

RATE = 16000
TEXT = "she had your dark suit in greasy wash water all year"
"""What is said in the clip that the original exports were trained on."""


def original_clip(models: Path, interface: Interface) -> Samples:
    """That clip at a model's rate."""
    rate = interface.metadata.sample_rate or RATE
    return read_wav(models / f"LDC93S1_pcms16le_1_{rate}.wav", rate)


def packaged_speech(samples: int) -> Samples:
    """So many samples of the packaged clips, one after the other and again from the first."""
    spoken = np.concatenate([read_wav(clip.wav, RATE) for clip in clips()])
    return np.resize(spoken, samples)


def clip_features(model: Model, samples: Samples) -> FloatArray:
    """The features of a clip, as dsconv makes them for a model."""
    return hear(model, samples).features


def of_features(features: FloatArray) -> Speech:
    """A clip of which only the features are known."""
    return Speech(np.zeros(0, np.int16), features)


def run_clip(model: Model, features: FloatArray, steps: int = USUAL_STEPS) -> Any:
    """The probabilities [frames, classes] of a clip, and the states after its last frame.

    The states are one array, empty for a model that keeps them itself or ran into the padding.
    """
    found = list(Stream(model).run_clip(of_features(features), steps))
    probabilities = np.concatenate([chunk.probabilities for chunk in found])
    states = found[-1].states or {}
    return probabilities, np.array([states[name] for name in sorted(states)], np.float32)


def distance(actual: Any, expected: Any) -> float:
    """The largest absolute difference; 0 between empty arrays of one shape."""
    assert actual.shape == expected.shape
    return float(np.abs(actual - expected).max(initial=0))


def state_bound(states: Any) -> float:
    """How far the states of another runtime may be off: 1e-4, or 2e-6 of the largest of them.

    The cells of a trained model count frames; float32 has steps of 1.5e-5 from 128 on.
    """
    return max(1e-4, 2e-6 * float(np.abs(states).max(initial=0)))
