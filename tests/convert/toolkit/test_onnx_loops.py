"""Loops of ONNX that read from outside what they do not change give the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dsconv.convert.toolkit.onnx_loops import take_unchanged_from_outside
from tests.convert.conversions import require_toolkits

TURNS, START, FACTOR = 3, 2.0, 5.0


def loop(*, read_after: bool) -> Any:
    """``result`` is START * FACTOR ** TURNS; a branch inside reads the factor."""
    require_toolkits("onnx")
    from onnx import TensorProto, helper

    def number(name: str, kind: int = TensorProto.FLOAT) -> Any:
        return helper.make_tensor_value_info(name, kind, [])

    def constant(name: str, kind: int, value: Any) -> Any:
        return helper.make_tensor(name, kind, [], [value])

    product = helper.make_node("Mul", ["value", "same"], ["product"])
    branch = helper.make_graph([product], "branch", [], [number("product")])
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("If", ["go"], ["next"], then_branch=branch, else_branch=branch),
        ],
        "body",
        [
            number("turn", TensorProto.INT64),
            number("go", TensorProto.BOOL),
            number("value"),
            number("same"),
        ],
        [number("on", TensorProto.BOOL), number("next"), number("same")],
    )
    given = ["iterations", "yes", "start", "factor"]
    outputs = ["result", "after"] if read_after else ["result"]
    graph = helper.make_graph(
        [helper.make_node("Loop", given, ["result", "after"], body=body)],
        "graph",
        [number("start")],
        [number(name) for name in outputs],
        [
            constant("iterations", TensorProto.INT64, TURNS),
            constant("yes", TensorProto.BOOL, True),
            constant("factor", TensorProto.FLOAT, FACTOR),
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


def body_of(model: Any) -> Any:
    """What the loop runs."""
    return model.graph.node[0].attribute[0].g


@pytest.mark.parametrize("read_after", [False, True])
def test_the_same_result(read_after: bool) -> None:
    """A variable that something reads after the loop stays."""
    import onnx
    import onnxruntime

    model = loop(read_after=read_after)
    take_unchanged_from_outside(model.graph)
    names = [given.name for given in body_of(model).input]
    assert ("same" in names) is read_after
    assert "value" in names
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found = session.run(["result"], {"start": np.array(START, np.float32)})
    assert found == [START * FACTOR**TURNS]
