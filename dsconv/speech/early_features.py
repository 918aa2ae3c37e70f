"""MFCC features as they were made outside of the graph, before DeepSpeech 0.5.

The samples keep the range of 16 bits and are pre-emphasized over the whole clip; the first
coefficient is the logarithm of a window's energy. Everything is computed in double precision. The
original runtimes do it in single precision: on speech their features are up to 3e-4 off these.

Source: ``python_speech_features`` 0.6, of which ``native_client/c_speech_features`` is a port;
``native_client/deepspeech_utils.cc`` of DeepSpeech 0.1.1, ``native_client/deepspeech.cc`` of 0.2.0
and 0.4.1.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from dsconv.errors import ConversionError, ModelError
from dsconv.speech.features import FloatArray
from dsconv.speech.framing import chunks

_DoubleArray = NDArray[np.float64]

COEFFICIENTS = 26
"""Numbers in a frame, of which the first is the energy."""

CHANNELS = 26
"""Triangular filters, from 0 Hz to half of the sample rate."""

RUNTIME_SILENCE = float(np.finfo(np.float32).tiny)
"""The energy that the original runtimes put in place of zero."""

_EARLY = "before 0.5"

_FFT_LENGTH = 512
_BINS = _FFT_LENGTH // 2 + 1
_PREEMPHASIS = 0.97
_LIFTER = 22


@dataclass(frozen=True)
class EarlySettings:
    """How the features of a model were made.

    One window in `every` makes a frame. A `streamed` clip gives its full windows and one more of
    what is left over, even where the last full one ended with the clip; any other gives only the
    windows that it takes to hold all samples. `silence` is the energy in place of zero.
    """

    window_ms: int
    step_ms: int
    every: int
    hamming: bool
    streamed: bool
    sample_rate: int = 16000
    silence: float = RUNTIME_SILENCE

    @property
    def coefficients(self) -> int:
        """Numbers in a frame."""
        return COEFFICIENTS

    @classmethod
    def from_text(cls, text: str) -> EarlySettings:
        """The settings in a property of a converted file, the inverse of `to_text`.

        Raises ModelError for a text that holds no settings.
        """
        try:
            return cls(**json.loads(text)[_EARLY])
        except (KeyError, TypeError, ValueError):
            raise ModelError(f"its feature settings are damaged: {text[:80]!r}.") from None

    def to_text(self) -> str:
        """The settings as a text property, for formats that hold such."""
        return json.dumps({_EARLY: asdict(self)})

    def __str__(self) -> str:
        which = "all" if self.every == 1 else f"every {self.every}. one"
        taper = "Hamming" if self.hamming else "no taper"
        return (
            f"{self.window}/{self.step} samples at {self.sample_rate} Hz, {which}, {taper}, "
            f"{self.coefficients} MFCCs as before 0.5"
        )

    @property
    def window(self) -> int:
        """Samples in a window."""
        return _half_up(self.window_ms * self.sample_rate, 1000)

    @property
    def step(self) -> int:
        """Samples from one window to the next, be it used or left out."""
        return _half_up(self.step_ms * self.sample_rate, 1000)

    def windows(self, samples: int) -> int:
        """Windows in a clip of so many samples, those that are left out included."""
        beyond = samples - self.window
        if self.streamed:
            return beyond // self.step + 2 if beyond >= 0 else 1
        return 1 + max(0, _ceiling(beyond, self.step))

    def frames(self, samples: int) -> int:
        """Frames of features that a clip of so many samples gives; an empty one gives one too."""
        return _ceiling(self.windows(samples), self.every)

    def check(self) -> None:
        """Raises ConversionError for a sample rate at which the originals make no features."""
        if self.step < 1:
            raise ConversionError(
                f"a sample rate of {self.sample_rate} Hz is too low for windows "
                f"{self.step_ms} ms apart; pass the rate that the model was trained for."
            )
        if self.window > _FFT_LENGTH:
            raise ConversionError(
                f"windows of {self.window_ms} ms at {self.sample_rate} Hz are {self.window} "
                f"samples, and models before 0.5 take up to {_FFT_LENGTH}; pass a lower rate."
            )


WHOLE_CLIP = EarlySettings(25, 10, 2, hamming=False, streamed=False)
"""Up to DeepSpeech 0.1; the model takes `whitened_windows` of these features."""

EVERY_SECOND = EarlySettings(25, 10, 2, hamming=False, streamed=True)
"""DeepSpeech 0.2 and 0.3."""

HAMMING = EarlySettings(32, 20, 1, hamming=True, streamed=True)
"""DeepSpeech 0.4."""


def early_features(samples: NDArray[np.int16], settings: EarlySettings) -> FloatArray:
    """The features [frames, 26] of a clip of 16-bit samples.

    Raises ConversionError for a sample rate at which the originals make no features.
    """
    settings.check()
    windows = _windows(_preemphasized(samples), settings)
    if settings.hamming:
        windows = windows * np.hamming(settings.window)
    spectra = np.fft.rfft(windows, _FFT_LENGTH)
    power = (spectra.real**2 + spectra.imag**2) / _FFT_LENGTH
    channels = _logarithms(power @ _filters(settings.sample_rate), settings.silence)
    features = np.asarray(channels @ _liftered_cosines(), np.float32)
    features[:, 0] = _logarithms(power.sum(axis=1), settings.silence)
    return features


def whitened_windows(features: FloatArray, context: int) -> FloatArray:
    """What 0.1 feeds: each frame [n, features] with its context, [n, (2 * context + 1) * features].

    The rows run from the oldest frame to the newest. Mean and deviation over the whole clip, the
    zeros around it included, become 0 and 1.
    """
    (windows,) = chunks(features, context, len(features))
    rows = windows.reshape(len(features), -1).astype(np.float64)
    return np.asarray((rows - rows.mean()) / rows.std(), np.float32)


def _ceiling(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


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
    corners = np.floor((_FFT_LENGTH + 1) * hertz / sample_rate).astype(np.int64)
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
