"""Samples become windows, and features chunks, as in the original native client."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dsconv.speech.features import FloatArray
from dsconv.speech.framing import chunks, sample_windows

WINDOW, STEP = 512, 320


def samples_of(count: int) -> NDArray[np.int16]:
    """Samples that are all different from zero and from their neighbours."""
    return np.arange(1, count + 1, dtype=np.int16)


def frames_of(count: int, features: int = 3) -> FloatArray:
    """Features that are all different, and none of them zero."""
    return np.arange(1, count * features + 1, dtype=np.float32).reshape(count, features)


@pytest.mark.parametrize(
    ("count", "full"),
    [
        (0, 0),
        (1, 0),
        (511, 0),
        (512, 1),
        (513, 1),
        (831, 1),
        (832, 2),
        (833, 2),
        (1151, 2),
        (1152, 3),
        (16000, 49),
    ],
)
def test_number_of_windows(count: int, full: int) -> None:
    """Every full window, and always one more."""
    assert full == ((count - WINDOW) // STEP + 1 if count >= WINDOW else 0)
    windows = sample_windows(samples_of(count), WINDOW, STEP)
    assert windows.shape == (full + 1, WINDOW)
    assert windows.dtype == np.float32


@pytest.mark.parametrize("count", [0, 1, 511, 512, 513, 831, 832, 5000])
@pytest.mark.parametrize(("window", "step"), [(512, 320), (400, 160), (256, 256), (100, 150)])
def test_content_of_windows(count: int, window: int, step: int) -> None:
    """Each window starts one step after the last; the one more ends in zeros."""
    scaled = samples_of(count).astype(np.float64) / 32768
    *full, tail = sample_windows(samples_of(count), window, step)
    for index, content in enumerate(full):
        assert content.tolist() == scaled[index * step : index * step + window].tolist()
    rest = scaled[len(full) * step :].tolist()
    assert len(rest) < window
    assert tail.tolist() == rest + [0.0] * (window - len(rest))


def test_scale_of_samples() -> None:
    """The range of 16 bits is the range from -1 to just under 1, exactly."""
    samples = np.array([-32768, -16384, -1, 0, 1, 16384, 32767], np.int16)
    (window,) = sample_windows(samples, 8, 4)
    assert window.tolist() == [-1.0, -0.5, -1 / 32768, 0.0, 1 / 32768, 0.5, 32767 / 32768, 0.0]


def test_windows_are_a_read_only_view() -> None:
    """Windows that overlap share their samples, and nobody can write to them."""
    windows = sample_windows(samples_of(2000), WINDOW, STEP)
    assert np.shares_memory(windows[0], windows[1])
    assert not windows.flags.writeable


@pytest.mark.parametrize("context", [0, 1, 9])
@pytest.mark.parametrize("count", [1, 2, 20])
def test_content_of_chunks(count: int, context: int) -> None:
    """Each frame stands between the frames before and after it, zeros where there are none."""
    frames = frames_of(count)
    (windows,) = chunks(frames, context, count)
    assert windows.shape == (count, 2 * context + 1, 3)
    for center, window in enumerate(windows):
        for offset, row in enumerate(window, start=center - context):
            expected = frames[offset].tolist() if 0 <= offset < count else [0.0, 0.0, 0.0]
            assert row.tolist() == expected


@pytest.mark.parametrize(
    ("count", "steps", "sizes"),
    [
        (1, 16, [1]),
        (15, 16, [15]),
        (16, 16, [16]),
        (17, 16, [16, 1]),
        (40, 16, [16, 16, 8]),
        (3, 1, [1, 1, 1]),
    ],
)
def test_sizes_of_chunks(count: int, steps: int, sizes: list[int]) -> None:
    """Chunks are full but for the last, and no frame is lost or made up."""
    assert [len(chunk) for chunk in chunks(frames_of(count), 2, steps)] == sizes


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 19, 20, 100])
def test_chunks_do_not_depend_on_their_size(steps: int) -> None:
    """However a clip is cut, the windows are the same: context crosses from chunk to chunk."""
    frames = frames_of(20)
    (whole,) = chunks(frames, 9, 20)
    together = np.concatenate(list(chunks(frames, 9, steps)))
    assert np.array_equal(together, whole)


def test_chunks_are_read_only_views() -> None:
    """Context is not copied: chunks that overlap share their frames."""
    first, second, third = chunks(frames_of(12), 2, 4)
    assert np.shares_memory(first, second)
    assert np.shares_memory(second, third)
    assert np.shares_memory(first[0], first[1])
    assert not first.flags.writeable
