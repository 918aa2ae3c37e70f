"""What no target that builds the network does: the same one line from each, and no file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.errors import ConversionError, OutputError
from dsconv.formats.graphdef.graph import open_graph
from dsconv.runtime.registry import open_model
from tests.acoustic.edits import constant
from tests.convert.conversions import require_toolkits, saved

BUILT = ("tflite", "coreml", "openvino", "onnx")
FOR_ALL: list[tuple[dict[str, Any], str]] = [
    ({"steps": 0}, "0 steps are not possible"),
    ({"input_shape": (1, 16, 9, 26)}, "does not fit"),
    ({"steps": 16, "front_end": True}, "--n-steps does not go with --front-end"),
    ({"front_end": True, "states": "internal"}, "--states internal does not go with --front"),
]
NO_STATES = ({"states": "internal"}, "no --states internal; pass --states io")
ASKED = [
    *((target, *refusal) for target in BUILT for refusal in FOR_ALL[:3]),
    ("coreml", *FOR_ALL[3]),
    ("openvino", *FOR_ALL[3]),
    ("tflite", *NO_STATES),
    ("onnx", *NO_STATES),
]


@pytest.mark.parametrize(("target", "asked", "says"), ASKED)
def test_options_are_refused_before_any_work(
    target: str, asked: dict[str, Any], says: str, small_model: Path, tmp_path: Path
) -> None:
    """The message names the file, and nothing is written."""
    output = tmp_path / f"a{TARGETS[target].suffix_for(Options())}"
    with pytest.raises(ConversionError, match=f"output_graph.pb: .*{says}"):
        convert_file(TARGETS[target], small_model, output, options=Options(**asked))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["tflite", "onnx"])
def test_an_existing_output_is_kept_unless_forced(
    target: str, small_model: Path, tmp_path: Path
) -> None:
    """--force replaces, nothing else does."""
    require_toolkits(target)
    output = tmp_path / f"a{TARGETS[target].suffix}"
    output.write_text("mine")
    with pytest.raises(OutputError, match="exists; pass --force"):
        convert_file(TARGETS[target], small_model, output)
    assert output.read_text() == "mine"
    convert_file(TARGETS[target], small_model, output, force=True)
    assert open_model(output).interface.steps == 16


@pytest.mark.parametrize("target", BUILT)
@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (constant("Reshape_3/shape", [-1, 16]), "'Reshape_3' has shape"),
    ],
    ids=["network"],
)
def test_other_graphs_are_refused(
    edit: Any, says: str, target: str, small_model: Path, tmp_path: Path
) -> None:
    """What is not recognised is not built, and says why."""
    source = saved(edit(open_graph(small_model)), tmp_path / "a.pb")
    with pytest.raises(ConversionError, match=f"a.pb: .*{says}"):
        convert_file(TARGETS[target], source, options=Options(route="build"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.pb"]
