"""Recordings: 16-bit PCM WAV files."""

from __future__ import annotations

import shlex
import wave
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dsconv.errors import ModelError, ToolkitError

Samples: TypeAlias = NDArray[np.int16]


def read_wav(path: Path, sample_rate: int, *, resample: bool = False) -> Samples:
    """The samples of a mono recording at `sample_rate` Hz.

    With `resample`, other rates and numbers of channels are converted. Raises ModelError for a file
    that is no such recording, and says how to convert it.
    """
    rate, samples = _read(path, sample_rate)
    channels = samples.shape[1]
    if rate == sample_rate and channels == 1:
        return samples[:, 0]
    if not resample:
        kind = "mono" if channels == 1 else f"{channels} channels"
        raise ModelError(
            f"{path} is {rate} Hz, {kind}; the model takes {sample_rate} Hz, mono: pass "
            f"--resample, or convert it with `{_convert_command(path, sample_rate)}`."
        )
    mono = samples.astype(np.float64).mean(axis=1)
    if rate != sample_rate:
        mono = _soxr_resample(mono, rate, sample_rate)
    return np.asarray(np.clip(np.rint(mono), -32768, 32767), np.int16)


def _read(path: Path, wanted_rate: int) -> tuple[int, Samples]:
    """The rate, and the samples [n, channels]."""
    advice = f"convert it with `{_convert_command(path, wanted_rate)}`"
    try:
        with wave.open(str(path)) as recording:
            rate, channels = recording.getframerate(), recording.getnchannels()
            width, declared = recording.getsampwidth(), recording.getnframes()
            data = recording.readframes(declared)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelError(f"{path} cannot be read ({reason}); pass a WAV recording.") from error
    except (wave.Error, EOFError) as error:
        reason = str(error) or "it ends too early"
        raise ModelError(f"{path} is not a PCM WAV recording ({reason}); {advice}.") from error
    if width != 2:
        raise ModelError(f"{path} has {8 * width}-bit samples, not 16-bit; {advice}.")
    if rate < 1:
        raise ModelError(f"{path} declares a rate of {rate} Hz; make the recording again.")
    frame_bytes = 2 * channels
    found = len(data) // frame_bytes
    if found < declared and declared * frame_bytes < _STREAMED_BYTES:
        raise ModelError(
            f"{path} is cut off: it holds {found:,} of {declared:,} samples; copy it again."
        )
    samples = np.frombuffer(data[: found * frame_bytes], "<i2")
    return rate, samples.astype(np.int16).reshape(-1, channels)


# A program that writes to a pipe cannot know the size beforehand, and declares about this much.
_STREAMED_BYTES = 0x7FFF_0000


def _convert_command(path: Path, rate: int) -> str:
    target = f"{path.stem}-converted.wav"
    return shlex.join(["sox", str(path), "-b", "16", "-c", "1", "-r", str(rate), target])


def _soxr_resample(samples: NDArray[np.float64], rate: int, new_rate: int) -> NDArray[np.float64]:
    try:
        import soxr
    except ImportError:
        raise ToolkitError(
            "resampling needs soxr; install it with `pip install 'dsconv[speech]'`."
        ) from None
    return np.asarray(soxr.resample(samples, rate, new_rate), np.float64)
