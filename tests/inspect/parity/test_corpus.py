"""Many clips: the same figures whichever way they are run, and runs that go on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dsconv.acoustic.source import Source
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.errors import ConversionError, ModelError, OutputError, ToolkitError
from dsconv.fixtures import demo_model
from dsconv.fixtures.write import write_random_model
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.graphdef.write import write_graph
from dsconv.inspect.parity import candidates as candidates_module
from dsconv.inspect.parity import reference
from dsconv.inspect.parity.task import Clip, Task, close_models, run_in_worker
from dsconv.inspect.parity.trace import TraceFile
from dsconv.inspect.parity.validate import ValidationOptions, validate_models
from dsconv.inspect.parity.validation import Validation
from dsconv.runtime import registry
from dsconv.runtime.model import Model
from dsconv.runtime.threads import thread_limit
from dsconv.speech.corpus import ClipSource, find_clips
from tests.inspect.parity.corpus import figures, without_times, write_corpus
from tests.inspect.parity.test_sabotage import swapped_gates
from tests.inspect.parity.waiting import SECONDS, HeldFile, waited_for
from tests.test_cli import run

CLIPS = 20
HOW = ValidationOptions(beam=8)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV of short clips."""
    return write_corpus(tmp_path_factory.mktemp("corpus"), CLIPS)


@pytest.fixture(scope="module")
def clips(corpus: Path) -> list[ClipSource]:
    return find_clips([corpus])


@pytest.fixture(scope="module")
def candidates(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One of lower precision, one that fails by its weights, one by its structure."""
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")
    folder = tmp_path_factory.mktemp("candidates")
    off = folder / "off.pb"
    with off.open("wb") as file:
        write_graph(file, swapped_gates(open_graph(demo_model.MODEL)))
    (other,) = write_random_model(folder / "other", n_hidden=8)
    rounded = convert_file(TARGETS["tflite"], demo_model.MODEL, folder / "rounded.tflite").output
    return [rounded, off, other]


@pytest.fixture(scope="module")
def serial(clips: list[ClipSource], candidates: list[Path]) -> Validation:
    """The run in this process."""
    return validate_models(demo_model.MODEL, candidates, clips, HOW)


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True) if path.exists() else []


def test_the_run_here_has_something_to_compare(serial: Validation) -> None:
    """The corpus has differences of all kinds, so that equal figures say something."""
    rounded, off, _ = serial.candidates
    assert len(serial.clips) == CLIPS
    assert len(rounded.clips) == len(rounded.transcripts) == CLIPS
    assert [c.verdict for c in serial.candidates][1:] == ["fail", "fail"]
    assert {finding.level for finding in off.findings if finding.failed} == {"weights"}
    assert sum(finding.level == "transcripts" for finding in off.findings) == CLIPS
    assert not any(difference.passed for clip in off.clips for difference in clip.differences[1:])
    assert rounded.error_rates is not None
    assert rounded.error_rates.wer.low is not None
    assert 0 < rounded.error_rates.wer.low < rounded.error_rates.wer.value
    assert [each.clip for each in rounded.clips] == [f"{n:02}.wav" for n in range(CLIPS)]


def test_processes_give_the_same_to_the_bit(
    clips: list[ClipSource], candidates: list[Path], serial: Validation, tmp_path: Path
) -> None:
    """Figures, findings, pictures and what is kept are those of the run in one process."""
    here, there = TraceFile(), TraceFile()
    few = clips[:6]
    validate_models(demo_model.MODEL, [], few, HOW, save_to=here)
    shares: list[float] = []
    validation = validate_models(
        demo_model.MODEL, candidates, clips, HOW, jobs=2, progress=shares.append
    )
    assert figures(validation) == figures(serial)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    for mine, theirs in zip(validation.pictures, serial.pictures, strict=True):
        assert (mine.clip, mine.letters) == (theirs.clip, theirs.letters)
        assert (mine.probabilities == theirs.probabilities).all()
    validate_models(demo_model.MODEL, [], few, HOW, save_to=there, jobs=2)
    for name, kept in (("here", here), ("there", there)):
        kept.save(tmp_path / name, "numpy", "fp32")
    assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes()


def test_jobs_report_the_first_clip_with_an_error(
    corpus: Path, clips: list[ClipSource], tmp_path: Path
) -> None:
    """As one process does, whichever clip fails first."""
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF")
    damaged = [ClipSource("a", bad, None), ClipSource("b", tmp_path / "gone.wav", None)]
    mixed = [*clips[:3], *damaged, *clips[3:]]
    for jobs in (1, 2):
        with pytest.raises(ModelError, match="bad.wav is not a PCM WAV recording"):
            validate_models(demo_model.MODEL, [], mixed, HOW, jobs=jobs)
    with pytest.raises(ModelError, match="no-model.pb"):
        validate_models(corpus.with_name("no-model.pb"), [], clips, HOW, jobs=2)


def test_a_process_that_ends_is_reported(tmp_path: Path) -> None:
    """The error says what to do; nothing waits for ever."""
    program = (
        "import sys; from pathlib import Path; from dsconv.errors import ToolkitError\n"
        "from dsconv.inspect.parity.validate import *\n"
        "from dsconv.speech.corpus import ClipSource\n"
        "if __name__ == '__main__':\n"
        "    clips = [ClipSource(str(n), Path(sys.argv[2]), None) for n in range(4)]\n"
        "    try: validate_models(Path(sys.argv[1]), [], clips, ValidationOptions(), jobs=2)\n"
        "    except ToolkitError as error: sys.exit(str(error))\n"
    )
    script = tmp_path / "run.py"
    script.write_text(program)
    with HeldFile(tmp_path / "held.wav") as held:
        command = [sys.executable, str(script), str(demo_model.MODEL), str(held.path)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert waited_for(held.is_read)
            for child in children(process.pid):
                if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(child, signal.SIGKILL)
            _, said = process.communicate(timeout=SECONDS)
    assert said.strip().endswith("ended by itself, perhaps for lack of memory; pass fewer --jobs.")


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    found = Path(f"/proc/{pid}/task/{pid}/children")
    if not found.exists():
        pytest.skip("only Linux tells the children of a process")
    return [int(child) for child in found.read_text().split()]


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    """Nothing is lost or run twice, the figures are those of one run, and no process stays."""
    table = write_corpus(tmp_path, 40)
    journal = tmp_path / "journal"
    arguments: list[str | Path]
    arguments = [demo_model.MODEL, demo_model.MODEL, "--audio", table, "--beam", "8", "--json"]
    command = [sys.executable, "-m", "dsconv", "validate", *arguments, "--jobs", "2", "--resume"]
    with subprocess.Popen([*map(str, command), str(journal)]) as process:
        assert waited_for(lambda: len(lines_of(journal)) > 4)
        started = children(process.pid)
        process.kill()
    kept = [line for line in lines_of(journal) if line.endswith(b"\n")]
    assert 4 < len(kept) < 41
    assert len(started) >= 2
    assert waited_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started))
    with journal.open("ab") as file:
        file.write(kept[1][:100])
    resumed = json.loads(run("validate", *arguments, "--resume", journal).stdout)
    lines = lines_of(journal)
    assert lines[: len(kept)] == kept
    assert sorted(json.loads(line)["clip"] for line in lines[1:]) == list(range(40))
    whole = json.loads(run("validate", *arguments).stdout)
    assert without_times(resumed) == without_times(whole)


@pytest.fixture
def journal(clips: list[ClipSource], tmp_path: Path) -> Path:
    """A journal of the first clips."""
    path = tmp_path / "journal"
    validate_models(demo_model.MODEL, [demo_model.MODEL], clips[:4], HOW, resume=path)
    return path


def test_a_journal_spares_the_work(
    clips: list[ClipSource], journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finished run runs no clip again, and gives the same, seconds and pictures included."""
    first = validate_models(demo_model.MODEL, [demo_model.MODEL], clips[:4], HOW, resume=journal)
    for module in (reference, candidates_module):
        monkeypatch.setattr(module, "run_trace", None)
    shares: list[float] = []
    again = validate_models(
        demo_model.MODEL,
        [demo_model.MODEL],
        clips[:4],
        HOW,
        resume=journal,
        progress=shares.append,
    )
    assert again.to_json() == first.to_json()
    assert [picture.clip for picture in again.pictures] == [clip.name for clip in clips[:4]]
    assert shares == [1]


def test_the_last_line_may_be_damaged(clips: list[ClipSource], journal: Path) -> None:
    """It is run again; damage elsewhere is refused."""
    whole = lines_of(journal)
    for damaged in (whole[4][:-30] + b"\n", b"\0" * 50 + b"\n", whole[4][:-1]):
        journal.write_bytes(b"".join(whole[:4]) + damaged)
        models = demo_model.MODEL, [demo_model.MODEL]
        validate_models(*models, clips[:4], HOW, resume=journal)
        lines = lines_of(journal)
        assert lines[:4] == whole[:4]
        assert [json.loads(line)["clip"] for line in lines[1:]] == [0, 1, 2, 3]
    for middle in (b"{}\n", whole[1], b'{"clip": 9, "outcome": {}}\n'):
        journal.write_bytes(b"".join([*whole[:2], middle, *whole[3:]]))
        with pytest.raises(OutputError, match="damaged in line 3; delete it"):
            validate_models(*models, clips[:4], HOW, resume=journal)


def test_a_cut_header_is_written_again(clips: list[ClipSource], journal: Path) -> None:
    """A run that was stopped at once leaves nothing that could be of use."""
    header = lines_of(journal)[0]
    for cut in (b"", header[:10], header[:-1]):
        journal.write_bytes(cut)
        validate_models(demo_model.MODEL, [demo_model.MODEL], clips[:4], HOW, resume=journal)
        assert lines_of(journal)[0] == header
        assert len(lines_of(journal)) == 5


def test_a_journal_of_another_run_is_refused(
    clips: list[ClipSource], journal: Path, candidates: list[Path]
) -> None:
    """Other models, options or clips; each is named, and the file stays as it is."""
    before = journal.read_bytes()
    model = [demo_model.MODEL]
    others = [
        (candidates[1:2], clips[:4], HOW, "other models or runtimes"),
        (model, clips[:4], ValidationOptions(beam=9), "other options"),
        (model, clips[:5], HOW, "other clips"),
        (model, [*clips[:3], clips[5]], HOW, "other clips"),
    ]
    for found, heard, how, says in others:
        with pytest.raises(OutputError, match=f"of another run .{says}.; name another file"):
            validate_models(demo_model.MODEL, found, heard, how, resume=journal)
    assert journal.read_bytes() == before
    for text in (b"a letter\n", b"a letter", b"[]\n"):
        journal.write_bytes(text)
        with pytest.raises(OutputError, match="was not written by --resume"):
            validate_models(demo_model.MODEL, model, clips[:4], HOW, resume=journal)
        assert journal.read_bytes() == text


def test_two_runs_do_not_share_a_journal(clips: list[ClipSource], journal: Path) -> None:
    """The second is refused while the first has the file open."""
    fcntl = pytest.importorskip("fcntl")
    with journal.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match="in use by another run"):
            validate_models(demo_model.MODEL, [], clips[:4], HOW, resume=journal)


def test_a_worker_opens_the_models_once(
    clips: list[ClipSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And those of another run anew, so that no changed file goes unnoticed; in one thread each."""
    threads: list[int | None] = []
    opened = registry.open_model

    def open_model(path: Source, **how: Any) -> Model:
        threads.append(thread_limit())
        return opened(path, **how)

    monkeypatch.setattr(reference, "open_model", open_model)
    one, two = (Task(Source(demo_model.MODEL), (), (), HOW) for _ in range(2))
    for each in (one, one, two):
        run_in_worker(each, Clip(0, clips[0]))
    assert threads == [1, 1]
    close_models(two)
    run_in_worker(two, None)
    assert threads == [1, 1, 1]
    close_models(two)


def test_combinations_that_make_no_sense(clips: list[ClipSource], tmp_path: Path) -> None:
    """They are refused before any work, here and at the command line."""
    with pytest.raises(ConversionError, match="not both"):
        validate_models(demo_model.MODEL, [], clips, HOW, jobs=2, dask="tcp://here:1")
    with pytest.raises(ConversionError, match="save them in another run"):
        validate_models(
            demo_model.MODEL, [], clips, HOW, save_to=TraceFile(), resume=tmp_path / "a"
        )
    both = demo_model.MODEL, demo_model.MODEL
    path = tmp_path / "a"
    for arguments in (
        ("--jobs", "2", "--dask", "tcp://here:1"),
        ("--resume", path, "--save-io", tmp_path / "b"),
        ("--resume", path, "--report", path),
        ("--jobs", "0"),
    ):
        assert run("validate", *both, *arguments).exit_code == 2
    assert not path.exists()


def test_a_missing_library_is_named(
    clips: list[ClipSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    """threadpoolctl, without which figures would depend on the number of cores."""
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    with pytest.raises(ToolkitError, match=r"pip install 'dsconv\[speech\]'"):
        validate_models(demo_model.MODEL, [], clips[:1], HOW)


def test_text_stays_short(corpus: Path, candidates: list[Path]) -> None:
    """Of many findings of one kind the first are shown, and how many there are more."""
    result = run("validate", demo_model.MODEL, candidates[1], "--audio", corpus, "--beam", "8")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert sum(line.startswith("failure, weights: ") for line in lines) == 3
    assert sum(line.startswith("warning, transcripts: ") for line in lines) == 11
    assert "warning, transcripts: 10 more; --json lists them all" in lines
    rates = [line for line in lines if line.startswith("error rates: WER ")]
    assert len(rates) == 2
    for line in rates:
        assert re.search(r"WER [\d.]+ \([\d.]+ to [\d.]+\), CER [\d.]+ \([\d.]+ to [\d.]+\)$", line)
