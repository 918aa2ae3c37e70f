"""dsconv as a library: what its commands do, as functions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import dsconv
from dsconv.errors import ConversionError, ModelError, OutputError
from dsconv.fixtures import demo_model


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    """Neither with the package nor for the names that it has."""
    code = (
        "import sys, dsconv; dir(dsconv); dsconv.__version__\n"
        "print([n for n in ('numpy', 'rich', 'click', 'dsconv.api') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_names_are_there() -> None:
    """All that are listed, and no others."""
    for name in dsconv.__all__:
        assert getattr(dsconv, name) is not None
    assert set(dsconv.__all__) <= set(dir(dsconv))
    with pytest.raises(AttributeError, match="module 'dsconv' has no attribute 'convert_file'"):
        _ = dsconv.convert_file


def test_a_model_is_converted_checked_and_used(tmp_path: Path) -> None:
    """From the graph to a text, over a target that needs no toolkit but its runtime."""
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    options = dsconv.Options(steps=-1, precision="fp16")
    shares: list[float] = []
    output = tmp_path / "model.onnx"
    done = dsconv.convert_model(
        demo_model.MODEL, "onnx", output, options=options, progress=shares.append
    )
    assert done.passed
    assert done.conversion.output == output
    assert shares[-1] == pytest.approx(1)
    assert dsconv.inspect_model(output).identity.steps == -1
    clip = demo_model.clips()[1]
    (heard,) = dsconv.transcribe(output, [clip.wav])
    assert heard.text == clip.transcript
    validation = dsconv.validate_models(demo_model.MODEL, [output], [clip.wav])
    assert validation.passed
    assert "PASS" in validation._repr_html_()
    assert "pass: right" in done._repr_html_()
    assert "any number of frames" in dsconv.inspect_model(output)._repr_html_()
    assert [candidate.verdict for candidate in validation.candidates] == ["pass"]


def test_validation_can_be_left_out(tmp_path: Path) -> None:
    """The result then says that nothing was compared."""
    done = dsconv.convert_model(demo_model.MODEL, "pbmm", tmp_path / "model.pbmm", validate=False)
    assert done.result is None
    assert done.passed


def test_all_targets_at_once(tmp_path: Path) -> None:
    """Those that do not fit the options are listed with the reason."""
    options = dsconv.Options(states="internal")
    done = dsconv.convert_to_all(demo_model.MODEL, tmp_path, options=options, validate=False)
    refused = {result.target: result.reason for result in done.results if result.reason}
    assert "has no --states internal" in (refused["onnx"] or "")
    written = {result.output for result in done.results if result.output}
    assert written == set(tmp_path.glob("output_graph.*")) - set(tmp_path.glob("*.bin"))
    assert done.passed
    assert "output_graph.pbmm" in done._repr_html_()


def test_errors_are_those_of_the_commands(tmp_path: Path) -> None:
    """With what to do in their texts, and nothing written."""
    text = tmp_path / "a.pb"
    text.write_text("no model")
    with pytest.raises(ModelError, match="is a text file, not a frozen graph"):
        dsconv.convert_model(text, "onnx")
    with pytest.raises(ConversionError, match="there is no target 'caffe'; `dsconv formats`"):
        dsconv.convert_model(demo_model.MODEL, "caffe")
    with pytest.raises(OutputError, match=r"a\.pb exists; pass --force"):
        dsconv.freeze_checkpoint(tmp_path / "none", text)
    with pytest.raises(ModelError, match="holds no recordings"):
        dsconv.transcribe(demo_model.MODEL, [tmp_path])
    assert list(tmp_path.iterdir()) == [text]
