"""What is kept of a clip for its drawing: levels of differences, letters, and only a few clips."""

import struct
import zlib

import numpy as np
import pytest

from dsconv.fixtures import demo_model
from dsconv.inspect.parity.pictures import (
    AT_TOLERANCE,
    HIGHEST_LEVEL,
    NOT_FINITE,
    ClipPicture,
    WorstPictures,
    best_path,
    levels,
    picture_of,
)
from dsconv.inspect.parity.png import png
from dsconv.inspect.parity.validate import ValidationOptions, validate_models
from dsconv.speech.corpus import find_clips


@pytest.mark.parametrize("tolerance", [1e-5, 5e-3, 6e-2])
def test_the_tolerance_is_a_border_between_levels(tolerance: float) -> None:
    """As much as the tolerance is within it, the next larger number is not."""
    at = np.array([tolerance, np.nextafter(tolerance, 1), tolerance / 2])
    equal, above, below = levels(at, tolerance).tolist()
    assert equal == AT_TOLERANCE
    # The logarithm of the next number may round to that of the tolerance itself.
    assert above >= AT_TOLERANCE
    assert levels(at * (1 + 1e-9), tolerance)[0] == AT_TOLERANCE + 1
    assert below < AT_TOLERANCE


def test_levels_have_two_ends_and_one_for_no_number() -> None:
    """No difference is level 0, anything however large the highest, NaN and infinity another."""
    values = np.array([0.0, 1e-12, 1e30, np.nan, np.inf])
    assert levels(values, 1e-5).tolist() == [0, 0, HIGHEST_LEVEL, NOT_FINITE, NOT_FINITE]


def test_letters_begin_where_their_class_does() -> None:
    """A letter counts once while it lasts, and again after a blank."""
    path = [2, 0, 0, 2, 0, 1, 2]
    assert best_path(np.eye(3, dtype=np.float32)[path], ["a", "b"]) == [
        (1, "a"),
        (4, "a"),
        (5, "b"),
    ]


def test_probabilities_become_bytes() -> None:
    """255 is certain; a candidate that was not run has no levels."""
    expected = np.array([[0.0, 0.5, 1.0]], np.float32)
    picture = picture_of("a.wav", expected, [expected, None], [1e-5, 1e-5], None, 0.0)
    assert picture.probabilities.tolist() == [[0, 128, 255]]
    assert picture.differences[0] is not None
    assert picture.differences[0].tolist() == [[0, 0, 0]]
    assert picture.differences[1] is None
    assert (picture.labels, picture.letters) == ([], [])


def drawn(severity: float) -> ClipPicture:
    return picture_of(str(severity), np.ones((1, 2), np.float32), [], [], None, severity)


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]])
def test_the_most_severe_clips_are_kept(order: list[int]) -> None:
    """In whichever order they come: the most severe ones, of equal ones the first, in order."""
    severities = [0.5, 3.0, 0.5, 7.0]
    kept = WorstPictures(3)
    for index in order:
        kept.add(drawn(severities[index]), index)
    assert [picture.severity for picture in kept.in_order] == [0.5, 3.0, 7.0]
    kept = WorstPictures(1)
    assert kept.least_severity < 0
    assert kept.add(drawn(1.0), 0)
    assert not kept.add(drawn(0.5), 1)
    assert kept.least_severity == 1.0


def test_a_png_holds_its_pixels() -> None:
    """Every chunk has its checksum, the rows are unpacked as they were."""
    rows = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    data = png(rows, [(1, 2, 3, 0), (4, 5, 6, 128), (7, 8, 9, 255)])
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, position = {}, 8
    while position < len(data):
        (length,) = struct.unpack_from(">I", data, position)
        body = data[position + 4 : position + 8 + length]
        assert struct.unpack_from(">I", data, position + 8 + length) == (zlib.crc32(body),)
        chunks[body[:4]] = body[4:]
        position += 12 + length
    assert chunks[b"PLTE"] == bytes(range(1, 10))
    assert chunks[b"tRNS"] == bytes([0, 128, 255])
    assert zlib.decompress(chunks[b"IDAT"]) == bytes([0, 0, 1, 2, 0, 2, 1, 0])


def test_a_validation_keeps_what_its_page_needs() -> None:
    """Bytes, seconds, the ends and differences of the calls, and pictures; JSON has no pictures."""
    clips = find_clips([demo_model.SPEECH])[1:2]
    validation = validate_models(demo_model.MODEL, [demo_model.MODEL], clips, ValidationOptions())
    (picture,) = validation.pictures
    (clip,) = validation.clips
    (candidate,) = validation.candidates
    assert picture.probabilities.shape == (clip.frames, 29)
    assert "".join(letter for _, letter in picture.letters) == clips[0].transcript
    assert candidate.model.bytes == demo_model.MODEL.stat().st_size
    assert clip.run_seconds is not None
    assert 0 < clip.run_seconds < 60
    (result,) = candidate.clips
    assert result.state_ends == [*range(16, clip.frames, 16), clip.frames]
    states = [d for d in result.differences if "state" in d.tensor]
    assert [len(d.windows) for d in states] == [len(result.state_ends)] * 2
    values = validation.to_json()
    assert values["clips"][0]["run_seconds"] == clip.run_seconds
    assert values["candidates"][0]["bytes"] == candidate.model.bytes
    assert values["candidates"][0]["clips"][0]["run_seconds"] == result.run_seconds
    assert "pictures" not in values
