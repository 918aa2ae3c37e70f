"""Recordings are read as they are, and all others are refused with a way out."""

import re
import shlex
import shutil
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dsconv.errors import ModelError, ToolkitError
from dsconv.speech.wav import read_wav

RATE = 16000
HEADER_SIZE = 44


def write(path: Path, data: bytes, *, rate: int = RATE, channels: int = 1, width: int = 2) -> Path:
    with wave.open(str(path), "wb") as recording:
        recording.setnchannels(channels)
        recording.setsampwidth(width)
        recording.setframerate(rate)
        recording.writeframes(data)
    return path


def sine(hertz: float, rate: int, seconds: float = 1.0) -> NDArray[np.int16]:
    times = np.arange(int(rate * seconds)) / rate
    return np.asarray(np.rint(20000 * np.sin(2 * np.pi * hertz * times)), np.int16)


def stereo(left: NDArray[np.int16], right: NDArray[np.int16]) -> bytes:
    return np.stack([left, right], axis=1).astype("<i2").tobytes()


def with_data(data: bytes, channels: int = 1) -> bytes:
    """A WAV file around bytes that need not be whole samples."""
    size = 2 * channels
    return b"".join(
        [
            b"RIFF" + (36 + len(data)).to_bytes(4, "little") + b"WAVEfmt ",
            (16).to_bytes(4, "little") + b"\x01\x00" + channels.to_bytes(2, "little"),
            RATE.to_bytes(4, "little") + (RATE * size).to_bytes(4, "little"),
            size.to_bytes(2, "little") + b"\x10\x00",
            b"data" + len(data).to_bytes(4, "little") + data,
        ]
    )


def refusal(path: Path, *, resample: bool = False) -> str:
    """The message of the error, which is one line that names the file."""
    with pytest.raises(ModelError) as caught:
        read_wav(path, RATE, resample=resample)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def correlation(one: NDArray[np.int16], other: NDArray[np.int16]) -> float:
    return float(np.corrcoef(one.astype(np.float64), other.astype(np.float64))[0, 1])


@pytest.mark.parametrize("resample", [False, True])
def test_round_trip(resample: bool, tmp_path: Path) -> None:
    """A recording that fits comes back sample by sample, asked to resample or not."""
    samples = np.array([0, 1, -1, 255, 256, -256, 32767, -32768], np.int16)
    path = write(tmp_path / "a.wav", samples.astype("<i2").tobytes())
    actual = read_wav(path, RATE, resample=resample)
    assert actual.dtype == np.int16
    assert actual.tolist() == samples.tolist()


@pytest.mark.parametrize("resample", [False, True])
def test_recording_of_nothing(resample: bool, tmp_path: Path) -> None:
    """A recording without samples is one, at any rate that is asked for."""
    path = write(tmp_path / "a.wav", b"", rate=8000 if resample else RATE)
    assert read_wav(path, RATE, resample=resample).shape == (0,)


def test_other_rate_is_refused(tmp_path: Path) -> None:
    """Both rates are named, and both ways to convert."""
    path = write(tmp_path / "a.wav", sine(440, 8000).astype("<i2").tobytes(), rate=8000)
    message = refusal(path)
    assert "8000 Hz, mono" in message
    assert "takes 16000 Hz, mono" in message
    assert "--resample" in message
    assert f"`sox {path} -b 16 -c 1 -r 16000 a-converted.wav`" in message


def test_stereo_is_refused(tmp_path: Path) -> None:
    """The channels are counted, and both ways to convert are named."""
    tone = sine(440, RATE)
    path = write(tmp_path / "a.wav", stereo(tone, tone), channels=2)
    message = refusal(path)
    assert "16000 Hz, 2 channels" in message
    assert "--resample" in message
    assert f"`sox {path} -b 16 -c 1 -r 16000 a-converted.wav`" in message


@pytest.mark.parametrize("resample", [False, True])
@pytest.mark.parametrize("width", [1, 3, 4])
def test_other_widths_are_refused(width: int, resample: bool, tmp_path: Path) -> None:
    """Samples of another width are named and not guessed, even if resampling is asked for."""
    path = write(tmp_path / "a.wav", bytes(width * 100), width=width)
    message = refusal(path, resample=resample)
    assert f"{8 * width}-bit samples, not 16-bit" in message
    assert f"`sox {path} -b 16 -c 1 -r 16000 a-converted.wav`" in message


@pytest.mark.parametrize("content", [b"", b"R", b"these are\nwords\n", bytes(1000)])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    """Text, zeros or nothing at all is no recording."""
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    message = refusal(path)
    assert "is not a PCM WAV recording" in message
    assert f"`sox {path} -b 16 -c 1 -r 16000 a-converted.wav`" in message


@pytest.mark.parametrize("size", [1, 4, 8, 11, 12, 20, 30, 36, 40, HEADER_SIZE - 1])
def test_cut_off_header_is_refused(size: int, tmp_path: Path) -> None:
    """A file that ends within its header is no recording."""
    path = write(tmp_path / "a.wav", sine(440, RATE).astype("<i2").tobytes())
    path.write_bytes(path.read_bytes()[:size])
    assert "is not a PCM WAV recording" in refusal(path)


@pytest.mark.parametrize("size", [0, 8, 30, 40])
def test_reason_is_given(size: int, tmp_path: Path) -> None:
    """What is wrong with a file stands in brackets, also if it just ends."""
    path = write(tmp_path / "a.wav", sine(440, RATE).astype("<i2").tobytes())
    path.write_bytes(path.read_bytes()[:size])
    assert re.search(r"recording \([^)]+\);", refusal(path))


@pytest.mark.parametrize("size", [HEADER_SIZE, HEADER_SIZE + 1, HEADER_SIZE + 16000])
def test_cut_off_samples_are_refused(size: int, tmp_path: Path) -> None:
    """A file with fewer samples than its header says is not read as if it were whole."""
    path = write(tmp_path / "a.wav", sine(440, RATE).astype("<i2").tobytes())
    path.write_bytes(path.read_bytes()[:size])
    refusal(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    """A file that is not there cannot be converted either."""
    message = refusal(tmp_path / "a.wav")
    assert "No such file" in message
    assert "sox" not in message


def test_folder_is_named(tmp_path: Path) -> None:
    """A folder is no recording."""
    assert "cannot be read" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("channels", "data", "expected"),
    [
        (1, b"\x01", []),
        (1, b"\x01\x00\x02\x00\x03", [1, 2]),
        (2, b"\x01\x00\x03\x00\x05\x00", [2]),
        (2, b"\x01\x00\x03\x00\x05\x00\x07", [2]),
    ],
)
def test_odd_bytes_are_left_out(
    channels: int, data: bytes, expected: list[int], tmp_path: Path
) -> None:
    """What is no whole sample of all channels at the end is not read."""
    path = tmp_path / "a.wav"
    path.write_bytes(with_data(data, channels))
    assert read_wav(path, RATE, resample=True).tolist() == expected


def test_channels_are_averaged(tmp_path: Path) -> None:
    """Stereo becomes the mean of both sides, without resampling if the rate fits."""
    left = np.array([0, 100, -100, 32767, -32768], np.int16)
    right = np.array([0, 300, 100, 32767, -32768], np.int16)
    path = write(tmp_path / "a.wav", stereo(left, right), channels=2)
    assert read_wav(path, RATE, resample=True).tolist() == [0, 200, 0, 32767, -32768]


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_resampling_keeps_time_and_pitch(channels: int, rate: int, tmp_path: Path) -> None:
    """A tone of a second at another rate is the same tone of a second at the model's."""
    pytest.importorskip("soxr")
    tone = sine(440, rate)
    data = tone.astype("<i2").tobytes() if channels == 1 else stereo(tone, tone)
    path = write(tmp_path / "a.wav", data, rate=rate, channels=channels)
    actual = read_wav(path, RATE, resample=True)
    assert actual.dtype == np.int16
    assert actual.shape == (RATE,)
    assert correlation(actual, sine(440, RATE)) > 0.99


def test_resampling_clips(tmp_path: Path) -> None:
    """What overshoots the range of 16 bits is clipped, and does not turn over."""
    pytest.importorskip("soxr")
    loud = np.repeat(np.tile(np.array([32767, -32768], "<i2"), 20), 100)
    path = write(tmp_path / "a.wav", loud.tobytes(), rate=8000)
    actual = read_wav(path, RATE, resample=True)
    assert (actual.max(), actual.min()) == (32767, -32768)
    assert correlation(actual, np.repeat(loud, 2)) > 0.95


def test_missing_soxr_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library the install line is given."""
    monkeypatch.setitem(sys.modules, "soxr", None)
    path = write(tmp_path / "a.wav", sine(440, 8000).astype("<i2").tobytes(), rate=8000)
    with pytest.raises(ToolkitError, match=r"pip install 'dsconv\[speech\]'"):
        read_wav(path, RATE, resample=True)


@pytest.mark.skipif(shutil.which("sox") is None, reason="sox is not installed")
@pytest.mark.parametrize("name", ["a.wav", "two words.wav", "it's.wav"])
@pytest.mark.parametrize(("rate", "width"), [(8000, 2), (RATE, 1), (RATE, 3)])
def test_advice_works(
    name: str, rate: int, width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command of the message, put into a shell, makes a recording that is read."""
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / name, bytes(2 * width * rate), rate=rate, channels=2, width=width)
    command = shlex.split(refusal(path).split("`")[1])
    subprocess.run(command, check=True, capture_output=True)
    assert read_wav(tmp_path / command[-1], RATE).shape == (RATE,)


def test_rate_of_zero_is_refused(tmp_path: Path) -> None:
    """A header without a rate is damage, not something to resample."""
    content = bytearray(with_data(bytes(100)))
    content[24:28] = bytes(4)
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    refusal(path, resample=True)
