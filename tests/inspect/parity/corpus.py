"""A corpus in small: short pieces of the packaged speech as a CSV of the training code."""

from __future__ import annotations

import csv
import wave
from pathlib import Path
from typing import Any

from dsconv.fixtures import demo_model
from dsconv.inspect.parity.validation import Validation

FRAMES = 8000
"""Samples of each piece: half a second."""


def write_corpus(folder: Path, count: int) -> Path:
    """So many pieces with what was said, as far as the clip goes: the models are not perfect."""
    sources = demo_model.clips()
    rows = []
    for number in range(count):
        clip = sources[number % len(sources)]
        name = f"{number:02}.wav"
        with wave.open(str(clip.wav)) as source, wave.open(str(folder / name), "wb") as piece:
            source.setpos(1600 * (1 + number // len(sources)))
            piece.setparams(source.getparams())
            piece.writeframes(source.readframes(FRAMES))
        rows.append((name, (folder / name).stat().st_size, " ".join(clip.transcript.split()[:2])))
    path = folder / "corpus.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("wav_filename", "wav_filesize", "transcript"), *rows])
    return path


def figures(validation: Validation) -> dict[str, Any]:
    """All that a validation says but the time that it took."""
    values: dict[str, Any] = without_times(validation.to_json())
    return values


def without_times(values: Any) -> Any:
    """JSON without the seconds that models took."""
    if isinstance(values, dict):
        return {k: without_times(v) for k, v in values.items() if k != "run_seconds"}
    if isinstance(values, list):
        return [without_times(item) for item in values]
    return values
