"""MFCC features, equal to TensorFlow's AudioSpectrogram and Mfcc kernels.

The spectrogram is computed in double precision and handed on in float32, the rest again in double,
as the kernels do it.

Source: ``spectrogram.cc``, ``mfcc.cc``, ``mfcc_mel_filterbank.cc`` and ``mfcc_dct.cc`` in
``tensorflow/core/kernels``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dsconv.acoustic.metadata import Metadata, window_samples
from dsconv.errors import ConversionError, ModelError

FloatArray: TypeAlias = NDArray[np.float32]
_DoubleArray: TypeAlias = NDArray[np.float64]

LOG_FLOOR = 1e-12
"""The least energy of a channel whose logarithm is taken."""


@dataclass(frozen=True)
class SpectrogramSettings:
    """Attributes of AudioSpectrogram. `window` and `stride` are in samples."""

    window: int
    stride: int
    magnitude_squared: bool = False


@dataclass(frozen=True)
class MfccSettings:
    """Attributes of Mfcc, with the kernel's defaults. Frequencies are in Hz."""

    sample_rate: float
    coefficients: int = 13
    channels: int = 40
    lower_frequency: float = 20.0
    upper_frequency: float = 4000.0

    def check(self) -> None:
        """Raises ConversionError for frequencies that a signal of the sample rate does not have."""
        if self.upper_frequency > self.sample_rate / 2:
            raise ConversionError(
                f"the model's filters reach {self.upper_frequency:g} Hz, above half of its sample "
                f"rate of {self.sample_rate:g} Hz, so it makes no features."
            )


@dataclass(frozen=True)
class FeatureSettings:
    """All that turns samples into features."""

    spectrogram: SpectrogramSettings
    mfcc: MfccSettings

    @property
    def window(self) -> int:
        """Samples in a window."""
        return self.spectrogram.window

    @property
    def step(self) -> int:
        """Samples from one window to the next."""
        return self.spectrogram.stride

    @property
    def sample_rate(self) -> int:
        """Samples a second."""
        return int(self.mfcc.sample_rate)

    @property
    def coefficients(self) -> int:
        """Numbers in a frame."""
        return self.mfcc.coefficients

    def __str__(self) -> str:
        mfcc = self.mfcc
        band = f"{mfcc.lower_frequency:g} to {mfcc.upper_frequency:g} Hz"
        return (
            f"{self.window}/{self.step} samples at {mfcc.sample_rate:g} Hz, "
            f"{mfcc.channels} channels from {band}, {mfcc.coefficients} MFCCs"
        )

    @classmethod
    def from_text(cls, text: str) -> FeatureSettings:
        """The settings in a property of a converted file, the inverse of `to_text`.

        Raises ModelError for a text that holds no settings.
        """
        try:
            values = json.loads(text)
            return cls(SpectrogramSettings(**values["spectrogram"]), MfccSettings(**values["mfcc"]))
        except (KeyError, TypeError, ValueError):
            raise ModelError(f"its feature settings are damaged: {text[:80]!r}.") from None

    def to_text(self) -> str:
        """The settings as a text property, for formats that hold such."""
        return json.dumps(asdict(self))

    @classmethod
    def from_metadata(cls, metadata: Metadata, features: int) -> FeatureSettings:
        """What the exporters since 0.7 build for a model, for files without a front end."""
        rate = metadata.sample_rate or 16000
        window, step = metadata.feature_win_len or 32, metadata.feature_win_step or 20
        return cls(
            SpectrogramSettings(window_samples(rate, window), window_samples(rate, step), True),
            MfccSettings(rate, coefficients=features, upper_frequency=rate / 2),
        )


def features(windows: FloatArray, settings: FeatureSettings) -> FloatArray:
    """MFCCs [n, coefficients] of windows of samples [n, window] between -1 and 1."""
    return mfcc(power_spectrum(windows, settings.spectrogram), settings.mfcc)


def power_spectrum(windows: FloatArray, settings: SpectrogramSettings) -> FloatArray:
    """Spectra [n, bins] of windows [n, window]: squared magnitudes, or plain ones if asked for."""
    tapered = windows.astype(np.float64) * hann(settings.window)
    spectrum = np.fft.rfft(tapered, fft_length(settings.window))
    power = np.asarray(spectrum.real**2 + spectrum.imag**2, np.float32)
    return power if settings.magnitude_squared else np.sqrt(power)


def mfcc(spectra: FloatArray, settings: MfccSettings) -> FloatArray:
    """MFCCs [n, coefficients] of squared magnitudes [n, bins].

    Raises ConversionError for frequencies that a signal of the sample rate does not have.
    """
    weights = mel_weights(spectra.shape[-1], settings)
    energies = np.sqrt(spectra.astype(np.float64)) @ weights
    logarithms = np.log(np.maximum(energies, LOG_FLOOR))
    return np.asarray(logarithms @ cosines(settings), np.float32)


def fft_length(window: int) -> int:
    """The next power of two."""
    return 1 << max(0, window - 1).bit_length()


@lru_cache
def hann(window: int) -> _DoubleArray:
    """The periodic Hann window."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)


def _mel(hertz: ArrayLike) -> _DoubleArray:
    return np.asarray(1127.0 * np.log1p(np.asarray(hertz, np.float64) / 700.0))


@lru_cache
def mel_weights(bins: int, settings: MfccSettings) -> _DoubleArray:
    """Weights [bins, channels] of the triangular filters.

    Each bin counts for the falling side of one channel and for the rising side of the next. Raises
    ConversionError for frequencies that a signal of the sample rate does not have.
    """
    settings.check()
    lowest, highest = _mel(settings.lower_frequency), _mel(settings.upper_frequency)
    spacing = (highest - lowest) / (settings.channels + 1)
    centers = lowest + spacing * np.arange(1, settings.channels + 2)
    hertz_per_bin = 0.5 * settings.sample_rate / (bins - 1)
    first = int(1.5 + settings.lower_frequency / hertz_per_bin)
    last = min(int(settings.upper_frequency / hertz_per_bin), bins - 1)
    weights = np.zeros((bins, settings.channels))
    used = np.arange(first, last + 1)
    mels = _mel(used * hertz_per_bin)
    below = np.searchsorted(centers[: settings.channels], mels) - 1
    edges = np.concatenate([[lowest], centers])
    falling = (edges[below + 2] - mels) / (edges[below + 2] - edges[below + 1])
    for channel, share, rest in ((below, falling, False), (below + 1, falling, True)):
        valid = (channel >= 0) & (channel < settings.channels)
        weights[used[valid], channel[valid]] += (1 - share if rest else share)[valid]
    return weights


@lru_cache
def cosines(settings: MfccSettings) -> _DoubleArray:
    """The discrete cosine transform [channels, coefficients]."""
    channels = np.arange(settings.channels)[:, None] + 0.5
    coefficients = np.arange(settings.coefficients)[None, :]
    scale = np.sqrt(2.0 / settings.channels)
    return np.asarray(scale * np.cos(coefficients * channels * np.pi / settings.channels))
