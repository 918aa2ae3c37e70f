"""The exporter's graph, written without TensorFlow, is the exporter's graph."""

import io
from pathlib import Path

import numpy as np
import pytest

from dsconv.acoustic.export import ExportSettings, export_chunks, weight_shapes
from dsconv.acoustic.metadata import read_metadata
from dsconv.graph.graph import open_graph
from dsconv.graph.steps import steps_of
from dsconv.graph.storage import write_chunks
from dsconv.speech.alphabet import Alphabet
from tests.compare import assert_same_graph


@pytest.mark.models
@pytest.mark.parametrize("name", ["static", "dynamic", "8k-static", "bytes-static"])
def test_equals_the_original_export(name: str, models: Path, tmp_path: Path) -> None:
    """Same nodes, order, ops, inputs, devices, attributes and size, from the weights alone."""
    original = open_graph(models / f"deepspeech-0.9.3-{name}.pb")
    metadata = read_metadata(original)
    steps = steps_of(original)
    assert metadata.alphabet is not None
    assert steps is not None
    settings = ExportSettings(
        metadata.alphabet, n_steps=steps, sample_rate=metadata.sample_rate or 0
    )
    weights = {
        weight: np.asarray(original.tensor(original[weight]).array(), np.float32)
        for weight in weight_shapes(100, settings)
    }
    path = tmp_path / "exported.pb"
    with path.open("wb") as file:
        write_chunks(file, export_chunks(weights, settings))
    assert path.stat().st_size == (models / f"deepspeech-0.9.3-{name}.pb").stat().st_size
    assert_same_graph(open_graph(path), original)


def test_weights_go_out_as_they_come_in() -> None:
    """A weight that is not contiguous is written in row-major order all the same."""
    settings = ExportSettings(Alphabet((b" ", b"a")))
    shapes = weight_shapes(4, settings)
    weights = {
        name: np.asfortranarray(np.random.default_rng(1).random(shape, np.float32))
        for name, shape in shapes.items()
    }
    file = io.BytesIO()
    write_chunks(file, export_chunks(weights, settings))
    assert weights["layer_1/weights"].tobytes() in file.getvalue()
