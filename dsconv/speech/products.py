"""The front end as products of matrices, for formats that know neither FFT nor MFCC."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsconv.speech.features import FeatureSettings, cosines, fft_length, hann, mel_weights


@dataclass(frozen=True)
class FrontEndMatrices:
    """What samples are multiplied with to become features, in float64.

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
    """The matrices of a front end."""
    length = fft_length(settings.window)
    bins = length // 2 + 1
    # Whole turns are left out before the angle is computed, which loses digits.
    turns = np.outer(np.arange(settings.window), np.arange(bins)) % length / length
    taper = hann(settings.window)[:, None]
    return FrontEndMatrices(
        taper * np.cos(2 * np.pi * turns),
        -taper * np.sin(2 * np.pi * turns),
        mel_weights(bins, settings.mfcc),
        cosines(settings.mfcc),
    )
