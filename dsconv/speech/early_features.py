"""MFCC features as they were made outside of the graph, before DeepSpeech 0.5.

The samples keep the range of 16 bits and are pre-emphasized over the whole clip; the first
coefficient is the logarithm of a window's energy. Everything is computed in double precision. The
original runtimes do it in single precision: on speech their features are up to 3e-4 off these.

Source: ``python_speech_features`` 0.6, of which ``native_client/c_speech_features`` is a port;
``native_client/deepspeech_utils.cc`` of DeepSpeech 0.1.1, ``native_client/deepspeech.cc`` of 0.2.0
and 0.4.1.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from dsconv.speech.features import FloatArray
from dsconv.speech.settings import CHANNELS, COEFFICIENTS, EARLY_FFT_LENGTH, EarlySettings

_DoubleArray = NDArray[np.float64]

_BINS = EARLY_FFT_LENGTH // 2 + 1
# The defaults of python_speech_features, which the training code did not change.
_PREEMPHASIS = 0.97
_LIFTER = 22


def early_features(samples: NDArray[np.int16], settings: EarlySettings) -> FloatArray:
    """The features [frames, 26] of a clip of 16-bit samples.

    Raises ConversionError for a sample rate at which the originals make no features.
    """
    settings.check()
    windows = _windows(_preemphasized(samples), settings)
    if settings.hamming:
        windows = windows * np.hamming(settings.window)
    spectra = np.fft.rfft(windows, EARLY_FFT_LENGTH)
    power = (spectra.real**2 + spectra.imag**2) / EARLY_FFT_LENGTH
    channels = _logarithms(power @ _filters(settings.sample_rate), settings.silence)
    features = np.asarray(channels @ _liftered_cosines(), np.float32)
    features[:, 0] = _logarithms(power.sum(axis=1), settings.silence)
    return features


def _preemphasized(samples: NDArray[np.int16]) -> _DoubleArray:
    """Each sample less a share of the one before it; before the first there is silence."""
    result = samples.astype(np.float64)
    result[1:] -= _PREEMPHASIS * samples[:-1]
    return result


def _windows(samples: _DoubleArray, settings: EarlySettings) -> _DoubleArray:
    """The windows that make frames [frames, window], filled up with zeros. A read-only view."""
    stride = settings.every * settings.step
    frames = settings.frames(len(samples))
    padded = np.zeros((frames - 1) * stride + settings.window)
    usable = min(len(samples), len(padded))
    padded[:usable] = samples[:usable]
    return sliding_window_view(padded, settings.window)[::stride]


def _logarithms(energies: _DoubleArray, silence: float) -> _DoubleArray:
    return np.asarray(np.log(np.where(energies == 0, silence, energies)))


def _mel(hertz: ArrayLike) -> _DoubleArray:
    return np.asarray(2595 * np.log10(1 + np.asarray(hertz, np.float64) / 700))


@lru_cache
def _filters(sample_rate: int) -> _DoubleArray:
    """Weights [bins, channels] of the filters; their corners are rounded down to bins."""
    mels = np.linspace(0, _mel(sample_rate / 2), CHANNELS + 2)
    hertz = 700 * (10 ** (mels / 2595) - 1)
    corners = np.floor((EARLY_FFT_LENGTH + 1) * hertz / sample_rate).astype(np.int64)
    weights = np.zeros((_BINS, CHANNELS))
    for channel in range(CHANNELS):
        left, center, right = corners[channel : channel + 3]
        weights[left:center, channel] = np.arange(center - left) / (center - left)
        weights[center:right, channel] = np.arange(right - center, 0, -1) / (right - center)
    weights.setflags(write=False)
    return weights


@lru_cache
def _liftered_cosines() -> _DoubleArray:
    """The orthonormal cosine transform [channels, coefficients] with the lifter in its columns."""
    channels = np.arange(CHANNELS)[:, None] + 0.5
    coefficients = np.arange(COEFFICIENTS)
    # The first column would be scaled otherwise; the energy takes its place.
    cosines = np.cos(np.pi * channels * coefficients / CHANNELS) * np.sqrt(2 / CHANNELS)
    liftered = np.asarray(cosines * (1 + _LIFTER / 2 * np.sin(np.pi * coefficients / _LIFTER)))
    liftered.setflags(write=False)
    return liftered
