"""MFCC features, equal to TensorFlow's AudioSpectrogram and Mfcc kernels.

The spectrogram is computed in double precision and handed on in float32, the rest again in double,
as the kernels do it.

Source: ``spectrogram.cc``, ``mfcc.cc``, ``mfcc_mel_filterbank.cc`` and ``mfcc_dct.cc`` in
``tensorflow/core/kernels``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dsconv.speech.settings import FeatureSettings, MfccSettings, SpectrogramSettings

FloatArray: TypeAlias = NDArray[np.float32]
_DoubleArray: TypeAlias = NDArray[np.float64]

LOG_FLOOR = 1e-12
"""The least energy of a channel whose logarithm is taken."""


def features(windows: FloatArray, settings: FeatureSettings) -> FloatArray:
    """MFCCs [n, coefficients] of windows of samples [n, window] between -1 and 1."""
    return mfcc(power_spectrum(windows, settings.spectrogram), settings.mfcc)


def power_spectrum(windows: FloatArray, settings: SpectrogramSettings) -> FloatArray:
    """Spectra [n, bins] of windows [n, window]: squared magnitudes, or magnitudes if asked for."""
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
    # As in TensorFlow's mfcc_mel_filterbank.cc: half a bin to round, and one more, as the constant
    # part of a signal never counts.
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


@dataclass(frozen=True)
class FrontEndMatrices:
    """The front end as products of matrices: what samples are multiplied with, in float64.

    `real` and `imaginary` [window, bins] give the spectrum of a window, Hann taper included;
    `mel` [bins, channels] the energies of the channels from the magnitudes; `cosines` [channels,
    coefficients] the features from the logarithms of the energies.
    """

    real: NDArray[np.float64]
    imaginary: NDArray[np.float64]
    mel: NDArray[np.float64]
    cosines: NDArray[np.float64]

    @property
    def bins(self) -> int:
        """Frequencies of the spectrum."""
        return self.real.shape[1]


def front_end_matrices(settings: FeatureSettings) -> FrontEndMatrices:
    """The matrices of a front end, for formats that know neither FFT nor MFCC."""
    length = fft_length(settings.window)
    bins = length // 2 + 1
    # Whole periods are left out before the angle is computed, which loses digits.
    periods = np.outer(np.arange(settings.window), np.arange(bins)) % length / length
    taper = hann(settings.window)[:, None]
    return FrontEndMatrices(
        taper * np.cos(2 * np.pi * periods),
        -taper * np.sin(2 * np.pi * periods),
        mel_weights(bins, settings.mfcc),
        cosines(settings.mfcc),
    )
