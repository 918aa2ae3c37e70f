"""A file that is right in its first step alone fails: lengths that are inputs run all the steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsconv.acoustic.source import Source
from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS
from dsconv.convert.toolkit.options import ToolkitOptions
from dsconv.formats.graphdef.graph import Graph
from tests.convert.conversions import saved
from tests.convert.toolkit.networks import named

pytestmark = pytest.mark.tensorflow


def test_other_gates_after_the_first_steps(small_graph: Graph, tmp_path: Path) -> None:
    """Of 32 tanh, two in each of 16 steps, 28 become sigmoids."""
    output = named("onnx", tmp_path)
    source = Source(saved(small_graph, tmp_path / "graph.pb"))
    asked = ToolkitOptions(outputs=("logits",))
    plan = TARGETS["onnx"].plan(source, Options(steps=16, route="toolkit", toolkit=asked))
    plan.write(output, force=False)
    verdict = plan.check(output)
    assert verdict is not None
    assert verdict.passed, verdict.line
    import onnx

    model = onnx.load(str(output))
    gates = [node for node in model.graph.node if node.op_type == "Tanh"]
    assert len(gates) == 32
    for node in gates[4:]:
        node.op_type = "Sigmoid"
    onnx.save(model, str(output))
    verdict = plan.check(output)
    assert verdict is not None
    assert not verdict.passed, verdict.line
