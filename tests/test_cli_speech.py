"""`transcribe` and `validate` at the command line."""

import json
import os
import pty
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from dsconv.fixtures import demo_model
from dsconv.formats.graphdef.graph import Graph
from tests.acoustic.edits import removed
from tests.convert.conversions import saved
from tests.test_cli import assert_one_line_error, run, run_json

SAID = "she had your dark suit in greasy wash water all year"
# Every original that has an alphabet, and the runtime's text at its beam.
TRANSCRIBED = [
    "coqui-1.4.0-static.pb",
    "coqui-1.4.0-tflite.tflite",
    "deepspeech-0.6.1-static.pb",
    "deepspeech-0.9.3-8k-static.pb",
    "deepspeech-0.9.3-bytes-static.pb",
    "deepspeech-0.9.3-dynamic.pb",
    "deepspeech-0.9.3-ln-static.pb",
    "deepspeech-0.9.3-static.pb",
    "deepspeech-0.9.3-tflite.tflite",
]


def dsconv(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "dsconv", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.models
@pytest.mark.parametrize("name", TRANSCRIBED)
def test_originals_say_what_their_runtimes_say(name: str, models: Path, tmp_path: Path) -> None:
    """Graphs, their packages and TFLite files give the original runtimes' text.

    The search through 256 classes takes a minute; for the package of that graph it is narrower.
    """
    rate = 8000 if "8k" in name else 16000
    wav = models / f"LDC93S1_pcms16le_1_{rate}.wav"
    files = [models / name]
    if name.endswith(".pb"):
        assert run("pbmm", models / name, "-o", tmp_path / "a.pbmm").exit_code == 0
        files.append(tmp_path / "a.pbmm")
    for file in files:
        narrow = ("--beam", "100") if "bytes" in name and file.suffix == ".pbmm" else ()
        values = run_json("transcribe", file, wav, *narrow)
        assert values["beam"] == (100 if narrow else 500)
        (clip,) = values["clips"]
        assert clip["text"] == SAID
        assert clip["audio_seconds"] == pytest.approx(2.925, abs=0.01)


def test_every_packaged_clip_is_transcribed() -> None:
    """A folder stands for its recordings; texts go to standard output, the rest does not."""
    done = dsconv("transcribe", demo_model.MODEL, demo_model.SPEECH)
    assert done.returncode == 0
    lines = [f"{clip.wav.name}: {clip.transcript}" for clip in demo_model.clips()]
    assert done.stdout.splitlines() == lines
    assert done.stderr.startswith("20.58 s of speech in ")
    assert done.stderr.count("\n") == 1


def test_one_clip_gives_its_text_alone() -> None:
    """What a script wants from one recording."""
    clip = demo_model.clips()[0]
    assert dsconv("transcribe", demo_model.MODEL, clip.wav, "-q").stdout == f"{clip.transcript}\n"


@pytest.mark.alone
def test_transcribing_takes_no_toolkit_and_little_time() -> None:
    """The demo model, one clip: within 1.5 s of process time, nothing heavy imported."""
    clip = demo_model.clips()[0]
    program = (
        "import sys, time, atexit\n"
        "heavy = ['tensorflow', 'onnxruntime', 'openvino', 'ai_edge_litert', 'coremltools']\n"
        "def report():\n"
        "    print([n for n in heavy if n in sys.modules], time.process_time(), file=sys.stderr)\n"
        "atexit.register(report)\n"
        "from dsconv.cli import main\n"
        f"main(['transcribe', {str(demo_model.MODEL)!r}, {str(clip.wav)!r}, '-q'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    imported, seconds = done.stderr.rsplit(maxsplit=1)
    assert imported == "[]"
    assert float(seconds) < 1.5


@pytest.mark.parametrize(
    ("rate", "channels", "says"),
    [(8000, 1, "is 8000 Hz, mono"), (16000, 2, "is 16000 Hz, 2 channels")],
)
def test_another_recording_is_refused_or_converted(
    rate: int, channels: int, says: str, tmp_path: Path
) -> None:
    """The error has the command that converts; --resample does it here."""
    path = tmp_path / "clip.wav"
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(channels)
        wav.setsampwidth(2)
        wav.setframerate(rate)
        wav.writeframes(np.zeros(rate * channels, np.int16).tobytes())
    result = run("transcribe", demo_model.MODEL, path)
    assert_one_line_error(result, 3, f"{says}.*--resample.*sox .*clip.wav -b 16 -c 1 -r 16000")
    assert run("transcribe", demo_model.MODEL, path, "--resample").exit_code == 0


def test_a_model_without_alphabet_is_refused(small_graph: Graph, tmp_path: Path) -> None:
    """Since 0.6 it is in the graph, so none is assumed where it is missing."""
    model = saved(removed("metadata_alphabet")(small_graph), tmp_path / "a.pb")
    result = run("transcribe", model, demo_model.clips()[0].wav)
    assert_one_line_error(result, 4, "holds no alphabet")


def test_validate_passes_and_fails_with_its_exit_codes(tmp_path: Path) -> None:
    """0 only if all pass, 1 if one fails; the table names each verdict."""
    clip = demo_model.clips()[0].wav
    assert run("fixture", "--n-hidden", "128", "-o", tmp_path).exit_code == 0
    other = tmp_path / "output_graph.pb"
    good = run("validate", demo_model.MODEL, demo_model.MODEL, "--audio", clip)
    assert (good.exit_code, "PASS" in good.stdout) == (0, True)
    bad = run("validate", demo_model.MODEL, demo_model.MODEL, other, "--audio", clip)
    assert bad.exit_code == 1
    assert "PASS" in bad.stdout
    assert "FAIL" in bad.stdout
    assert max(map(len, bad.stdout.splitlines())) <= 80
    values = json.loads(run("validate", demo_model.MODEL, other, "--audio", clip, "--json").stdout)
    assert values["passed"] is False
    assert run("validate", demo_model.MODEL, other, "--audio", clip, "-q").stdout == ""


def test_validate_saves_and_loads_runs(tmp_path: Path) -> None:
    """--save-io without a candidate only records; --load-io compares the record."""
    kept = tmp_path / "io.npz"
    clip = demo_model.clips()[0].wav
    arguments = ("validate", demo_model.MODEL, "--audio", clip)
    assert run(*arguments, "--save-io", kept).exit_code == 0
    assert run(*arguments, "--load-io", kept).exit_code == 0
    assert_one_line_error(run(*arguments, "--save-io", kept), 6, "exists; pass --force")


def test_validate_needs_something_to_compare() -> None:
    """A reference alone is a usage error."""
    result = run("validate", demo_model.MODEL)
    assert result.exit_code == 2
    assert "pass a candidate" in result.stderr


def test_validate_writes_a_page(tmp_path: Path) -> None:
    """--report leaves a page with the verdict."""
    page = tmp_path / "out.html"
    clip = demo_model.clips()[0].wav
    arguments = ("validate", demo_model.MODEL, demo_model.MODEL, "--audio", clip)
    assert run(*arguments, "--report", page).exit_code == 0
    assert "open the file" in page.read_text("utf-8") or "frozen graph" in page.read_text("utf-8")


def test_a_csv_of_the_training_code_gives_clips_and_texts(tmp_path: Path) -> None:
    """Paths in a CSV count from its folder, and its transcripts are what was said."""
    clip = demo_model.clips()[0]
    (tmp_path / "a.wav").write_bytes(clip.wav.read_bytes())
    table = tmp_path / "clips.csv"
    size = clip.wav.stat().st_size
    table.write_text(f"wav_filename,wav_filesize,transcript\na.wav,{size},{clip.transcript}\n")
    result = run("validate", demo_model.MODEL, demo_model.MODEL, "--audio", table, "--json")
    (transcript,) = json.loads(result.stdout)["candidates"][0]["transcripts"]
    assert transcript["truth"] == clip.transcript
    assert transcript["candidate_to_truth"] == {"wer": 0.0, "cer": 0.0}


def test_progress_shows_on_a_terminal_only() -> None:
    """A bar on a terminal, nothing in a pipe."""
    command = [sys.executable, "-m", "dsconv", "transcribe", str(demo_model.MODEL)]
    command.append(str(demo_model.clips()[0].wav))
    master, slave = pty.openpty()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=slave)
    os.close(slave)
    shown = b""
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(master)
    assert process.wait() == 0
    assert b"Transcribing" in shown
    assert b"100%" in shown
    assert "Transcribing" not in dsconv(*command[3:]).stderr


@pytest.mark.alone
def test_release_size_is_faster_than_real_time(tmp_path: Path) -> None:
    """A graph of n_hidden 2048 in numpy, best of two: less time than the clip is long."""
    assert run("fixture", "--n-hidden", "2048", "-o", tmp_path).exit_code == 0
    clip = demo_model.clips()[0].wav
    best = min(
        run_json("transcribe", tmp_path / "output_graph.pb", clip, "--beam", "10")["clips"][0][
            "seconds"
        ]
        for _ in range(2)
    )
    assert best < run_json("transcribe", demo_model.MODEL, clip)["clips"][0]["audio_seconds"]
