"""The command line: what it prints, where, and with which exit code."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import dsconv
from dsconv.cli import main
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file


def run(*arguments: str | Path) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def run_json(*arguments: str | Path) -> Any:
    """Run a command that must succeed; its JSON."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_classic_session(in_folder: Path) -> None:
    """fixture, pbmm, inspect and pb with their defaults, in one folder."""
    assert run("fixture").exit_code == 0
    result = run("pbmm")
    assert result.stdout.splitlines()[0] == "Converted 6 nodes"
    assert result.stdout.splitlines()[1].startswith("output_graph.pbmm: 1,008,794 bytes, ")
    assert run("inspect", "output_graph.pb", "output_graph.pbmm").exit_code == 0
    original = (in_folder / "output_graph.pb").read_bytes()
    assert run("pb", "--force").exit_code == 0
    assert (in_folder / "output_graph.pb").read_bytes() == original


def test_release_size_says_seven_nodes(in_folder: Path) -> None:
    """The size and the count that the original tool gives for a released model."""
    assert run("fixture", "--n-hidden", "2048", "-q").stdout == ""
    values = run_json("pbmm")
    assert (values["converted_nodes"], values["bytes"]) == (7, 188_916_323)
    assert (in_folder / "output_graph.pbmm").stat().st_size == 188_916_323
    assert values["schema_version"] == 1


@pytest.mark.usefixtures("in_folder")
def test_fixture_json_lists_the_files() -> None:
    """Every file with its size."""
    listed = run_json("fixture", "-o", "here")["files"]
    assert {entry["path"] for entry in listed} == {f"here/{p.name}" for p in Path("here").iterdir()}
    assert all(entry["bytes"] == Path(entry["path"]).stat().st_size for entry in listed)


def test_seed_without_size_is_a_usage_error(in_folder: Path) -> None:
    """An option that would do nothing is refused."""
    result = run("fixture", "--seed", "3")
    assert result.exit_code == 2
    assert "--seed needs --n-hidden" in result.stderr
    assert list(in_folder.iterdir()) == []


def test_inspect_json_has_a_versioned_schema(small_model: Path) -> None:
    """One object for all files."""
    values = run_json("inspect", small_model, small_model)
    assert values["schema_version"] == 1
    assert [entry["identity"]["n_hidden"] for entry in values["files"]] == [32, 32]


@pytest.mark.usefixtures("in_folder")
def test_inspect_goes_on_after_a_bad_file(small_model: Path) -> None:
    """Good files are shown, the bad one is named, the exit code is the bad one's."""
    Path("empty").touch()
    result = run("inspect", "empty", small_model)
    assert result.exit_code == 3
    assert "n_hidden" in result.stdout
    assert result.stderr == "dsconv: empty is empty; copy or download the model again.\n"
    listed = json.loads(run("inspect", "empty", small_model, "--json").stdout)["files"]
    assert [("error" in entry) for entry in listed] == [True, False]


def bytes_file(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def saved_model(path: Path) -> None:
    path.mkdir()
    (path / "saved_model.pb").write_bytes(b"x")


def zero_nodes(path: Path) -> None:
    from dsconv.formats.graphdef.edit import extract
    from dsconv.formats.graphdef.graph import open_graph
    from dsconv.formats.graphdef.write import write_graph

    run("fixture", "--n-hidden", "8", "-o", path.parent / "whole")
    with path.open("wb") as file:
        write_graph(file, extract(open_graph(path.parent / "whole" / "output_graph.pb"), ["mfccs"]))


def packaged(path: Path) -> None:
    run("fixture", "--n-hidden", "32", "-o", path.parent / "whole")
    convert_file(TARGETS["pbmm"], path.parent / "whole" / "output_graph.pb", path)


def truncated(path: Path) -> None:
    run("fixture", "--n-hidden", "32", "-o", path.parent / "whole")
    path.write_bytes((path.parent / "whole" / "output_graph.pb").read_bytes()[:40_000])


BAD_INPUTS: list[tuple[str, Callable[[Path], object], int, str]] = [
    ("zero nodes", zero_nodes, 4, "0 nodes converted"),
    ("packaged already", packaged, 4, "memory-mappable already; use it as it is"),
    ("missing", lambda path: path, 3, "does not exist; pass"),
    ("empty", bytes_file(b""), 3, "is empty; copy or download"),
    ("truncated", truncated, 3, "damaged: .* bytes .* are left.* copy or download"),
    ("random", bytes_file(bytes(range(255, 0, -1)) * 40), 3, "no format that dsconv knows.*pass"),
    ("folder", lambda path: path.mkdir(), 3, "is a folder.*pass the model file inside it"),
    ("SavedModel", saved_model, 3, "a TensorFlow SavedModel.*freeze it"),
    ("tflite", bytes_file(b"\x1c\0\0\0TFL3" + bytes(90)), 3, "a TensorFlow Lite model.*pass the"),
    ("text", bytes_file(b"hello there\n"), 3, "a text file.*pass an output_graph.pb"),
    ("special", lambda path: path.symlink_to("/dev/zero"), 3, "not a regular file; pass"),
]


@pytest.mark.parametrize(
    ("make", "code", "says"), [b[1:] for b in BAD_INPUTS], ids=[b[0] for b in BAD_INPUTS]
)
def test_bad_inputs(make: Callable[[Path], object], code: int, says: str, in_folder: Path) -> None:
    """One line that says what the file is and what to do, the code of the design, no output."""
    make(in_folder / "model.pb")
    before = set(in_folder.iterdir())
    result = run("pbmm", "model.pb")
    assert_one_line_error(result, code, f"model.pb.*{says}")
    assert set(in_folder.iterdir()) == before


def assert_one_line_error(result: Result, code: int, says: str) -> None:
    import re

    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert re.search(says, result.stderr), result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.models
def test_original_bad_inputs(models: Path, in_folder: Path) -> None:
    """An unfrozen graph, a checkpoint and a real .tflite."""
    output = in_folder / "a.pbmm"
    for name, code, says in (
        ("not-frozen-0.1.1.pb", 4, "is not frozen: 7 of its weights are variables"),
        ("checkpoint-0.9.3", 3, "is a TensorFlow checkpoint"),
        ("deepspeech-0.9.3-tflite.tflite", 3, "is a TensorFlow Lite model"),
        ("alphabet.txt", 3, "is a text file"),
    ):
        assert_one_line_error(run("pbmm", models / name, "-o", output), code, says)
        assert list(in_folder.iterdir()) == []


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """Give up root's right to read everything, if this is root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


def test_an_unreadable_file(tmp_path: Path, small_model: Path, request: Any) -> None:
    """Missing permissions are said as such."""
    path = tmp_path / "model.pb"
    path.write_bytes(small_model.read_bytes())
    assert run("inspect", path).exit_code == 0  # imports everything while root may
    path.chmod(0)
    request.getfixturevalue("as_nobody")
    assert_one_line_error(
        run("pbmm", path), 3, "cannot be read .Permission denied.; check its perm"
    )


def test_an_output_that_exists(small_model: Path, in_folder: Path) -> None:
    """It is kept, with exit code 6, and said how to replace it."""
    (in_folder / "a.pbmm").write_text("mine")
    result = run("pbmm", small_model, "-o", "a.pbmm")
    assert_one_line_error(result, 6, "a.pbmm exists; pass --force to replace it")
    assert (in_folder / "a.pbmm").read_text() == "mine"


def test_an_output_folder_that_is_missing(small_model: Path, in_folder: Path) -> None:
    """A path that cannot take the file is refused."""
    result = run("pbmm", small_model, "-o", "no/a.pbmm")
    assert_one_line_error(result, 6, "no is not a folder")
    assert list(in_folder.iterdir()) == []


def test_a_name_that_runtimes_do_not_map_is_noted(small_model: Path, in_folder: Path) -> None:
    """A note goes to standard error, so that scripts read only what they asked for."""
    result = run("pbmm", small_model, "-o", in_folder / "model.mapped")
    assert result.exit_code == 0
    assert result.stderr.startswith("dsconv: note: ")


@pytest.mark.usefixtures("in_folder")
def test_traceback_shows_where() -> None:
    """--traceback lets the error through."""
    from dsconv.errors import ModelError

    for arguments in (("pbmm", "x.pb"), ("inspect", "x.pb")):
        assert isinstance(run(*arguments, "--traceback").exception, ModelError)
    assert isinstance(run("pbmm", "x.pb").exception, SystemExit)


def test_every_command_has_help() -> None:
    """A line in the list, a text of its own, and every option explained."""
    listing = run("--help").stdout
    for name, command in main.commands.items():
        assert name in listing
        text = run(name, "--help").stdout
        assert command.help
        options = [option for option in command.params if isinstance(option, click.Option)]
        assert all(option.help for option in options), name
        assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--version"], ["numpy", "google.protobuf", "rich", "tensorflow"]),
        (["--help"], ["numpy", "google.protobuf", "rich", "tensorflow"]),
        (["inspect", "MODEL"], ["numpy", "google.protobuf", "rich", "tensorflow"]),
        (["pbmm", "MODEL", "--force", "-q"], ["numpy", "rich", "tensorflow"]),
    ],
)
def test_no_library_is_imported_before_it_is_needed(
    arguments: list[str], unwanted: list[str], small_model: Path
) -> None:
    """Quick commands stay quick because they load little."""
    arguments = [str(small_model) if word == "MODEL" else word for word in arguments]
    program = (
        "import sys, atexit\n"
        f"unwanted = {unwanted!r}\n"
        "report = lambda: print([n for n in unwanted if n in sys.modules], file=sys.stderr)\n"
        "atexit.register(report)\n"
        "from dsconv.cli import main\n"
        f"main({arguments!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"


@pytest.mark.alone
def test_starts_in_well_under_half_a_second() -> None:
    """The best of three starts; the bound is wide of what it takes, for slow machines."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "dsconv", "--version"],
            capture_output=True,
            text=True,
            check=True,
        )
        seconds.append(time.perf_counter() - start)
        assert done.stdout == f"dsconv {dsconv.__version__}\n"
    assert min(seconds) < 0.5


def test_pipes_get_plain_text(small_model: Path) -> None:
    """Outside a terminal there are no colours, no padding and no progress."""
    done = subprocess.run(
        [sys.executable, "-m", "dsconv", "inspect", str(small_model)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "\x1b" not in done.stdout
    assert all(line == line.rstrip() for line in done.stdout.splitlines())
    assert done.stderr == ""
