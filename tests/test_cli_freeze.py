"""``dsconv freeze``: what it writes, prints and refuses, and its exit codes."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import click
import pytest
from click.testing import CliRunner, Result

from dsconv.acoustic.export import ExportSettings
from dsconv.acoustic.metadata import read_metadata
from dsconv.acoustic.recognise import recognise
from dsconv.acoustic.versions import EXPORTERS
from dsconv.cli import main
from dsconv.fixtures.demo_model import ALPHABET
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.speech.alphabet import Alphabet
from dsconv.workflows.freeze_options import FreezeOptions, Load
from dsconv.workflows.model_card import ModelCard
from tests.compare import assert_same_graph
from tests.convert.conversions import require_toolkits
from tests.formats.checkpoint.writer import trained_variables, write_checkpoint
from tests.inspect.saved_models import write_coqui_saved_model

ENGLISH = Alphabet.from_file(ALPHABET)
NOTE = "dsconv: note: no alphabet was given, so the English one is taken"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the checkpoints of a training in the folder 'saved'."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "saved")
    return tmp_path


def save(folder: Path, alphabet: Alphabet = ENGLISH, **settings: Any) -> None:
    folder.mkdir()
    variables = trained_variables(ExportSettings(alphabet, **settings))
    write_checkpoint(folder / "best_dev-150", variables, shards=2)
    (folder / "best_dev_checkpoint").write_text('model_checkpoint_path: "best_dev-150"\n')


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["freeze", *map(str, arguments)])


def written(folder: Path) -> set[str]:
    """All files but the checkpoint's."""
    return {path.name for path in folder.iterdir()} - {"saved"}


def frozen_graph(*arguments: str | Path) -> Graph:
    """The graph of a run that must succeed."""
    result = run(*arguments, "-o", "graph.pb", "--force")
    assert result.exit_code == 0, result.output
    return open_graph("graph.pb")


def test_defaults(folder: Path) -> None:
    """output_graph.pb in the current folder; its size and the time; a note apart from that."""
    result = run("saved")
    assert result.exit_code == 0
    size = (folder / "output_graph.pb").stat().st_size
    line = rf"output_graph.pb: {size:,} bytes, \d+\.\d\d s\n"
    assert re.fullmatch(line, result.stdout)
    assert result.stderr.startswith(NOTE)
    assert written(folder) == {"output_graph.pb"}
    network = recognise(open_graph("output_graph.pb"))
    assert (network.batch, network.steps, network.context, network.features) == (1, 16, 9, 26)


@pytest.mark.parametrize(
    "name", ["saved", "saved/best_dev-150", "saved/best_dev-150.index", "saved/best_dev_checkpoint"]
)
def test_checkpoints(name: str, folder: Path) -> None:
    """A folder, the start of the files' names, the index, or the file that names it."""
    graph = frozen_graph(name)
    assert_same_graph(graph, frozen_graph("saved"))
    assert written(folder) == {"graph.pb"}


def test_a_saved_model(folder: Path) -> None:
    """Coqui STT's keeps its alphabet, so that no note is needed."""
    write_coqui_saved_model(folder / "exported")
    result = run("exported", "--exporter", "coqui-1.4.0")
    assert (result.exit_code, result.stderr) == (0, "")
    graph = open_graph("output_graph.pb")
    assert_same_graph(
        graph, frozen_graph("saved", "--alphabet", ALPHABET, "--exporter=coqui-1.4.0")
    )


@pytest.mark.usefixtures("folder")
def test_json() -> None:
    """One object, which has the notes."""
    result = run("saved", "--json", "--n-steps", "-1", "--model-card")
    values = json.loads(result.stdout)
    assert (values["schema_version"], values["n_steps"], values["n_hidden"]) == (1, -1, 4)
    assert (values["output"], values["card"]) == ("output_graph.pb", "author_model_0.0.1.md")
    assert values["bytes"] == Path("output_graph.pb").stat().st_size
    assert [note.split()[0] for note in values["notes"]] == ["no", "the"]
    assert result.stderr.count("dsconv: note: ") == 2


def test_quiet(folder: Path) -> None:
    """Nothing but errors."""
    assert run("saved", "--quiet").output == ""
    assert written(folder) == {"output_graph.pb"}


def test_options_reach_the_graph(folder: Path) -> None:
    """By the names that this command and the exporters have for them."""
    labels = Alphabet((b"x", b"y", b"z"))
    save(folder / "other", labels, n_context=5, n_input=20)
    (folder / "letters.txt").write_text("x\ny\nz\n")
    texts = [
        "--n-steps 3 --alphabet letters.txt --audio-sample-rate 8000 --feature-win-len 25 "
        "--feature-win-step 10 --n-context 5 --n-input 20 --relu-clip 6.5 --beam-width 7 "
        "--language de-DE --batch-size 2",
        "--n-steps 3 --alphabet-config-path letters.txt --audio-sample-rate 8000 "
        "--feature-win-len 25 --feature-win-step 10 --n-context 5 --n-input 20 --relu-clip 6.5 "
        "--export-beam-width 7 --export-language de-DE --export-batch-size 2",
    ]
    for text in texts:
        graph = frozen_graph("other", *text.split())
        network, metadata = recognise(graph), read_metadata(graph)
        assert (network.batch, network.steps, network.context, network.features) == (2, 3, 5, 20)
        assert network.before[0].clip == 6.5
        assert (metadata.sample_rate, metadata.feature_win_len) == (8000, 25)
        assert (metadata.feature_win_step, metadata.beam_width) == (10, 7)
        assert (metadata.language, metadata.alphabet) == ("de-DE", labels)


@pytest.mark.parametrize("option", ["--bytes-output-mode", "--utf8"])
def test_bytes(option: str, folder: Path) -> None:
    """By both names."""
    save(folder / "bytes", Alphabet.of_bytes())
    alphabet = read_metadata(frozen_graph("bytes", option)).alphabet
    assert alphabet is not None
    assert alphabet.is_bytes


@pytest.mark.parametrize("option", ["--load", "--load-evaluate"])
def test_load(option: str, folder: Path) -> None:
    """The best checkpoint of a folder, unless another is asked for."""
    write_checkpoint(folder / "saved" / "train-200", trained_variables(ExportSettings(ENGLISH)))
    (folder / "saved" / "checkpoint").write_text('model_checkpoint_path: "train-200"\n')
    taken = [
        json.loads(run("saved", option, load, "--json", "--force").stdout)["checkpoint"]
        for load in ("auto", "best", "last")
    ]
    assert taken == ["saved/best_dev-150", "saved/best_dev-150", "saved/train-200"]


@pytest.mark.parametrize("option", ["--language", "--export-language"])
def test_no_language(option: str, folder: Path) -> None:
    """An empty one is not written; the exporter's is, if none is given."""
    assert folder
    assert "metadata_language" not in frozen_graph("saved", option, "")
    assert "metadata_language" in frozen_graph("saved")


def test_card(folder: Path) -> None:
    """It is written beside the graph where it is asked for, and listed."""
    (folder / "out").mkdir()
    result = run("saved", "-o", "out/a.pb", "--metadata", "--language", "en-US")
    card = folder / "out" / "author_model_0.0.1.md"
    assert result.stdout.splitlines()[1] == (
        f"out/author_model_0.0.1.md: {card.stat().st_size:,} bytes"
    )
    assert card.read_text("utf-8") == ModelCard().text(EXPORTERS["0.9.3"], "en-US")


CARD = {
    "--export-author-id": "author_id",
    "--export-model-name": "model_name",
    "--export-model-version": "model_version",
    "--export-contact-info": "contact_info",
    "--export-license": "license",
    "--export-description": "description",
    "--export-min-ds-version": "min_version",
    "--export-max-ds-version": "max_version",
    "--export-min-stt-version": "min_version",
    "--export-max-stt-version": "max_version",
}


@pytest.mark.parametrize("option", CARD)
def test_options_of_the_card(option: str, folder: Path) -> None:
    """Each reaches its line, and is enough for the card to be written."""
    card = ModelCard(**{CARD[option]: "mine"})
    assert run("saved", option, "mine").exit_code == 0
    text = (folder / card.file_name).read_text("utf-8")
    assert text == card.text(EXPORTERS["0.9.3"])
    assert text != ModelCard().text(EXPORTERS["0.9.3"])


def test_defaults_are_the_librarys() -> None:
    """The command line and the library agree on every default and choice."""
    command = main.commands["freeze"]
    options = {option.name: option for option in command.params}
    given = command.make_context("freeze", ["saved"]).params
    for name, value in vars(FreezeOptions()).items():
        if name != "card":
            assert given[name] == value, name
    assert {given[name] for name in CARD.values()} == {None}
    assert isinstance(options["exporter"].type, click.Choice)
    assert isinstance(options["load"].type, click.Choice)
    assert list(options["exporter"].type.choices) == list(EXPORTERS)
    assert list(options["load"].type.choices) == list(get_args(Load))


def test_help_has_headings() -> None:
    """Options stand under what they are about, each once."""
    text = run("--help").stdout
    headings = [line for line in text.splitlines() if re.fullmatch(r"[A-Z].*:", line)]
    assert headings == [
        "The graph:",
        "Settings of the training that the checkpoint does not hold:",
        "The model card:",
        "Options:",
    ]
    assert (
        text.index("The graph:") < text.index("--n-steps") < text.index("Settings of the training")
    )
    assert text.index("The model card:") < text.index("--metadata") < text.index("Options:")
    assert text.count("--relu-clip") == text.count("--traceback") == 1
    assert max(map(len, text.splitlines())) <= 80


def cut_off(folder: Path) -> None:
    path = folder / "saved" / "best_dev-150.data-00000-of-00002"
    path.write_bytes(path.read_bytes()[:2000])


def another_network(folder: Path) -> None:
    variables = trained_variables(ExportSettings(ENGLISH))
    variables["layer_4/weights"] = variables["layer_2/weights"]
    write_checkpoint(folder / "saved" / "best_dev-150", variables, shards=2)


REFUSED: dict[str, tuple[Any, str, int, str]] = {
    "nothing there": (None, "none", 3, "none names no checkpoint: none.index does not exist"),
    "not a checkpoint": (None, "letters.txt", 3, "letters.txt names no checkpoint"),
    "cut off": (cut_off, "saved", 3, "best_dev-150: variable .* lies beyond the end"),
    "another network": (another_network, "saved", 4, "'layer_4/weights' .* belongs to no network"),
    "another alphabet": (
        None,
        "saved --alphabet letters.txt",
        4,
        "29 classes, and the alphabet .letters.txt. has 2 labels, 3 classes with the blank; pass",
    ),
    "no alphabet": (None, "saved --alphabet gone.txt", 3, "gone.txt does not exist"),
    "bytes and letters": (None, "saved --utf8 --alphabet letters.txt", 4, "has no alphabet file"),
    "no steps": (None, "saved --n-steps 0", 4, "0 steps are not possible"),
    "no beam": (None, "saved --exporter 0.6.1 --beam-width 5", 4, "leave out --beam-width"),
    "another context": (None, "saved --n-context 5", 4, "take 494 values per frame.* make 286"),
    "a name with slashes": (None, "saved --export-model-name a/b", 4, "cannot be part of the file"),
    "no folder": (None, "saved -o no/a.pb", 6, "no is not a folder"),
    "exists": (None, "saved -o letters.txt", 6, "letters.txt exists; pass --force"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str, folder: Path) -> None:
    """One line, the exit code of the design, and nothing left behind."""
    change, arguments, code, says = REFUSED[case]
    (folder / "letters.txt").write_text("a\nb\n")
    if change:
        change(folder)
    result = run(*arguments.split())
    assert (result.exit_code, result.stdout) == (code, "")
    assert re.fullmatch(f"dsconv: .*{says}.*\n", result.stderr), result.stderr
    assert written(folder) == {"letters.txt"}
    assert (folder / "letters.txt").read_text() == "a\nb\n"


@pytest.mark.parametrize("arguments", ["saved --exporter 0.5.1", "saved --load first", ""])
def test_wrong_usage(arguments: str, folder: Path) -> None:
    """Exit code 2, and the choices."""
    result = run(*arguments.split())
    assert result.exit_code == 2
    assert re.search("0.6.1|best|Missing argument", result.stderr)
    assert written(folder) == set()


@pytest.mark.parametrize("target", ["tflite", "onnx"])
def test_the_graph_converts(target: str, folder: Path) -> None:
    """A frozen checkpoint is as good as an exported graph: the result passes its validation."""
    require_toolkits(target)
    assert run("saved").exit_code == 0
    result = CliRunner().invoke(main, [target])
    assert result.exit_code == 0, result.output
    assert "\npass: right; cost: probabilities " in result.stdout
    assert written(folder) == {"output_graph.pb", f"output_graph.{target}"}


def test_what_other_commands_say_of_a_checkpoint(folder: Path) -> None:
    """The command that they name is the one that works."""
    result = CliRunner().invoke(main, ["pbmm", "saved"])
    assert result.exit_code == 3
    command = re.search("`dsconv (freeze .*?)`", result.stderr)
    assert command
    assert CliRunner().invoke(main, command[1].split()).exit_code == 0
    assert written(folder) == {"output_graph.pb"}


@pytest.mark.models
@pytest.mark.parametrize(("name", "steps"), [("static", "16"), ("dynamic", "-1")])
def test_equals_the_original_export(name: str, steps: str, models: Path, folder: Path) -> None:
    """Same nodes, order, ops, inputs, devices, attributes, weights and size."""
    original = models / f"deepspeech-0.9.3-{name}.pb"
    result = run(models / "checkpoint-0.9.3", "--n-steps", steps)
    assert f"output_graph.pb: {original.stat().st_size:,} bytes" in result.stdout
    assert (folder / "output_graph.pb").stat().st_size == original.stat().st_size
    assert_same_graph(open_graph("output_graph.pb"), open_graph(original))


@pytest.mark.models
@pytest.mark.parametrize("target", ["tflite", "onnx"])
def test_an_original_checkpoint_converts(target: str, models: Path, folder: Path) -> None:
    """From the training's checkpoint to the format, validated at full precision."""
    require_toolkits(target)
    assert run(models / "checkpoint-0.9.3").exit_code == 0
    result = CliRunner().invoke(main, [target, "--precision", "fp32"])
    assert (result.exit_code, "\npass: " in result.stdout) == (0, True), result.output
    assert written(folder) == {"output_graph.pb", f"output_graph.{target}"}
