"""Features are those of TensorFlow's AudioSpectrogram and Mfcc kernels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from dsconv.acoustic.front_end import usual_settings
from dsconv.acoustic.metadata import Metadata
from dsconv.fixtures.demo_model import Clip, clips
from dsconv.speech.features import FloatArray, features
from dsconv.speech.settings import FeatureSettings, MfccSettings, SpectrogramSettings
from dsconv.speech.wav import read_wav

LARGEST_DIFFERENCE = 1e-6
RATE = 16000


def settings_of(
    window: int = 512,
    stride: int = 320,
    *,
    magnitude_squared: bool = True,
    sample_rate: float = RATE,
    upper_frequency: float = 8000.0,
    lower_frequency: float = 20.0,
    coefficients: int = 26,
    channels: int = 40,
) -> FeatureSettings:
    """Settings that differ from those of the 0.9.3 exporter in what is named."""
    return FeatureSettings(
        SpectrogramSettings(window, stride, magnitude_squared),
        MfccSettings(sample_rate, coefficients, channels, lower_frequency, upper_frequency),
    )


EXPORTED = settings_of()
EIGHT_KHZ = settings_of(256, 160, sample_rate=8000, upper_frequency=4000.0)
PLAIN_MAGNITUDE = settings_of(magnitude_squared=False)
SQUARED_MAGNITUDE = {
    "0.7-and-later": EXPORTED,
    "0.5-and-0.6": settings_of(upper_frequency=4000.0),
    "25-by-10-ms": settings_of(400, 160),
    "many-channels": settings_of(channels=64, coefficients=40),
    "few-channels": settings_of(channels=20, coefficients=13),
    "from-300-hz": settings_of(lower_frequency=300.0),
    "from-0-hz": settings_of(lower_frequency=0.0),
    "44.1-khz": settings_of(1411, 882, sample_rate=44100, upper_frequency=22050.0),
}
SETTINGS = SQUARED_MAGNITUDE | {"plain-magnitude": PLAIN_MAGNITUDE}

squared_magnitude = pytest.mark.parametrize(
    "settings", SQUARED_MAGNITUDE.values(), ids=SQUARED_MAGNITUDE
)
every_setting = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)


def scaled(samples: Any) -> FloatArray:
    """16-bit samples between -1 and 1."""
    return np.asarray(samples, np.float32) / np.float32(32768)


def recording(path: Path, rate: int = RATE) -> FloatArray:
    return scaled(read_wav(path, rate))


def tensorflow_features(
    tensorflow: Any, samples: FloatArray, settings: FeatureSettings
) -> FloatArray:
    """The features that the two kernels give for all full windows of a clip."""
    spectrogram = tensorflow.raw_ops.AudioSpectrogram(
        input=samples[:, np.newaxis],
        window_size=settings.spectrogram.window,
        stride=settings.spectrogram.stride,
        magnitude_squared=settings.spectrogram.magnitude_squared,
    )
    coefficients = tensorflow.raw_ops.Mfcc(
        spectrogram=spectrogram,
        sample_rate=int(settings.mfcc.sample_rate),
        upper_frequency_limit=settings.mfcc.upper_frequency,
        lower_frequency_limit=settings.mfcc.lower_frequency,
        filterbank_channel_count=settings.mfcc.channels,
        dct_coefficient_count=settings.mfcc.coefficients,
    )
    return np.asarray(coefficients.numpy()[0], np.float32)


def assert_as_tensorflow(tensorflow: Any, samples: FloatArray, settings: FeatureSettings) -> None:
    """Same shape, and no value further away than `LARGEST_DIFFERENCE`."""
    windows = sliding_window_view(samples, settings.window)[:: settings.step]
    actual = features(windows, settings)
    expected = tensorflow_features(tensorflow, samples, settings)
    assert actual.dtype == np.float32
    assert actual.shape == expected.shape
    assert len(actual) > 1
    assert np.abs(actual.astype(np.float64) - expected).max() <= LARGEST_DIFFERENCE


@pytest.mark.models
@pytest.mark.tensorflow
@every_setting
@pytest.mark.parametrize("name", ["LDC93S1_pcms16le_1_16000.wav", "new-home-in-the-stars-16k.wav"])
def test_recordings(name: str, settings: FeatureSettings, models: Path, tensorflow: Any) -> None:
    """Speech gives TensorFlow's features with any attributes of the two ops."""
    assert_as_tensorflow(tensorflow, recording(models / name), settings)


@pytest.mark.models
@pytest.mark.tensorflow
def test_recording_at_8_khz(models: Path, tensorflow: Any) -> None:
    """So does speech of a telephone with the settings of an 8 kHz model."""
    samples = recording(models / "LDC93S1_pcms16le_1_8000.wav", 8000)
    assert_as_tensorflow(tensorflow, samples, EIGHT_KHZ)


@pytest.mark.tensorflow
@every_setting
@pytest.mark.parametrize("clip", clips(), ids=lambda clip: clip.wav.stem)
def test_packaged_clips(clip: Clip, settings: FeatureSettings, tensorflow: Any) -> None:
    """So does the speech that comes with the package."""
    assert_as_tensorflow(tensorflow, recording(clip.wav), settings)


@pytest.mark.tensorflow
@every_setting
def test_silence(settings: FeatureSettings, tensorflow: Any) -> None:
    """Silence falls to the same floor before its logarithm is taken."""
    assert_as_tensorflow(tensorflow, np.zeros(RATE, np.float32), settings)


@pytest.mark.tensorflow
@every_setting
def test_full_scale_noise(settings: FeatureSettings, tensorflow: Any) -> None:
    """Noise fills every channel of the filter bank."""
    noise = np.random.default_rng(0).integers(-32768, 32768, RATE)
    assert_as_tensorflow(tensorflow, scaled(noise), settings)


# The two signals below have bins with nothing but the rounding errors of a Fourier transform.
# Those stay under the floor as long as magnitudes are squared, and are not compared otherwise.


@pytest.mark.tensorflow
@squared_magnitude
@pytest.mark.parametrize("hertz", [440, 1000, 4000])
def test_pure_tone(hertz: int, settings: FeatureSettings, tensorflow: Any) -> None:
    """A tone of 16-bit samples leaves most channels nearly empty."""
    tone = np.rint(32767 * np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE))
    assert_as_tensorflow(tensorflow, scaled(tone), settings)


@pytest.mark.tensorflow
@squared_magnitude
@pytest.mark.parametrize("level", [-32768, 3, 16384])
def test_constant_signal(level: int, settings: FeatureSettings, tensorflow: Any) -> None:
    """A recording that is off its zero line has no sound in it."""
    assert_as_tensorflow(tensorflow, scaled(np.full(RATE, level)), settings)


@pytest.mark.tensorflow
def test_windows_one_by_one(tensorflow: Any) -> None:
    """A window's features do not depend on the windows around it, as graphs get them one by one."""
    samples = recording(clips()[0].wav)
    windows = sliding_window_view(samples, EXPORTED.window)[:: EXPORTED.step]
    actual = features(windows, EXPORTED)
    for window, row in zip(windows, actual, strict=True):
        (expected,) = tensorflow_features(tensorflow, window, EXPORTED)
        assert np.abs(row.astype(np.float64) - expected).max() <= LARGEST_DIFFERENCE


def test_no_windows_give_no_features() -> None:
    """Nothing in, nothing out, in the right shape."""
    assert features(np.zeros((0, 512), np.float32), EXPORTED).shape == (0, 26)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (Metadata(), EXPORTED),
        (Metadata(sample_rate=16000, feature_win_len=32, feature_win_step=20), EXPORTED),
        (Metadata(sample_rate=8000, feature_win_len=32, feature_win_step=20), EIGHT_KHZ),
        (Metadata(sample_rate=8000), EIGHT_KHZ),
        (Metadata(feature_win_len=25, feature_win_step=10), settings_of(400, 160)),
    ],
    ids=["nothing", "16-khz", "8-khz", "8-khz-alone", "25-by-10-ms"],
)
def test_settings_from_metadata(metadata: Metadata, expected: FeatureSettings) -> None:
    """Milliseconds become samples, half the rate the limit; what is missing is the usual."""
    assert usual_settings(metadata, 26) == expected


def test_settings_take_the_number_of_features() -> None:
    """The model says how many coefficients it wants."""
    settings = usual_settings(Metadata(), 13)
    assert settings.mfcc.coefficients == 13
    assert (settings.window, settings.step) == (512, 320)
