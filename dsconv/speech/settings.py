"""How features are made: what is set in each of the two ways, and their text in converted files.

Nothing here computes anything: `dsconv.speech.features` and `early_features` do.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TypeAlias

from dsconv.errors import ConversionError, ModelError

COEFFICIENTS = 26
"""Numbers in a frame, of which the first is the energy."""

CHANNELS = 26
"""Triangular filters, from 0 Hz to half of the sample rate."""

RUNTIME_SILENCE = 2.0**-126
"""The energy that the original runtimes put in place of zero: the least normal float32."""

_EARLY = "before 0.5"

EARLY_FFT_LENGTH = 512
"""Samples of the Fourier transform, whatever the window is."""


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
            raise ModelError(
                f"its feature settings are damaged: {text[:80]!r}; convert it again."
            ) from None

    def to_text(self) -> str:
        """The settings as a text property, for formats that hold such."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class EarlySettings:
    """How features were made outside of the graph.

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
            raise ModelError(
                f"its feature settings are damaged: {text[:80]!r}; convert it again."
            ) from None

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
        if self.window > EARLY_FFT_LENGTH:
            raise ConversionError(
                f"windows of {self.window_ms} ms at {self.sample_rate} Hz are {self.window} "
                f"samples, and models before 0.5 take up to {EARLY_FFT_LENGTH}; pass a lower rate."
            )


WHOLE_CLIP = EarlySettings(25, 10, 2, hamming=False, streamed=False)
"""25/10 ms, every second frame of a whole clip; it is fed as `whitened_windows`."""

EVERY_SECOND = EarlySettings(25, 10, 2, hamming=False, streamed=True)
"""The same of a clip that is streamed."""

HAMMING = EarlySettings(32, 20, 1, hamming=True, streamed=True)
"""32/20 ms under a Hamming window, of a clip that is streamed."""

Features: TypeAlias = FeatureSettings | EarlySettings
"""How features are made: by the front end of a graph, or outside of it."""


def features_from_text(text: str) -> Features:
    """The settings in a property of a converted file. Raises ModelError if they are damaged."""
    return (FeatureSettings if '"spectrogram"' in text else EarlySettings).from_text(text)


def window_samples(sample_rate: int, milliseconds: int) -> int:
    """The samples in so many milliseconds, rounded as the exporters round them."""
    # In this order: at some rates another one is rounded to a window of one sample less or more.
    return int(sample_rate * (milliseconds / 1000))


def _ceiling(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
