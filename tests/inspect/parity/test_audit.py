"""What counts as an error in the weights that were read back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.source import Source
from dsconv.acoustic.stored import StoredMatrix, StoredNetwork, stored
from dsconv.fixtures import demo_model
from dsconv.inspect.parity.audit import audit
from dsconv.speech.features import FloatArray


@pytest.fixture(scope="module")
def expected() -> StoredNetwork:
    """The weights of the demo model's graph."""
    return stored(Source(demo_model.MODEL).network)


def with_palette(network: StoredNetwork, palette: FloatArray) -> StoredNetwork:
    """The network with the recurrent kernel's weights as the nearest of some values."""
    weights = network.lstm.recurrent.floats
    nearest = np.abs(weights[..., None] - palette).argmin(axis=-1)
    matrix: Any = StoredMatrix(palette[nearest].astype(np.float32), palette=palette)
    return replace(network, lstm=replace(network.lstm, recurrent=matrix))


def test_a_palette(expected: StoredNetwork) -> None:
    """An even one passes; one whose values are all the same would be its own excuse."""
    weights = expected.lstm.recurrent.floats
    even = np.linspace(weights.min(), weights.max(), 16).astype(np.float32)
    assert not audit(expected, with_palette(expected, even)).errors
    for wrong in (np.zeros_like(even), np.full_like(even, weights.mean())):
        (error,) = audit(expected, with_palette(expected, wrong)).errors
        assert "palette" in error.sentence


def test_the_last_digit(expected: StoredNetwork) -> None:
    """At fp32 each weight is exactly the graph's."""
    weights = expected.lstm.recurrent.floats.copy()
    weights[5, 7] = np.nextafter(weights[5, 7], np.float32(9))
    found = replace(expected, lstm=replace(expected.lstm, recurrent=StoredMatrix(weights)))
    (error,) = audit(expected, found).errors
    assert error.numbers == 1
