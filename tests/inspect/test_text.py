"""The lists for people fit 80 columns and hold what matters."""

from pathlib import Path

import pytest

from dsconv.acoustic.export import LSTM
from dsconv.inspect.report import render
from dsconv.inspect.text import shape_text
from dsconv.workflows.inspection import inspect_model


def rendered(path: Path) -> str:
    return render(inspect_model(path))


def test_fits_80_columns(small_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long names have a line of their own, whole."""
    monkeypatch.chdir(small_model.parent)
    text = rendered(Path(small_model.name))
    assert max(map(len, text.splitlines())) <= 80
    assert f"  {LSTM}/kernel\n" in text


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
        _, *lines = rendered(path).splitlines()
        # Only a name may be longer, which is one word and has its line for itself.
        assert all(len(line) <= 80 or " " not in line.strip() for line in lines)


def test_shapes() -> None:
    """Dynamic dimensions are question marks."""
    assert shape_text([1, -1, 19]) == "[1, ?, 19]"
    assert shape_text([]) == "[]"
    assert shape_text(None) == "?"
