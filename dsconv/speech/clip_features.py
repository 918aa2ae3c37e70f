"""The features of a clip, whichever version's way a model wants them."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dsconv.speech.early_features import EarlySettings, early_features
from dsconv.speech.features import FeatureSettings, FloatArray, features
from dsconv.speech.framing import sample_windows

Features: TypeAlias = FeatureSettings | EarlySettings
"""How features are made: by the front end of graphs since 0.5, or outside of those before."""


def clip_features(samples: NDArray[np.int16], settings: Features) -> FloatArray:
    """The features [frames, coefficients] of a clip of 16-bit samples.

    Raises ConversionError for settings that make no features.
    """
    if isinstance(settings, EarlySettings):
        return early_features(samples, settings)
    return features(sample_windows(samples, settings.window, settings.step), settings)


def features_from_text(text: str) -> Features:
    """The settings in a property of a converted file. Raises ModelError if they are damaged."""
    return (FeatureSettings if '"spectrogram"' in text else EarlySettings).from_text(text)
