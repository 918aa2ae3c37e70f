"""`inspect` tells what a checkpoint holds, which one it is, and how to freeze it."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from dsconv.acoustic.export import LSTM, ExportSettings
from dsconv.errors import ModelError
from dsconv.fixtures.demo_model import ALPHABET
from dsconv.inspect.registry import inspect_file
from dsconv.inspect.report import CheckpointInfo, Inspection, render
from dsconv.speech.alphabet import Alphabet
from tests.formats.checkpoint.writer import trained_variables, write_checkpoint

ENGLISH = Alphabet.from_file(ALPHABET)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The best and the last checkpoint of a training."""
    for name in ("best_dev-150", "train-200"):
        write_checkpoint(tmp_path / name, trained_variables(ExportSettings(ENGLISH)), shards=2)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "train-200"\n')
    (tmp_path / "best_dev_checkpoint").write_text('model_checkpoint_path: "best_dev-150"\n')
    return tmp_path


def info_of(inspection: Inspection) -> CheckpointInfo:
    assert inspection.checkpoint is not None
    return inspection.checkpoint


def text_of(path: Path) -> str:
    return " ".join(render(inspect_file(path)).split())


def test_network(folder: Path) -> None:
    """Sizes come from the shapes; what the graph would tell is open."""
    inspection = inspect_file(folder)
    identity = inspection.identity
    assert (inspection.format, identity.network) == ("checkpoint", "streaming LSTM acoustic model")
    assert (identity.n_hidden, identity.classes, identity.layer_norm) == (4, 29, False)
    assert (identity.frozen, identity.steps, identity.alphabet) == (False, None, None)
    assert (info_of(inspection).window_values, info_of(inspection).step) == (494, 150)
    assert inspection.next_step == f"`dsconv freeze {folder}` writes its output_graph.pb."


def test_variables(folder: Path) -> None:
    """All with their shapes, types and bytes; the network's own are the weights."""
    inspection = inspect_file(folder)
    variables = {each.name: each for each in info_of(inspection).variables}
    expected = trained_variables(ExportSettings(ENGLISH))
    assert set(variables) == set(expected)
    for name, value in expected.items():
        variable = variables[name]
        assert (variable.shape, variable.dtype) == (list(value.shape), value.dtype.name)
        assert (variable.parameters, variable.bytes) == (value.size, value.nbytes)
    weights = {each.name for each in inspection.weights}
    assert weights == {name for name in expected if f"{name}/Adam" in expected}
    assert f"{LSTM}/kernel" in weights
    assert inspection.parameter_bytes == 4 * inspection.parameters
    assert inspection.parameters == sum(expected[name].size for name in weights)


def test_which_of_a_folder(folder: Path) -> None:
    """What says so is named, and so are the others."""
    info = info_of(inspect_file(folder))
    assert info.prefix == str(folder / "best_dev-150")
    assert (info.chosen_by, info.others) == ("best_dev_checkpoint", [str(folder / "train-200")])
    (folder / "best_dev_checkpoint").unlink()
    info = info_of(inspect_file(folder))
    assert (info.prefix, info.chosen_by) == (str(folder / "train-200"), "checkpoint")


@pytest.mark.parametrize(
    "name",
    ["train-200", "train-200.index", "train-200.data-00001-of-00002", "checkpoint"],
)
def test_files(name: str, folder: Path) -> None:
    """Whichever file of a checkpoint is passed."""
    info = info_of(inspect_file(folder / name))
    assert (info.prefix, info.chosen_by) == (str(folder / "train-200"), None)


def test_bytes_and_hash(folder: Path) -> None:
    """Those of the files of the one checkpoint, as sha256sum lists them."""
    files = sorted(folder.glob("best_dev-150.*"))
    assert len(files) == 3
    inspection = inspect_file(folder)
    assert inspection.bytes == sum(file.stat().st_size for file in files)
    listed = "".join(
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files
    )
    assert inspection.sha256 == hashlib.sha256(listed.encode()).hexdigest()


def test_json_and_text(folder: Path) -> None:
    """Plain values; and lists that say what matters."""
    values = inspect_file(folder).to_json()
    assert json.loads(json.dumps(values)) == values
    text = text_of(folder)
    for fact in (
        "named by the file best_dev_checkpoint",
        "trained for 150 steps",
        "no: it holds variables and no graph",
        "output 29 classes, the blank last",
        "frame 494 values",
        "layer_1/weights/Adam",
        "and 7 smaller ones",
    ):
        assert fact in text
    assert "nodes" not in text


def test_fits_80_columns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long names have a line of their own."""
    monkeypatch.chdir(folder)
    lines = render(inspect_file(Path("train-200"))).splitlines()
    assert all(len(line) <= 80 or " " not in line.strip() for line in lines)


@pytest.mark.parametrize(
    ("labels", "settings", "options"),
    [
        (Alphabet((b"a", b"b")), {}, " --alphabet FILE`"),
        (Alphabet.of_bytes(), {}, " --bytes-output-mode` .* or with --alphabet FILE instead"),
        (ENGLISH, {"n_context": 5}, " --n-context FRAMES --n-input FEATURES`"),
    ],
)
def test_what_freeze_has_to_be_told(
    labels: Alphabet, settings: dict[str, int], options: str, tmp_path: Path
) -> None:
    """Where the exporter's defaults do not fit, the options that are needed are named."""
    variables = trained_variables(ExportSettings(labels, n_context=settings.get("n_context", 9)))
    write_checkpoint(tmp_path / "c", variables)
    assert re.search(f"/c{options}", inspect_file(tmp_path / "c").next_step or "")


def test_an_alphabet_beside_it_is_enough(tmp_path: Path) -> None:
    """As Coqui STT saves one."""
    labels = Alphabet((b"a", b"b"))
    write_checkpoint(tmp_path / "c", trained_variables(ExportSettings(labels)))
    (tmp_path / "alphabet.txt").write_text("a\nb\n")
    step = inspect_file(tmp_path / "c").next_step
    assert step == f"`dsconv freeze {tmp_path / 'c'}` writes its output_graph.pb."


def test_paths_can_be_copied(tmp_path: Path) -> None:
    """A path with a space is quoted in the command."""
    (tmp_path / "a b").mkdir()
    write_checkpoint(tmp_path / "a b" / "c", trained_variables(ExportSettings(ENGLISH)))
    assert f"`dsconv freeze '{tmp_path}/a b'`" in (inspect_file(tmp_path / "a b").next_step or "")


def test_another_network(tmp_path: Path) -> None:
    """It is inspected too, and it is said why it is not frozen."""
    write_checkpoint(tmp_path / "c", {"conv1/kernel": np.zeros((3, 3), np.float32)})
    inspection = inspect_file(tmp_path)
    assert inspection.identity.network == "not a network that dsconv knows"
    assert [each.name for each in inspection.weights] == ["conv1/kernel"]
    refusal = info_of(inspection).refusal or ""
    assert refusal.startswith("it is a checkpoint, but not of an acoustic model")
    assert f"`dsconv freeze` does not take it: {refusal}" == inspection.next_step
    assert "first variables are conv1/kernel" in text_of(tmp_path)


def test_missing_weights_and_data(folder: Path) -> None:
    """What is missing is named, and the rest shown."""
    variables = trained_variables(ExportSettings(ENGLISH))
    del variables["layer_5/weights"]
    write_checkpoint(folder / "best_dev-150", variables, shards=2)
    assert "no variable 'layer_5/weights'" in (info_of(inspect_file(folder)).refusal or "")
    (folder / "train-200.data-00001-of-00002").unlink()
    inspection = inspect_file(folder / "train-200")
    assert info_of(inspection).missing == ["train-200.data-00001-of-00002"]
    assert inspection.identity.n_hidden == 4
    assert "data file train-200.data-00001-of-00002 is missing" in (inspection.next_step or "")
    assert "missing train-200.data-00001-of-00002" in text_of(folder / "train-200")


def test_damage(folder: Path) -> None:
    """A damaged index is an error that names it."""
    index = folder / "best_dev-150.index"
    index.write_bytes(index.read_bytes()[:200] + index.read_bytes()[210:])
    with pytest.raises(ModelError, match=r"best_dev-150.index"):
        inspect_file(folder)
    for path in folder.glob("*dev*"):
        path.unlink()
    (folder / "checkpoint").unlink()
    shutil.copy(folder / "train-200.index", folder / "train-100.index")
    with pytest.raises(ModelError, match=r"pass one of its indexes: train-100.index"):
        inspect_file(folder)


@pytest.mark.models
def test_an_original(models: Path) -> None:
    """The checkpoint of which the exports of 0.9.3 were made."""
    inspection = inspect_file(models / "checkpoint-0.9.3")
    info = info_of(inspection)
    assert (inspection.identity.n_hidden, inspection.identity.classes) == (100, 29)
    assert (len(inspection.weights), inspection.parameters) == (12, 163_129)
    assert (info.chosen_by, info.others, info.step, info.refusal) == ("checkpoint", [], 150, None)
