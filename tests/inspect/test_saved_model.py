"""`inspect` tells what a SavedModel or a MetaGraph holds, and how to come to a frozen graph."""

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest

from dsconv.acoustic.export import LSTM, ExportSettings, weight_shapes
from dsconv.acoustic.metadata import read_metadata
from dsconv.errors import DsconvError, ModelError
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.inspect.registry import inspect_file
from dsconv.inspect.report import TensorInfo, render
from dsconv.speech.alphabet import Alphabet
from dsconv.workflows.freeze import freeze_checkpoint
from dsconv.workflows.freeze_options import FreezeOptions
from tests.compare import assert_same_graph
from tests.formats.checkpoint.writer import trained_variables, write_checkpoint
from tests.inspect.saved_models import (
    ENGLISH,
    meta_graph,
    unfrozen_graph,
    write_coqui_saved_model,
    write_saved_model,
)


def test_of_coqui(tmp_path: Path) -> None:
    """The signatures from the graph, the sizes from the variables, the way to a frozen graph."""
    folder = write_coqui_saved_model(tmp_path / "exported")
    inspection = inspect_file(folder)
    identity = inspection.identity
    assert (inspection.format, identity.exported_by) == ("savedmodel", "Coqui STT 1")
    assert identity.network == "LSTM acoustic model of whole clips of features"
    assert (identity.n_hidden, identity.classes, identity.frozen) == (4, 29, False)
    assert identity.output == "probabilities"
    assert (inspection.nodes, len(inspection.weights)) == (5, 12)
    assert inspection.checkpoint is not None
    assert inspection.checkpoint.refusal is None
    assert inspection.next_step == f"`dsconv freeze {folder}` writes its output_graph.pb."


def test_signatures(tmp_path: Path) -> None:
    """Names for the caller and names in the graph, without ``:0``, types and shapes."""
    inspection = inspect_file(write_coqui_saved_model(tmp_path / "exported"))
    (info,) = inspection.meta_graphs
    assert (info.tags, info.tensorflow_version) == (["serve"], "1.15.4")
    compute, forward = info.signatures
    assert (compute.name, compute.method) == ("compute_features", "compute_features")
    assert compute.outputs == {"features": TensorInfo("ExpandDims", "float32", None)}
    assert forward.inputs["features"] == TensorInfo("features_in", "float32", [-1, -1, 26])
    assert forward.inputs["features_len"] == TensorInfo("feature_lens_in", "int32", [-1])
    assert forward.outputs == {"probs": TensorInfo("Softmax", "float32", [-1, -1, 29])}
    assert [tensor.name for tensor in inspection.inputs] == [
        "input_wavfile_contents",
        "features_in",
        "feature_lens_in",
    ]
    assert [tensor.name for tensor in inspection.outputs] == ["ExpandDims", "Softmax"]


def test_text_and_json(tmp_path: Path) -> None:
    """The lists name the signatures; JSON holds plain values."""
    folder = write_coqui_saved_model(tmp_path / "exported")
    text = " ".join(render(inspect_file(folder)).split())
    for fact in (
        "exported by Coqui STT 1",
        "Signature forward_from_features, tagged serve: features input, float32 [?, ?, 26], featu",
        "probs output, float32 [?, ?, 29], Softmax",
        "output probabilities of 29 classes",
        "whose values are in a checkpoint",
    ):
        assert fact in text
    assert "Inputs:" not in text
    values = inspect_file(folder).to_json()
    assert json.loads(json.dumps(values)) == values


def test_given_by_its_file(tmp_path: Path) -> None:
    """Bytes and hash are those of the graphs and the variables, not of what lies beside."""
    folder = write_coqui_saved_model(tmp_path / "exported")
    by_file, by_folder = inspect_file(folder / "saved_model.pb"), inspect_file(folder)
    names = (
        "saved_model.pb",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    )
    lines = [f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in names]
    assert by_file.sha256 == by_folder.sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert by_file.bytes == by_folder.bytes == sum((folder / n).stat().st_size for n in names)
    assert by_file.identity == by_folder.identity


@pytest.mark.parametrize("name", ["", "saved_model.pb", "variables", "variables/variables"])
def test_is_frozen(name: str, tmp_path: Path) -> None:
    """Its variables are a checkpoint, its alphabet the one that it was trained with."""
    labels = Alphabet(ENGLISH.labels[::-1])
    folder = write_coqui_saved_model(tmp_path / "exported", labels)
    options = FreezeOptions(exporter="coqui-1.4.0")
    frozen = freeze_checkpoint(folder / name, tmp_path / "a.pb", options)
    assert frozen.alphabet == str(folder / "alphabet.txt")
    plain = write_checkpoint(tmp_path / "c", trained_variables(ExportSettings(labels)))
    (tmp_path / "alphabet.txt").write_bytes((folder / "alphabet.txt").read_bytes())
    freeze_checkpoint(plain, tmp_path / "b.pb", options)
    assert read_metadata(open_graph(tmp_path / "a.pb")).alphabet == labels
    assert (tmp_path / "a.pb").read_bytes() == (tmp_path / "b.pb").read_bytes()


def test_alphabet_seen_from_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder above the variables is found from a path that does not name it."""
    folder = write_coqui_saved_model(tmp_path / "exported")
    monkeypatch.chdir(folder / "variables")
    frozen = freeze_checkpoint("variables", tmp_path / "a.pb")
    assert frozen.alphabet == str(folder.resolve() / "alphabet.txt")


def test_frozen_already(small_graph: Graph, tmp_path: Path) -> None:
    """Constants in the graph: nothing is to be frozen, and the weights are shown."""
    folder = write_saved_model(tmp_path / "frozen", meta_graph(small_graph, signatures={}))
    inspection = inspect_file(folder)
    assert inspection.identity.frozen
    assert inspection.checkpoint is None
    assert "constants of its graph already" in (inspection.next_step or "")
    assert len(inspection.weights) == 12
    assert "input_node" in [tensor.name for tensor in inspection.inputs]
    with pytest.raises(ModelError, match="a SavedModel without variables"):
        freeze_checkpoint(folder, tmp_path / "a.pb")


def test_without_its_variables(tmp_path: Path) -> None:
    """A SavedModel of which only the graph was copied."""
    inspection = inspect_file(write_saved_model(tmp_path / "s", meta_graph(unfrozen_graph())))
    assert not inspection.identity.frozen
    assert "variables/variables.index is not there" in (inspection.next_step or "")


def test_several_graphs(small_graph: Graph, tmp_path: Path) -> None:
    """The report is about the one for serving; the others are listed."""
    both = meta_graph(unfrozen_graph(), ["train"]), meta_graph(small_graph, signatures={})
    inspection = inspect_file(write_saved_model(tmp_path / "s", *both))
    assert [info.tags for info in inspection.meta_graphs] == [["train"], ["serve"]]
    assert inspection.nodes == len(small_graph)


def test_text_form(tmp_path: Path) -> None:
    """It is named, and its variables can still be frozen."""
    folder = write_coqui_saved_model(tmp_path / "exported")
    (folder / "saved_model.pb").rename(folder / "saved_model.pbtxt")
    with pytest.raises(ModelError, match="in text form, .*`dsconv freeze` takes its variables"):
        inspect_file(folder)
    freeze_checkpoint(folder, tmp_path / "a.pb")


def test_damage(small_graph: Graph, tmp_path: Path) -> None:
    """Of 200 damaged files none ends in another exception, and every error names the file."""
    rng = random.Random(3)
    folder = write_saved_model(
        tmp_path / "s", meta_graph(unfrozen_graph()), meta_graph(small_graph, ["serve"])
    )
    path = folder / "saved_model.pb"
    data = path.read_bytes()
    outcomes = {"done": 0, "error": 0}
    for _ in range(200):
        changed = bytearray(data)
        for _ in range(rng.choice([1, 3])):
            changed[rng.randrange(1500)] = rng.randrange(256)
        path.write_bytes(changed)
        try:
            render(inspect_file(folder))
            outcomes["done"] += 1
        except DsconvError as error:
            outcomes["error"] += 1
            assert str(folder) in str(error)
            assert "\n" not in str(error)
    assert min(outcomes.values()) > 10, outcomes


def test_no_graph(tmp_path: Path) -> None:
    """An empty SavedModel is damaged."""
    folder = write_saved_model(tmp_path / "s")
    with pytest.raises(ModelError, match="saved_model.pb: the SavedModel holds no graph"):
        inspect_file(folder)


def test_meta_graph_beside_its_checkpoint(tmp_path: Path) -> None:
    """A training's .meta file; the way to a frozen graph is its checkpoint's."""
    path = tmp_path / "train-1.meta"
    path.write_bytes(meta_graph(unfrozen_graph(), [], {}))
    inspection = inspect_file(path)
    assert (inspection.format, inspection.identity.frozen) == ("metagraph", False)
    assert inspection.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert "pass its checkpoint to `dsconv freeze`" in (inspection.next_step or "")
    write_checkpoint(tmp_path / "train-1", trained_variables(ExportSettings(ENGLISH)))
    step = inspect_file(path).next_step
    assert step == f"`dsconv freeze {path}` writes its output_graph.pb."
    assert freeze_checkpoint(path, tmp_path / "a.pb").n_hidden == 4


def test_frozen_meta_graph(small_graph: Graph, tmp_path: Path) -> None:
    """One whose weights are constants needs no checkpoint."""
    path = tmp_path / "a.meta"
    path.write_bytes(meta_graph(small_graph, [], {}))
    inspection = inspect_file(path)
    assert inspection.identity.frozen
    assert "constants of its graph already" in (inspection.next_step or "")


def saved_by_tensorflow(tf: Any, folder: Path, checkpoint: Path) -> None:
    """What TensorFlow saves of a graph with the network's variables and Coqui's signatures."""
    v1, settings = tf.compat.v1, ExportSettings(ENGLISH)
    values = trained_variables(settings)
    saving = v1.saved_model
    with tf.Graph().as_default(), v1.Session() as session:
        wav = v1.placeholder(tf.string, [], "input_wavfile_contents")
        features = v1.placeholder(tf.float32, [None, None, 26], "features_in")
        lengths = v1.placeholder(tf.int32, [None], "feature_lens_in")
        variables = {
            # The original code makes variables of the older kind; both kinds are saved alike.
            name: v1.get_variable(name, shape, use_resource=name.startswith(LSTM))
            for name, shape in weight_shapes(4, settings).items()
        }
        first = tf.matmul(tf.zeros([1, 494]), variables["layer_1/weights"])
        scores = tf.matmul(tf.nn.relu(first), variables["layer_6/weights"], name="scores")
        probs = tf.nn.softmax(scores + 0.0 * tf.reduce_sum(features), name="probs")
        computed = tf.zeros([1, 2, 26]) + tf.cast(tf.strings.length(wav), tf.float32)
        for name, variable in variables.items():
            variable.load(values[name], session)
        v1.train.Saver().save(session, str(checkpoint))
        builder = saving.builder.SavedModelBuilder(str(folder))
        sides = {
            "compute_features": ({"input_wavfile": wav}, {"features": computed}),
            "forward_from_features": (
                {"features": features, "features_len": lengths},
                {"probs": probs},
            ),
        }
        signatures = {
            name: saving.signature_def_utils.build_signature_def(
                *(
                    {key: saving.utils.build_tensor_info(t) for key, t in side.items()}
                    for side in s
                ),
                name,
            )
            for name, s in sides.items()
        }
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures)
        builder.save()


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore")
def test_saved_by_tensorflow(tensorflow: Any, tmp_path: Path) -> None:
    """A SavedModel, a .meta and a checkpoint of TensorFlow itself, all frozen to the same graph."""
    folder, checkpoint = tmp_path / "saved", tmp_path / "train-1"
    saved_by_tensorflow(tensorflow, folder, checkpoint)
    inspection = inspect_file(folder)
    identity = inspection.identity
    assert (identity.exported_by, identity.n_hidden) == ("Coqui STT 1", 4)
    assert (identity.output, identity.frozen) == ("probabilities", False)
    (info,) = inspection.meta_graphs
    assert info.tags == ["serve"]
    assert info.tensorflow_version == tensorflow.__version__
    forward = next(each for each in info.signatures if each.name == "forward_from_features")
    assert forward.inputs["features"] == TensorInfo("features_in", "float32", [-1, -1, 26])
    meta = inspect_file(checkpoint.with_name("train-1.meta"))
    assert (meta.format, meta.identity.frozen) == ("metagraph", False)
    graphs = []
    for number, path in enumerate((folder, checkpoint.with_name("train-1.meta"), checkpoint)):
        freeze_checkpoint(path, tmp_path / f"{number}.pb")
        graphs.append(open_graph(tmp_path / f"{number}.pb"))
    assert_same_graph(graphs[0], graphs[2])
    assert_same_graph(graphs[1], graphs[2])
