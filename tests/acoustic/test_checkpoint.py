"""The weights of a network are found in its checkpoint; what is not known is refused by name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dsconv.acoustic.checkpoint import TrainedShape, read_weights, trained_shape
from dsconv.acoustic.export import LSTM, ExportSettings
from dsconv.errors import ConversionError, DsconvError, ModelError
from dsconv.formats.checkpoint.bundle import open_checkpoint
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.graphdef.tensor import Tensor
from dsconv.inspect.registry import inspect_file
from dsconv.speech.alphabet import Alphabet
from tests.formats.checkpoint.writer import trained_variables, write_checkpoint

SETTINGS = ExportSettings(Alphabet((b" ", b"a")))
NORMALIZED = ExportSettings(Alphabet((b" ", b"a")), layer_norm=True)
OPAQUE = "cudnn_lstm/opaque_kernel"


def read(
    variables: dict[str, NDArray[Any]], folder: Path, settings: ExportSettings = SETTINGS
) -> dict[str, Tensor]:
    checkpoint = open_checkpoint(write_checkpoint(folder / "best_dev-1", variables))
    return read_weights(checkpoint, trained_shape(checkpoint).n_hidden, settings)


@pytest.mark.parametrize("settings", [SETTINGS, NORMALIZED], ids=["plain", "normalized"])
def test_weights_and_sizes(settings: ExportSettings, tmp_path: Path) -> None:
    """All sizes come from the shapes; what an optimizer keeps is left out."""
    variables = trained_variables(settings, n_hidden=6)
    weights = read(variables, tmp_path, settings)
    shape = trained_shape(open_checkpoint(tmp_path / "best_dev-1"))
    assert shape == TrainedShape(6, 3, 494, settings.layer_norm)
    assert set(weights) == {name for name in variables if f"{name}/Adam" in variables}
    for name, weight in weights.items():
        assert weight.array().tolist() == variables[name].tolist()


def test_cudnn_training(tmp_path: Path) -> None:
    """It saves the LSTM as all trainings do, but its optimizer's values under another name."""
    variables = trained_variables(SETTINGS)
    kernel = variables[f"{LSTM}/kernel"]
    for slot in ("Adam", "Adam_1"):
        del variables[f"{LSTM}/kernel/{slot}"]
        variables[f"{OPAQUE}/{slot}"] = np.zeros(99, np.float32)
    assert read(variables, tmp_path)[f"{LSTM}/kernel"].array().tolist() == kernel.tolist()


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        (["layer_3/bias"], r"no variable 'layer_3/bias'; pass"),
        (["layer_1/weights", "layer_5/bias"], r"no variable 'layer_1/weights' and 1 more"),
        ([f"{LSTM}/bias"], f"no variable '{LSTM}/bias'"),
        (["layer_5/LayerNorm/gamma"], r"no variable 'layer_5/LayerNorm/gamma'"),
    ],
)
def test_missing_weights(missing: list[str], says: str, tmp_path: Path) -> None:
    """They are named, and the checkpoint is."""
    variables = trained_variables(NORMALIZED)
    for name in missing:
        del variables[name]
    with pytest.raises(ModelError, match=says) as caught:
        read(variables, tmp_path, NORMALIZED)
    assert "best_dev-1" in str(caught.value)


@pytest.mark.models
@pytest.mark.parametrize(
    ("export", "version"),
    [
        ("deepspeech-0.1.1-static.pb", "DeepSpeech 0.1"),
        ("deepspeech-0.2.0-static.pb", "DeepSpeech 0.2, 0.3 or 0.4"),
        ("deepspeech-0.4.1-static.pb", "DeepSpeech 0.2, 0.3 or 0.4"),
        ("deepspeech-0.5.1-static.pb", "DeepSpeech 0.5"),
    ],
)
def test_earlier_versions_are_named(
    export: str, version: str, models: Path, tmp_path: Path
) -> None:
    """A checkpoint with the variables of their graphs is refused by the version's name."""
    graph = open_graph(models / export)
    names = {weight.name for weight in inspect_file(models / export).weights}
    variables = {name: graph.tensor(graph[name]).array() for name in names}
    with pytest.raises(ConversionError, match=f"checkpoint of {version}, .*--export_dir"):
        read(variables, tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "error", "says"),
    [
        ("layer_4/weights", np.zeros((4, 4), np.float32), ConversionError, "belongs to no network"),
        ("layer_1/scale", np.zeros(4, np.float32), ConversionError, "'layer_1/scale' .4. belongs"),
        (
            "layer_2/weights",
            np.zeros((4, 5), np.float32),
            ConversionError,
            r"\[4, 5\] where .* has",
        ),
        ("layer_2/weights", np.zeros((4, 4)), ConversionError, "is in float64"),
        ("layer_6/weights", np.zeros(4, np.float32), ModelError, "not of a matrix"),
    ],
)
def test_another_network(
    name: str, value: NDArray[Any], error: type[DsconvError], says: str, tmp_path: Path
) -> None:
    """A network that the original training code does not make is not frozen in part."""
    with pytest.raises(error, match=says):
        read({**trained_variables(SETTINGS), name: value}, tmp_path)


def test_an_opaque_lstm(tmp_path: Path) -> None:
    """CuDNN's own form of the LSTM is refused by name."""
    variables = trained_variables(SETTINGS)
    variables[OPAQUE] = variables.pop(f"{LSTM}/kernel").ravel()
    with pytest.raises(ConversionError, match=f"CuDNN's own form only .'{OPAQUE}'"):
        read(variables, tmp_path)


def test_a_checkpoint_of_something_else(tmp_path: Path) -> None:
    """Its variables are named, so that one sees what it is."""
    with pytest.raises(ModelError, match="not of an acoustic model.* are conv1/kernel"):
        read({"conv1/kernel": np.zeros((3, 3), np.float32)}, tmp_path)
