"""Seconds that the original runtimes take for a clip with a TFLite file, decoding included.

DSCONV_RUNTIMES names the folder of their `transcribe` command, DSCONV_MODELS that of the exporter's
file of the release size. The unrolled form is the exporter's, with the weights of the loop's.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from rich.table import Table

from benchmarks.measure import Samples
from benchmarks.tables import figure_table
from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.convert.tflite.options import LstmForm
from dsconv.fixtures.demo_model import SPEECH
from dsconv.speech.corpus import find_clips, shortest

RUNTIMES = ("deepspeech-tflite", "stt")


def benchmark_original_runtimes(model: Path, runs: int) -> Iterator[Table]:
    """A table for each runtime; nothing where they are not set up."""
    folder = os.environ.get("DSCONV_RUNTIMES")
    if not folder:
        return
    (clip,) = shortest(find_clips([SPEECH]), 1)
    files = {}
    upstream = Path(os.environ.get("DSCONV_MODELS", ""), "deepspeech-0.9.3-2048.tflite")
    if upstream.exists():
        files["upstream's file, other weights"] = upstream
    forms: tuple[LstmForm, ...] = ("unrolled", "loop")
    for form in forms:
        output = model.with_name(f"{form}.tflite")
        convert_file(TARGETS["tflite"], model, output, options=Options(lstm=form), force=True)
        files[f"dsconv tflite --lstm {form}"] = output
    for runtime in RUNTIMES:
        samples = {name: Samples() for name in files}
        for _ in range(runs):
            for name, path in files.items():
                command = [str(Path(folder, "transcribe")), runtime, str(path), str(clip.wav)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                samples[name].seconds.append(json.loads(done.stdout)["seconds"])
        yield _table(f"{runtime}: {clip.name}", samples)


def _table(title: str, samples: dict[str, Samples]) -> Table:
    table = figure_table(title, "median s", "ratio")
    first = next(iter(samples.values())).median
    for name, sample in samples.items():
        table.add_row(name, f"{sample.median:.2f}", f"{sample.median / first:.2f}")
    return table
