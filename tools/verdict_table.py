"""Write docs/parity.md: what the verdict catches, with its sentences, and how small it may be.

python -m tools.verdict_table [MODEL ...] [--cells N ...]

The models are those whose resolving power is measured beside the demo model's; for each N one with
random weights is.
"""

from __future__ import annotations

import argparse
import tempfile
from bisect import bisect_left
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from dsconv.acoustic.read_back import read_back
from dsconv.acoustic.source import Source
from dsconv.acoustic.stored import stored
from dsconv.convert.options import Precision
from dsconv.fixtures import demo_model
from dsconv.fixtures.write import write_random_model
from dsconv.inspect.parity.audit import audit
from dsconv.inspect.parity.replay import LARGE
from tests.convert.conversions import convert
from tests.inspect.parity.sabotage.files import NotHere, open_spoilable, with_floats
from tests.inspect.parity.sabotage.kinds import KINDS
from tests.inspect.parity.sabotage.spoiled import PRECISIONS, TARGETS, Spoiler

PAGE = Path(__file__).parents[1] / "docs" / "parity.md"
LABELS = {"tflite": "TFLite", "onnx": "ONNX", "openvino": "OpenVINO", "coreml": "Core ML"}
PARTS = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 2e-2)
_OPS = ("the ", "no ", "LSTM")
"""How sentences begin that come from calls; others begin with a tensor or a layer."""

SCALED = (*(f"layer_{n}/weights" for n in (1, 2, 3, 5, 6)), "lstm/W", "lstm/R")
SCALED_LARGE = ("lstm/R", "layer_6/weights")
"""Of large models, where each takes some seconds."""

HEAD = """# What the verdict catches

A conversion is right or wrong, at every precision. Two things decide, and neither is hidden by the
rounding of a lower precision:

- **Weights.** Every weight and bias is read back from the bytes of the file and compared with the
  graph's: the same float32 to its last digit, the nearest float16, within half a step of the
  integers.
- **Calls.** The file is run, and each call is evaluated once more with the file's own weights, in
  the arithmetic of its runtime, from the states that the file was in. Beside speech there are calls
  that reach the clips of the layers, saturate the gates and use every number of valid frames.

What no call exercised is listed with the verdict. A clip that no input can reach is said to be so.
"""


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--cells", type=int, action="append", default=[])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        models = {"demo model": demo_model.MODEL} | {path.stem: path for path in asked.models}
        for cells in asked.cells:
            (path,) = write_random_model(work / str(cells), n_hidden=cells)
            models[f"random, n_hidden {cells}"] = path
        lines = [HEAD, *power(models, work), *errors(work)]
    PAGE.write_text("\n".join(lines), encoding="utf-8")


def errors(work: Path) -> Iterator[str]:
    """The table of all errors, as they are caught in int8 files."""
    yield "## Errors in the bytes of converted files\n"
    yield "Each is put into TFLite, ONNX, OpenVINO and Core ML files of fp32, fp16 and int8 by the"
    yield "tests, and is caught in all of them. The sentences are those on int8 files; the first of"
    yield "several. *Read*: by reading the file back; *calls*: by replaying its calls;"
    yield "*refused*: by the evaluation of Core ML, which knows no such op."
    yield "Made by `python -m tools.verdict_table`.\n"
    yield "| error | caught by | sentence |"
    yield "|---|---|---|"
    spoiler = Spoiler(work)
    for kind in KINDS:
        found: dict[str, list[str]] = {}
        for target in TARGETS:
            try:
                sentence = spoiler.sentences(kind, target, "int8")[0]
            except NotHere:
                continue
            found.setdefault(sentence.partition(" (")[0], []).append(LABELS[target])
        several = len(found) > 1
        text = "<br>".join(
            f"{', '.join(targets)}: {said}" if several else said for said, targets in found.items()
        )
        yield f"| {kind.name} | {_caught_by(found)} | {text.replace('|', chr(92) + '|')} |"
    yield ""


def _caught_by(found: dict[str, list[str]]) -> str:
    """What finds it: reading back, the calls, or that its runtime refuses it; all of these."""
    ways = {
        "refused" if "does not evaluate" in said else "calls" if said.startswith(_OPS) else "read"
        for said in found
    }
    return ", ".join(sorted(ways))


def power(models: dict[str, Path], work: Path) -> Iterator[str]:
    """The smallest part by which a layer's weights may be off, by model, target and precision."""
    yield "## Resolving power\n"
    yield "The smallest e for which one layer multiplied by 1 + e is caught, the largest of"
    yield f"{', '.join(SCALED)}; of {', '.join(SCALED_LARGE)}"
    yield f"from n_hidden {LARGE} on."
    yield "Made by `python -m tools.verdict_table MODEL ... --cells N`.\n"
    yield f"| model | target | {' | '.join(PRECISIONS)} |"
    yield "|---|---|" + "---|" * len(PRECISIONS)
    for name, model in models.items():
        source = Source(model)
        for target in TARGETS:
            folder = work / "power" / str(len(list(work.glob("power/*"))))
            folder.mkdir(parents=True)
            found = [_smallest(source, model, target, each, folder) for each in PRECISIONS]
            yield f"| {name} | {LABELS[target]} | {' | '.join(found)} |"
    yield ""


def _smallest(source: Source, model: Path, target: str, precision: Precision, work: Path) -> str:
    """The least of `PARTS` from which on all are caught, in each of the scaled layers."""
    right = convert(target, model, work / f"{target}-{precision}", precision=precision)
    largest = 0.0
    for name in SCALED if source.network.lstm.cells < LARGE else SCALED_LARGE:
        caught = partial(_is_caught, source, target, right, name)
        first = bisect_left(PARTS, True, key=caught)
        largest = max(largest, (*PARTS, float("inf"))[first])
    return f"{largest:.0e}".replace("e-0", "e-")


def _is_caught(source: Source, target: str, right: Path, name: str, part: float) -> bool:
    """Whether a layer multiplied by 1 + part is."""
    file = open_spoilable(target, right)
    tensor = with_floats(file, source.network)[name]
    tensor.write(tensor.floats * np.float32(1 + part))
    output = right.with_name(f"scaled-{right.name}")
    file.save(output)
    network, spoiled = source.network, Source(output)
    found = audit(stored(network), read_back(spoiled, spoiled.format.key, network))
    # The replay takes long, and only has a say where the weights pass.
    return bool(found.errors) or bool(Spoiler(right.parent).judged(source, output))


if __name__ == "__main__":
    main()
