"""Every version's original export: told for what it is, converted to everything, the same text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dsconv.cli import main
from dsconv.convert.registry import TARGETS
from dsconv.inspect.parity.result import CandidateResult
from dsconv.inspect.parity.validate import Options as HowToValidate
from dsconv.inspect.parity.validate import validate_models
from dsconv.inspect.registry import inspect_file
from dsconv.runtime.transcribe import Transcriber
from dsconv.speech.corpus import ClipSource
from dsconv.speech.decode import has_beam_search
from tests.convert.conversions import convert, require_toolkits
from tests.runtime.speech import TEXT

AL_YEAR = "she had your dark suit in greasy wash water al year"
RECENT = "DeepSpeech 0.7 to 0.9, or Coqui STT, graph version 6"
EVERY_RECENT = "deepspeech 0.6.1, 0.7.4, 0.8.2, 0.9.3"
LETTERS = "28 labels: [space] a b c d e f g h i j k l m n o p q r s t u v w x y z '"
NO_LABELS = {"alphabet": None, "language": None, "beam width": None}
NO_METADATA = {**NO_LABELS, "audio": None}
IN_VARIABLES = {"states": "variables"}
# A beam this wide finds the text of the original runtimes' 500; of 255 bytes that would take long.
BEAM = 16

# The lines that `inspect` prints of an export of 0.9.3 without its sizes.
LINES: dict[str, str | None] = {
    "network": "streaming LSTM acoustic model",
    "exported by": RECENT,
    "frozen": None,
    "n_hidden": "100",
    "steps": "16",
    "batch": None,
    "frame": "26 features, context 9",
    "output": "probabilities of 29 classes, the blank last",
    "states": "inputs and outputs",
    "alphabet": LETTERS,
    "audio": "16000 Hz, window 32 ms, step 20 ms",
    "language": "not named by who exported it",
    "beam width": "500",
    "parameters": "163,129 in 652,516 bytes, float32",
    "opened by": EVERY_RECENT,
    "converts to": "pbmm, tflite, coreml, openvino, onnx",
}


@dataclass(frozen=True)
class Export:
    """What is particular about an export.

    `lines` are those of `inspect` that differ, `text` and `greedy` what it transcribes by beam
    search and by best path, and `rounded` the largest difference of int8's probabilities where that
    or the states' is above the tolerance: on the one clip that a model learnt by heart, they are
    larger.
    """

    lines: dict[str, str | None] = field(default_factory=dict)
    forget_bias: float | None = 0.0
    takes_lengths: bool = True
    rate: int = 16000
    text: str = TEXT
    greedy: str = AL_YEAR
    rounded: float | None = None


EXPORTS: dict[str, Export] = {
    "deepspeech-0.1.1-static": Export(
        {
            "network": "bidirectional LSTM acoustic model",
            "exported by": "DeepSpeech 0.1",
            "steps": "any number of frames",
            "frame": None,
            "output": "decoded labels of 29 classes",
            "states": None,
            "parameters": "343,629 in 1,374,516 bytes, float32",
            "opened by": "deepspeech 0.1.1",
            **NO_METADATA,
        },
        forget_bias=None,
    ),
    "more/deepspeech-0.1.1-nosl": Export(
        {
            "network": "bidirectional LSTM acoustic model",
            "exported by": "DeepSpeech 0.1",
            "steps": "any number of frames",
            "frame": None,
            "output": "decoded labels of 29 classes",
            "states": None,
            "parameters": "343,629 in 1,374,516 bytes, float32",
            "opened by": "deepspeech 0.1.1",
            **NO_METADATA,
        },
        forget_bias=None,
    ),
    "deepspeech-0.2.0-static": Export(
        {
            "exported by": "DeepSpeech 0.2",
            "output": "logits of 29 classes, the blank last",
            "opened by": "deepspeech 0.2.0",
            **IN_VARIABLES,
            **NO_METADATA,
        },
        forget_bias=1.0,
        greedy=TEXT,
    ),
    "deepspeech-0.4.1-static": Export(
        {
            "exported by": "DeepSpeech 0.4",
            "opened by": "deepspeech 0.4.1",
            **IN_VARIABLES,
            **NO_METADATA,
        },
        forget_bias=1.0,
        rounded=0.06,
    ),
    "deepspeech-0.4.1-nosl": Export(
        {
            "exported by": "DeepSpeech 0.4",
            "opened by": "no original runtime: they want an input for the lengths",
            **IN_VARIABLES,
            **NO_METADATA,
        },
        forget_bias=1.0,
        rounded=0.06,
        takes_lengths=False,
    ),
    "deepspeech-0.5.1-static": Export(
        {
            "exported by": "DeepSpeech 0.5, graph version 1",
            "opened by": "deepspeech 0.5.1",
            **IN_VARIABLES,
            **NO_LABELS,
        },
        forget_bias=1.0,
        text=AL_YEAR,
    ),
    "more/deepspeech-0.5.1-dynamic": Export(
        {
            "exported by": "DeepSpeech 0.5, graph version 1",
            "steps": "any number of frames",
            "opened by": "no original runtime: they want a fixed number of steps",
            **IN_VARIABLES,
            **NO_LABELS,
        },
        forget_bias=1.0,
        text=AL_YEAR,
    ),
    "deepspeech-0.6.1-static": Export(
        {
            "exported by": "DeepSpeech 0.6, graph version 5",
            "language": None,
            "beam width": None,
            "opened by": "deepspeech 0.6.1",
        },
        rounded=0.07,
    ),
    "deepspeech-0.9.3-static": Export(greedy="she ha your dark sit in greasy wash water al year"),
    "deepspeech-0.9.3-dynamic": Export(
        {
            "steps": "any number of frames",
            "opened by": "no original runtime: they want a fixed number of steps",
        },
        greedy="she ha your dark sit in greasy wash water al year",
    ),
    "deepspeech-0.9.3-8k-static": Export({"audio": "8000 Hz, window 32 ms, step 20 ms"}, rate=8000),
    "deepspeech-0.9.3-bytes-static": Export(
        {
            "output": "probabilities of 256 classes, the blank last",
            "alphabet": "the 255 bytes of UTF-8 text",
            "parameters": "186,056 in 744,224 bytes, float32",
        },
        greedy="she had your dark suit in greasy wash water a y ear",
        rounded=0.15,
    ),
    "deepspeech-0.9.3-ln-static": Export(
        {
            "n_hidden": "100, layer normalization",
            "parameters": "163,929 in 655,716 bytes, float32",
            "opened by": "deepspeech 0.9.3",
        },
        greedy=TEXT,
    ),
    "coqui-1.4.0-static": Export(),
}

pytestmark = pytest.mark.models


def test_no_export_is_left_out(models: Path) -> None:
    """Each frozen graph of the folder is in the table; of `more`, which are like these, some."""
    found = {path.stem for path in models.glob("*.pb")}
    named = {name for name in EXPORTS if not name.startswith("more/")}
    assert found == named | {"not-frozen-0.1.1"}


@pytest.mark.parametrize("name", EXPORTS)
def test_inspect_is_right_on_every_line(name: str, models: Path) -> None:
    """What it prints, but for sizes, hashes, nodes and the lists after."""
    export = EXPORTS[name]
    result = CliRunner().invoke(main, ["inspect", str(models / f"{name}.pb")])
    assert result.exit_code == 0, result.output
    lines = printed(result.stdout)
    assert lines.pop("bytes") == f"{(models / f'{name}.pb').stat().st_size:,}"
    assert {"sha256", "nodes"} <= set(lines)
    for key in ("sha256", "nodes"):
        del lines[key]
    expected = {key: value for key, value in (LINES | export.lines).items() if value is not None}
    assert lines == expected
    identity = inspect_file(models / f"{name}.pb").identity
    assert (identity.forget_bias, identity.takes_lengths) == (
        export.forget_bias,
        export.takes_lengths,
    )


def printed(text: str) -> dict[str, str]:
    """The first lines of an inspection by their labels, continued ones joined."""
    lines: dict[str, str] = {}
    label = ""
    for line in text.splitlines()[1:]:
        if not line:
            break
        label = line[:13].strip() or label
        lines[label] = f"{lines.get(label, '')} {line[13:].strip()}".strip()
    return lines


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", EXPORTS)
def test_every_format_says_the_same(
    name: str, models: Path, tmp_path: Path, tensorflow: Any
) -> None:
    """Against TensorFlow, which runs the original with its own variables; each has the text."""
    for target in TARGETS:
        if target not in ("pb", "pbmm"):
            require_toolkits(target)
    export, source = EXPORTS[name], models / f"{name}.pb"
    files = dict(converted(source, tmp_path))
    clip = ClipSource("clip", models / f"LDC93S1_pcms16le_1_{export.rate}.wav", TEXT)
    how = HowToValidate(tensorflow=True, beam=BEAM)
    validation = validate_models(source, list(files.values()), [clip], how)
    assert validation.reference.runtime == f"tensorflow {tensorflow.__version__}"
    for what, candidate in zip(files, validation.candidates, strict=True):
        precision = "int8" if what == "tflite int8" else "fp32"
        assert candidate.model.precision == precision
        assert candidate.tolerance.probabilities == {"fp32": 1e-5, "int8": 6e-2}[precision]
        if precision == "int8" and export.rounded is not None:
            assert only_rounded(candidate, export.rounded)
        else:
            assert candidate.verdict == "pass", (what, candidate.findings)
        (texts,) = candidate.transcripts
        assert texts.candidate.beam == export.text
        if precision == "fp32" and "-0.1.1-" not in name:
            assert texts.candidate.greedy == export.greedy
    for path in files.values():
        assert Transcriber(path, beam=BEAM).transcribe(clip).text == export.text


def converted(source: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """A graph in every format, and TFLite at both ends of the precision."""
    for what, asked in {
        "onnx": {},
        "openvino": {},
        "tflite fp32": {"precision": "fp32"},
        "tflite int8": {"precision": "int8"},
        "coreml": {},
        "pbmm": {},
    }.items():
        target = what.split()[0]
        yield what, convert(target, source, folder / what.replace(" ", "-"), **asked)


def only_rounded(candidate: CandidateResult, most: float) -> bool:
    """Whether a difference above the tolerance is small, and hardly ever of the likeliest class."""
    (difference,) = [d for d in candidate.differences if d.tensor == "probabilities"]
    assert difference.argmax_agreement is not None
    return difference.max_abs < most and difference.argmax_agreement > 0.98


@pytest.fixture(autouse=True)
def beam_search() -> None:
    """Texts by beam search need its package."""
    if not has_beam_search():
        pytest.skip("no beam search is installed")


def test_the_texts_are_those_of_the_original_runtimes(models: Path) -> None:
    """The table says what was measured with them; what they refuse, dsconv transcribes."""
    measured = {
        folder + entry["file"].removesuffix(".pb"): entry
        for folder in ("", "more/")
        for entry in json.loads((models / folder / "index.json").read_text("utf-8"))
    }
    for name, export in EXPORTS.items():
        (text,) = measured[name]["runtime"].values()
        assert text in (export.text, "refused", "hangs"), name
        opened_by = export.lines.get("opened by") or ""
        assert (text in ("refused", "hangs")) == opened_by.startswith("no orig")
        if "-0.1.1-" not in name:
            assert measured[name]["greedy"] == export.greedy, name
