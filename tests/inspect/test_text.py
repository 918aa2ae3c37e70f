"""The tables for people fit 80 columns and hold what matters."""

from pathlib import Path

import pytest
from rich.console import Console

from dsconv.inspect.registry import inspect_file
from dsconv.inspect.text import render, shape_text


def rendered(path: Path) -> str:
    console = Console(width=80, highlight=False, color_system=None)
    with console.capture() as capture:
        console.print(render(inspect_file(path)))
    return capture.get()


def test_fits_80_columns(small_model: Path) -> None:
    """Long names are folded, not cut."""
    text = rendered(small_model)
    assert max(map(len, text.splitlines())) <= 80
    assert "cudnn_lstm/rnn/multi_rnn_cell" in text
    assert "kernel" in text


def test_says_what_matters(small_model: Path) -> None:
    """The facts that people look for are there."""
    text = " ".join(rendered(small_model).split())
    for fact in (
        "TensorFlow graph (pb)",
        "n_hidden 32",
        "steps 16",
        "28 labels: [space] a b c",
        "16000 Hz, window 32 ms, step 20 ms",
        "probabilities of 29 classes, the blank last",
        "opened by deepspeech 0.6.1, 0.7.4, 0.8.2, 0.9.3",
        "converts to pbmm",
        "language not named by who exported it",
    ):
        assert fact in text


@pytest.mark.models
def test_every_original_renders(models: Path) -> None:
    """Whatever a graph lacks, the table stands."""
    for path in models.glob("*.pb"):
        assert max(map(len, rendered(path).splitlines())) <= 80


def test_shapes() -> None:
    """Open sizes are question marks."""
    assert shape_text([1, -1, 19]) == "[1, ?, 19]"
    assert shape_text([]) == "[]"
    assert shape_text(None) == "?"
