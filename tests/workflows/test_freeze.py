"""A frozen checkpoint is the graph that the original exporter makes of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.export import ExportSettings
from dsconv.acoustic.metadata import read_metadata
from dsconv.acoustic.recognise import recognise
from dsconv.errors import ConversionError, DsconvError, ModelError, OutputError
from dsconv.fixtures.demo_model import ALPHABET
from dsconv.formats.graphdef.graph import open_graph
from dsconv.speech.alphabet import Alphabet
from dsconv.workflows.freeze import freeze_checkpoint
from dsconv.workflows.freeze_options import FreezeOptions
from dsconv.workflows.model_card import ModelCard
from tests.compare import assert_same_graph
from tests.formats.checkpoint.writer import trained_variables, write_checkpoint

ENGLISH = Alphabet.from_file(ALPHABET)


def trained(folder: Path, alphabet: Alphabet = ENGLISH, **settings: Any) -> Path:
    """A folder with a small checkpoint."""
    variables = trained_variables(ExportSettings(alphabet, **settings))
    write_checkpoint(folder / "best_dev-150", variables, shards=2)
    (folder / "best_dev_checkpoint").write_text('model_checkpoint_path: "best_dev-150"\n')
    return folder


@pytest.mark.models
@pytest.mark.parametrize(("name", "steps"), [("static", 16), ("dynamic", -1)])
def test_equals_the_original_export(name: str, steps: int, models: Path, tmp_path: Path) -> None:
    """Same nodes, order, ops, inputs, devices, attributes, weights and size."""
    original = models / f"deepspeech-0.9.3-{name}.pb"
    output = tmp_path / "output_graph.pb"
    options = FreezeOptions(n_steps=steps)
    frozen = freeze_checkpoint(models / "checkpoint-0.9.3", output, options)
    assert frozen.bytes == output.stat().st_size == original.stat().st_size
    assert_same_graph(open_graph(output), open_graph(original))


@pytest.mark.models
def test_the_original_alphabet_file(models: Path, tmp_path: Path) -> None:
    """With its comments, and so without the note on the English alphabet."""
    output, given = tmp_path / "graph.pb", models / "alphabet.txt"
    checkpoint = models / "checkpoint-0.9.3" / "best_dev-150.index"
    frozen = freeze_checkpoint(checkpoint, output, FreezeOptions(alphabet=given))
    assert (frozen.alphabet, frozen.notes) == (str(given), ())
    assert_same_graph(open_graph(output), open_graph(models / "deepspeech-0.9.3-static.pb"))


def test_result_says_what_was_frozen(tmp_path: Path) -> None:
    """The checkpoint, the sizes, and that the alphabet is a default."""
    frozen = freeze_checkpoint(trained(tmp_path), tmp_path / "graph.pb")
    assert frozen.checkpoint == tmp_path / "best_dev-150"
    assert (frozen.n_hidden, frozen.classes, frozen.layer_norm) == (4, 29, False)
    assert "English" in frozen.notes[0]
    assert frozen.to_json()["output"] == str(tmp_path / "graph.pb")


def test_options_reach_the_graph(tmp_path: Path) -> None:
    """Everything that the exporter's flags set."""
    labels = Alphabet((b"x", b"\xc3\xa9", b"#"))
    (tmp_path / "letters.txt").write_text("# Letters\nx\né\n\\#", "utf-8")
    options = FreezeOptions(
        n_steps=3,
        alphabet=tmp_path / "letters.txt",
        sample_rate=8000,
        feature_win_len=25,
        feature_win_step=10,
        n_context=5,
        n_input=20,
        relu_clip=6.0,
        beam_width=7,
        language="de-Latn-DE",
        batch_size=2,
    )
    folder = trained(tmp_path, labels, n_context=5, n_input=20, layer_norm=True)
    frozen = freeze_checkpoint(folder, tmp_path / "graph.pb", options)
    graph = open_graph(tmp_path / "graph.pb")
    network, metadata = recognise(graph), read_metadata(graph)
    assert frozen.layer_norm
    assert frozen.alphabet == str(tmp_path / "letters.txt")
    assert (network.batch, network.steps, network.context, network.features) == (2, 3, 5, 20)
    assert network.before[0].norm is not None
    assert network.before[0].clip == 6.0
    assert (metadata.sample_rate, metadata.feature_win_len) == (8000, 25)
    assert (metadata.feature_win_step, metadata.beam_width) == (10, 7)
    assert (metadata.language, metadata.alphabet) == ("de-Latn-DE", labels)
    assert "more than one clip" in frozen.notes[-1]


@pytest.mark.parametrize(
    ("exporter", "version", "limit"),
    [("0.6.1", 5, 4000.0), ("0.9.3", 6, 8000.0), ("coqui-1.4.0", 6, 8000.0)],
)
def test_exporters(exporter: str, version: int, limit: float, tmp_path: Path) -> None:
    """Each writes its own version of the graph, with its own front end."""
    options = FreezeOptions(exporter=exporter)
    checkpoint = trained(tmp_path) / "best_dev-150"
    (tmp_path / "alphabet.txt").write_bytes(ALPHABET.read_bytes())
    freeze_checkpoint(checkpoint, tmp_path / "graph.pb", options)
    graph = open_graph(tmp_path / "graph.pb")
    metadata = read_metadata(graph)
    assert metadata.version == version
    assert (metadata.language is None) == (metadata.beam_width is None) == (exporter == "0.6.1")
    assert graph["Mfcc"].attribute("upper_frequency_limit", float) == limit


def test_an_empty_language(tmp_path: Path) -> None:
    """It is not written, as by the exporters."""
    freeze_checkpoint(trained(tmp_path), tmp_path / "graph.pb", FreezeOptions(language=""))
    assert "metadata_language" not in open_graph(tmp_path / "graph.pb")


def test_which_checkpoint_of_a_folder(tmp_path: Path) -> None:
    """The best one, as the exporters since 0.7; the last one, as that of 0.6.1; or as asked."""
    trained(tmp_path)
    write_checkpoint(tmp_path / "train-200", trained_variables(ExportSettings(ENGLISH)))
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "train-200"\n')
    taken = [
        freeze_checkpoint(tmp_path, tmp_path / "graph.pb", options, force=True).checkpoint.name
        for options in (
            FreezeOptions(),
            FreezeOptions(exporter="0.6.1"),
            FreezeOptions(load="last"),
            FreezeOptions(exporter="0.6.1", load="best"),
        )
    ]
    assert taken == ["best_dev-150", "train-200", "train-200", "best_dev-150"]


def test_an_alphabet_beside_the_checkpoint(tmp_path: Path) -> None:
    """Coqui STT saves it there; it goes before the English one."""
    reversed_labels = Alphabet(ENGLISH.labels[::-1])
    (tmp_path / "alphabet.txt").write_bytes(b"\n".join(reversed_labels.labels))
    frozen = freeze_checkpoint(trained(tmp_path), tmp_path / "graph.pb")
    assert read_metadata(open_graph(tmp_path / "graph.pb")).alphabet == reversed_labels
    assert (frozen.alphabet, frozen.notes) == (str(tmp_path / "alphabet.txt"), ())


def test_bytes_output(tmp_path: Path) -> None:
    """The bytes of UTF-8 are the labels where they are asked for, and never guessed."""
    folder = trained(tmp_path, Alphabet.of_bytes())
    with pytest.raises(ConversionError, match=r"256 classes.*or --bytes-output-mode"):
        freeze_checkpoint(folder, tmp_path / "graph.pb")
    freeze_checkpoint(folder, tmp_path / "graph.pb", FreezeOptions(bytes_output_mode=True))
    alphabet = read_metadata(open_graph(tmp_path / "graph.pb")).alphabet
    assert alphabet is not None
    assert alphabet.is_bytes


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (None, "29 classes.* .the bytes of UTF-8. has 255 labels, 256 classes with the blank"),
        ("a\nb\n", "29 classes.* has 2 labels, 3 classes with the blank; pass --alphabet"),
    ],
)
def test_an_alphabet_of_another_size(lines: str | None, says: str, tmp_path: Path) -> None:
    """Both numbers are named."""
    options = FreezeOptions(bytes_output_mode=True)
    if lines:
        (tmp_path / "letters.txt").write_text(lines)
        options = FreezeOptions(alphabet=tmp_path / "letters.txt")
    with pytest.raises(ConversionError, match=says):
        freeze_checkpoint(trained(tmp_path), tmp_path / "graph.pb", options)


def test_an_alphabet_that_nobody_knows(tmp_path: Path) -> None:
    """No alphabet is made up for a number of classes."""
    with pytest.raises(ConversionError, match=r"3 classes, and does not say what they stand for"):
        freeze_checkpoint(trained(tmp_path, Alphabet((b"a", b"b"))), tmp_path / "graph.pb")


def test_coqui_assumes_no_language(tmp_path: Path) -> None:
    """Its trainings save the alphabet; where it is gone, it has to be given."""
    options = FreezeOptions(exporter="coqui-1.4.0")
    with pytest.raises(ConversionError, match=r"29 classes, and does not say.* pass --alphabet"):
        freeze_checkpoint(trained(tmp_path), tmp_path / "graph.pb", options)


def test_an_alphabet_that_is_not_there(tmp_path: Path) -> None:
    """It is named."""
    options = FreezeOptions(alphabet=tmp_path / "letters.txt")
    with pytest.raises(ModelError, match=r"letters.txt does not exist"):
        freeze_checkpoint(trained(tmp_path), tmp_path / "graph.pb", options)


def test_windows_of_another_size(tmp_path: Path) -> None:
    """The context of a changed training code is not guessed."""
    folder = trained(tmp_path, n_context=5)
    with pytest.raises(ConversionError, match=r"take 286 values per frame.* make 494"):
        freeze_checkpoint(folder, tmp_path / "graph.pb")
    freeze_checkpoint(folder, tmp_path / "graph.pb", FreezeOptions(n_context=5))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (FreezeOptions(n_steps=0), "0 steps are not possible"),
        (FreezeOptions(exporter="0.5.1"), "'0.5.1' is not an exporter.* 0.6.1, 0.9.3, coqui-1.4.0"),
        (FreezeOptions(exporter="0.6.1", beam_width=500), "writes no beam width"),
        (FreezeOptions(load="first"), "--load first is unknown; pass one of auto, best, last"),  # type: ignore[arg-type]
        (FreezeOptions(beam_width=0), "--beam-width 0"),
        (FreezeOptions(batch_size=0), "--batch-size 0"),
        (FreezeOptions(relu_clip=float("nan")), "--relu-clip nan"),
        (FreezeOptions(n_context=-1), "--n-context -1"),
        (FreezeOptions(sample_rate=11025), "--feature-win-len 32 is not a whole number of samples"),
        (FreezeOptions(sample_rate=16000, feature_win_step=0), "--feature-win-step 0"),
        (FreezeOptions(alphabet=ALPHABET, bytes_output_mode=True), "pass --alphabet or"),
        (FreezeOptions(card=ModelCard(model_name="a/b")), "cannot be part of the file name"),
    ],
)
def test_options_that_cannot_be(options: FreezeOptions, says: str, tmp_path: Path) -> None:
    """They are refused before the checkpoint is opened."""
    with pytest.raises(ConversionError, match=says):
        freeze_checkpoint(tmp_path / "none", tmp_path / "graph.pb", options)


def test_card(tmp_path: Path) -> None:
    """It appears beside the graph, and says its language."""
    options = FreezeOptions(card=ModelCard(), language="en-US")
    frozen = freeze_checkpoint(trained(tmp_path), tmp_path / "graph.pb", options)
    assert frozen.card == tmp_path / "author_model_0.0.1.md"
    assert "\nlanguage: en-US\n" in frozen.card.read_text("utf-8")
    with pytest.raises(OutputError, match="exists"):
        freeze_checkpoint(tmp_path, tmp_path / "other.pb", options)
    with pytest.raises(ConversionError, match="description too"):
        freeze_checkpoint(tmp_path, frozen.card, options, force=True)


def damage(folder: Path, name: str, length: int | None) -> None:
    path = folder / name
    if length is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:length])


@pytest.mark.parametrize(
    ("name", "length", "error", "says"),
    [
        ("best_dev-150.index", None, ModelError, "best_dev-150.index does not exist"),
        ("best_dev-150.index", 100, ModelError, "best_dev-150.index: .*cut off"),
        ("best_dev-150.data-00001-of-00002", None, ModelError, "data-00001-of-00002 is missing"),
        ("best_dev-150.data-00000-of-00002", 2000, ModelError, "lies beyond the end"),
    ],
)
def test_damage_leaves_nothing_behind(
    name: str, length: int | None, error: type[DsconvError], says: str, tmp_path: Path
) -> None:
    """A checkpoint that is not whole gives no graph, not even a part of one."""
    damage(trained(tmp_path), name, length)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(error, match=says):
        freeze_checkpoint(tmp_path, tmp_path / "graph.pb", FreezeOptions(card=ModelCard()))
    assert sorted(tmp_path.iterdir()) == before


def test_missing_weights(tmp_path: Path) -> None:
    """They are named."""
    variables = trained_variables(ExportSettings(ENGLISH))
    del variables["layer_5/weights"]
    write_checkpoint(tmp_path / "c", variables)
    with pytest.raises(ModelError, match=r"no variable 'layer_5/weights'"):
        freeze_checkpoint(tmp_path / "c", tmp_path / "graph.pb")


def test_the_output_is_not_replaced(tmp_path: Path) -> None:
    """Unless it is forced; that is said before the checkpoint is looked for."""
    (tmp_path / "graph.pb").write_bytes(b"kept")
    with pytest.raises(OutputError, match="--force"):
        freeze_checkpoint(tmp_path, tmp_path / "graph.pb")
    trained(tmp_path)
    assert (tmp_path / "graph.pb").read_bytes() == b"kept"
    freeze_checkpoint(tmp_path, tmp_path / "graph.pb", force=True)
    weights = open_graph(tmp_path / "graph.pb").tensor(
        open_graph(tmp_path / "graph.pb")["layer_2/weights"]
    )
    expected = trained_variables(ExportSettings(ENGLISH))["layer_2/weights"]
    assert np.array_equal(weights.array(), expected)
