"""The exporter's graph, written without TensorFlow, is the exporter's graph."""

import io
from pathlib import Path

import numpy as np
import pytest

from dsconv.acoustic.export import ExportSettings, export_chunks, weight_shapes
from dsconv.acoustic.metadata import read_metadata
from dsconv.acoustic.recognise import recognise
from dsconv.acoustic.versions import EXPORTERS, Exporter
from dsconv.formats.graphdef.graph import Graph, open_graph, parse_graph
from dsconv.formats.storage import Storage, write_chunks
from dsconv.speech.alphabet import Alphabet
from tests.compare import assert_same_graph

SMALL = Alphabet((b" ", b"a"))


def exported(settings: ExportSettings, n_hidden: int = 4) -> Graph:
    """The graph around random weights."""
    generator = np.random.default_rng(1)
    weights = {
        name: generator.random(shape, np.float32)
        for name, shape in weight_shapes(n_hidden, settings).items()
    }
    file = io.BytesIO()
    write_chunks(file, export_chunks(weights, settings))
    data = file.getvalue()
    return parse_graph(Storage.of_bytes(data).span(0, len(data)))


@pytest.mark.models
@pytest.mark.parametrize(
    ("name", "exporter"),
    [
        ("deepspeech-0.6.1-static", EXPORTERS["0.6.1"]),
        ("deepspeech-0.9.3-static", EXPORTERS["0.9.3"]),
        ("deepspeech-0.9.3-dynamic", EXPORTERS["0.9.3"]),
        ("deepspeech-0.9.3-8k-static", EXPORTERS["0.9.3"]),
        ("deepspeech-0.9.3-bytes-static", EXPORTERS["0.9.3"]),
        ("deepspeech-0.9.3-ln-static", EXPORTERS["0.9.3"]),
        ("coqui-1.4.0-static", EXPORTERS["coqui-1.4.0"]),
    ],
)
def test_equals_the_original_export(
    name: str, exporter: Exporter, models: Path, tmp_path: Path
) -> None:
    """Same nodes, order, ops, inputs, devices, attributes and size, from the weights alone."""
    original = open_graph(models / f"{name}.pb")
    metadata = read_metadata(original)
    assert metadata.alphabet is not None
    settings = ExportSettings(
        metadata.alphabet,
        n_steps=recognise(original).steps,
        sample_rate=metadata.sample_rate or 0,
        language=exporter.default_language or None,
        layer_norm="-ln-" in name,
        exporter=exporter,
    )
    # Half of the weights come as arrays, half as tensors on the mapped file.
    weights = {
        weight: tensor if number % 2 else np.asarray(tensor.array(), np.float32)
        for number, weight in enumerate(weight_shapes(100, settings))
        for tensor in [original.tensor(original[weight])]
    }
    path = tmp_path / "exported.pb"
    with path.open("wb") as file:
        write_chunks(file, export_chunks(weights, settings))
    assert path.stat().st_size == (models / f"{name}.pb").stat().st_size
    assert_same_graph(open_graph(path), original)


def test_weights_go_out_as_they_come_in() -> None:
    """A weight that is not contiguous is written in row-major order all the same."""
    settings = ExportSettings(SMALL)
    shapes = weight_shapes(4, settings)
    weights = {
        name: np.asfortranarray(np.random.default_rng(1).random(shape, np.float32))
        for name, shape in shapes.items()
    }
    file = io.BytesIO()
    write_chunks(file, export_chunks(weights, settings))
    assert weights["layer_1/weights"].tobytes() in file.getvalue()


def test_settings_reach_the_graph() -> None:
    """What an exporter is told beside the weights stands where the graphs have it."""
    graph = exported(
        ExportSettings(
            SMALL,
            n_steps=1,
            sample_rate=8000,
            feature_win_len=25,
            feature_win_step=10,
            n_context=5,
            n_input=20,
            relu_clip=6.0,
            beam_width=7,
            language="de-Latn-DE",
            layer_norm=True,
        )
    )
    network, metadata = recognise(graph), read_metadata(graph)
    assert (network.steps, network.context, network.features) == (1, 5, 20)
    assert {layer.clip for layer in (*network.before, *network.after)} == {6.0}
    assert all(layer.norm for layer in (*network.before, *network.after))
    assert graph["input_samples"].shape() == (200,)
    assert graph["AudioSpectrogram"].attribute("stride", int) == 80
    assert (metadata.sample_rate, metadata.beam_width, metadata.language) == (8000, 7, "de-Latn-DE")
    assert (metadata.feature_win_len, metadata.feature_win_step) == (25, 10)


def test_a_language_that_is_not_named_is_not_written() -> None:
    """It is left out of the graph, as by the exporter of 0.6.1."""
    assert "metadata_language" not in exported(ExportSettings(SMALL, language=None))
