"""Programs are walked as Core ML runs them: types, blocks, states; and contradictions are named."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.errors import ConversionError, DsconvError, ModelError
from dsconv.formats.coreml.file import open_core_ml
from dsconv.formats.coreml.program import Value
from dsconv.formats.coreml.values import read_value
from dsconv.formats.coreml.weights import WeightFiles
from dsconv.formats.protobuf.wire import varint
from dsconv.runtime.coreml import evaluator as evaluator_module
from dsconv.runtime.coreml.evaluator import ProgramEvaluator
from tests.runtime.coreml.programs import (
    Type,
    block,
    const,
    constant,
    integer,
    list_type,
    message,
    operation,
    program_evaluator,
    text,
    weight,
    write_program,
)
from tests.runtime.coreml.toolkit import converted, quiet_coremltools, saved

FLOAT2: Type = ("float32", (2,))
HALF2: Type = ("float16", (2,))
ONE = np.array(1, np.int32)
TENTH = np.float32(0.1)


def floats(*numbers: float) -> Any:
    """An array of float32."""
    return np.array(numbers, np.float32)


def halves(*numbers: float) -> Any:
    """An array of float16."""
    return np.array(numbers, np.float16)


def one_op(path: Path, kind: str, inputs: dict[str, Any], out: Any = FLOAT2) -> ProgramEvaluator:
    """A program of one op on the input x."""
    body = operation(kind, {"x": "x", **inputs}, {"out": out})
    return program_evaluator(path / "m", {"x": FLOAT2}, [body], ["out"])


def test_outputs_by_name(tmp_path: Path) -> None:
    both = [
        operation("add", {"x": "x", "y": floats(1, 2)}, {"sum": FLOAT2}),
        operation("mul", {"x": "sum", "y": "x"}, {"product": FLOAT2}),
    ]
    found = program_evaluator(tmp_path / "m", {"x": FLOAT2}, both, ["product", "sum"]).run(
        {"x": floats(3, 4)}
    )
    assert {name: value.tolist() for name, value in found.items()} == {
        "product": [12.0, 24.0],
        "sum": [4.0, 6.0],
    }


def test_operations_that_ran_are_counted(tmp_path: Path) -> None:
    steps = [
        const("c", constant(floats(1, 2)), FLOAT2),
        operation("add", {"x": "x", "y": "c"}, {"a": FLOAT2}),
        operation("add", {"x": "a", "y": "c"}, {"b": FLOAT2}),
    ]
    evaluator = program_evaluator(tmp_path / "m", {"x": FLOAT2}, steps, ["b"])
    for _ in range(2):
        evaluator.run({"x": floats(0, 0)})
        assert evaluator.ran == {"add": 2}


def test_float16_is_rounded_at_each_output(tmp_path: Path) -> None:
    # 2048 + 1 has no float16, so the one is lost before it could be seen again.
    steps = [
        operation("add", {"x": "x", "y": constant(halves(1, 1))}, {"sum": HALF2}),
        operation("sub", {"x": "sum", "y": "x"}, {"out": HALF2}),
    ]
    found = program_evaluator(tmp_path / "m", {"x": HALF2}, steps, ["out"]).run(
        {"x": floats(2048, 4)}
    )["out"]
    assert found.dtype == np.float16
    assert found.tolist() == [0.0, 1.0]


def test_float16_is_computed_in_float32(tmp_path: Path) -> None:
    matrix = np.full((1, 2), 2048, np.float16)
    body = operation("linear", {"x": "x", "weight": matrix}, {"out": ("float16", (1,))})
    evaluator = program_evaluator(tmp_path / "m", {"x": HALF2}, [body], ["out"])
    # 40 * 2048 is too large for float16, the sum is not.
    assert evaluator.run({"x": floats(40, -39.5)})["out"].tolist() == [1024.0]


def test_inputs_are_rounded_to_their_type(tmp_path: Path) -> None:
    body = operation("cast", {"x": "x", "dtype": constant("fp32")}, {"out": FLOAT2})
    evaluator = program_evaluator(tmp_path / "m", {"x": HALF2}, [body], ["out"])
    assert evaluator.run({"x": floats(0.1, 1)})["out"].tolist() == [float(np.float16(0.1)), 1.0]


def test_weights_are_read_and_widened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Value] = []

    def counted(value: Value, weights: WeightFiles) -> Any:
        read.append(value)
        return read_value(value, weights)

    monkeypatch.setattr(evaluator_module, "read_value", counted)
    header = b"\xef\xbe\xad\xde" + bytes([1, 0, 0, 0, 4] + [0] * 7 + [128] + [0] * 47)
    steps = [
        const("c", weight("float16", (2,), 64), HALF2),
        operation("add", {"x": "x", "y": "c"}, {"out": HALF2}),
        operation("add", {"x": "x", "y": constant(halves(1, 1))}, {"other": HALF2}),
    ]
    data = bytes(64) + header + halves(0.5, -2).tobytes()
    evaluator = program_evaluator(tmp_path / "m", {"x": HALF2}, steps, ["out"], weights=data)
    for _ in range(3):
        assert evaluator.run({"x": floats(1, 1)})["out"].tolist() == [1.5, -1.0]
    assert len(read) == 2


def test_values_are_let_go_after_their_last_use(tmp_path: Path) -> None:
    names = "xabcd"
    steps = [operation("relu", {"x": first}, {second: FLOAT2}) for first, second in pairwise(names)]
    steps.append(operation("add", {"x": "b", "y": "d"}, {"out": FLOAT2}))
    evaluator = program_evaluator(tmp_path / "m", {"x": FLOAT2}, steps, ["out"])
    released = [sorted(step.releases) for step in evaluator.block.operations]
    assert released == [[], ["a"], [], ["c"], ["b", "d"]]


def test_outputs_are_not_what_is_kept(tmp_path: Path) -> None:
    steps = [const("out", constant(floats(1, 2)), FLOAT2)]
    evaluator = program_evaluator(tmp_path / "m", {}, steps, ["out"])
    evaluator.run({})["out"][:] = 9
    assert evaluator.run({})["out"].tolist() == [1.0, 2.0]


LOOP_INPUTS: dict[str, Any] = {"i": ("int32", ()), "sum": FLOAT2}


def loop(step: Any = ONE) -> bytes:
    """A loop that adds x to a sum, `times` times."""
    condition = block(
        [operation("less", {"x": "i", "y": "times"}, {"on": ("bool", ())})], ["on"], LOOP_INPUTS
    )
    body = block(
        [
            operation("add", {"x": "i", "y": step}, {"i_next": ("int32", ())}),
            operation("add", {"x": "sum", "y": "x"}, {"sum_next": FLOAT2}),
        ],
        ["i_next", "sum_next"],
        LOOP_INPUTS,
    )
    return operation(
        "while_loop",
        {"loop_vars": ["zero", "nothing"]},
        {"iterations": ("int32", ()), "total": FLOAT2},
        blocks=[condition, body],
    )


def loop_program(path: Path, **options: Any) -> ProgramEvaluator:
    """A program of that loop, whose x is computed before it."""
    steps = [
        operation("identity", {"x": "given"}, {"x": FLOAT2}),
        const("zero", constant(np.array(0, np.int32)), ("int32", ())),
        const("nothing", constant(floats(0, 0)), FLOAT2),
        loop(**options),
    ]
    inputs: dict[str, Type] = {"given": FLOAT2, "times": ("int32", ())}
    return program_evaluator(path / "m", inputs, steps, ["iterations", "total"])


@pytest.mark.parametrize("times", [0, 1, 5])
def test_loop(tmp_path: Path, times: int) -> None:
    evaluator = loop_program(tmp_path)
    for _ in range(2):
        found = evaluator.run({"given": floats(2, 3), "times": np.array(times)})
        assert found["iterations"].tolist() == times
        assert found["total"].tolist() == [2.0 * times, 3.0 * times]
        assert evaluator.ran.get("less") == times + 1


def test_endless_loop_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluator_module, "MOST_ITERATIONS", 10)
    evaluator = loop_program(tmp_path, step=np.array(0, np.int32))
    with pytest.raises(
        ConversionError, match=r"'iterations' is a Core ML while_loop of more than 10"
    ):
        evaluator.run({"given": floats(2, 3), "times": np.array(1)})


def test_loop_without_blocks_is_named(tmp_path: Path) -> None:
    body = operation("while_loop", {"loop_vars": ["x"]}, {"out": FLOAT2})
    evaluator = program_evaluator(tmp_path / "m", {"x": FLOAT2}, [body], ["out"])
    with pytest.raises(ModelError, match="while_loop, has 0 blocks"):
        evaluator.run({"x": floats(0, 0)})


@pytest.mark.parametrize(("chosen", "expected"), [(True, [1.0, 2.0]), (False, [-1.0, -2.0])])
def test_condition(tmp_path: Path, *, chosen: bool, expected: list[float]) -> None:
    negative = operation("mul", {"x": "x", "y": floats(-1, -1)}, {"minus": FLOAT2})
    body = operation(
        "cond",
        {"pred": "which"},
        {"out": FLOAT2},
        blocks=[block([], ["x"]), block([negative], ["minus"])],
    )
    inputs: dict[str, Type] = {"x": FLOAT2, "which": ("bool", ())}
    evaluator = program_evaluator(tmp_path / "m", inputs, [body], ["out"])
    found = evaluator.run({"x": floats(1, 2), "which": np.array(chosen)})
    assert found["out"].tolist() == expected


def test_list_in_a_loop(tmp_path: Path) -> None:
    inputs: dict[str, Any] = {"i": ("int32", ()), "ls": list_type(FLOAT2)}
    condition = block(
        [operation("less", {"x": "i", "y": np.array(3, np.int32)}, {"on": ("bool", ())})],
        ["on"],
        inputs,
    )
    body = block(
        [
            operation("cast", {"x": "i", "dtype": constant("fp32")}, {"f": ("float32", ())}),
            operation("mul", {"x": "x", "y": "f"}, {"item": FLOAT2}),
            operation(
                "list_write",
                {"ls": "ls", "index": "i", "value": "item"},
                {"ls_next": list_type(FLOAT2)},
            ),
            operation("add", {"x": "i", "y": ONE}, {"i_next": ("int32", ())}),
        ],
        ["i_next", "ls_next"],
        inputs,
    )
    steps = [
        const("zero", constant(np.array(0, np.int32)), ("int32", ())),
        const("two", constant(np.array(2, np.int32)), ("int32", ())),
        operation(
            "make_list",
            {"elem_shape": ["two"], "init_length": ONE, "dynamic_length": np.array(True)},
            {"empty": list_type(FLOAT2)},
        ),
        operation(
            "while_loop",
            {"loop_vars": ["zero", "empty"]},
            {"iterations": ("int32", ()), "full": list_type(FLOAT2)},
            blocks=[condition, body],
        ),
        operation(
            "list_gather",
            {"ls": "full", "indices": np.array([2, 0, 1], np.int32)},
            {"out": ("float32", (3, 2))},
        ),
    ]
    evaluator = program_evaluator(tmp_path / "m", {"x": FLOAT2}, steps, ["out"])
    found = evaluator.run({"x": floats(1, 10)})["out"]
    assert found.tolist() == [[2.0, 20.0], [0.0, 0.0], [1.0, 10.0]]


def stateful(path: Path, *more: bytes) -> ProgramEvaluator:
    """A program that adds x to a state, and reads it before and after."""
    steps = [
        operation("read_state", {"input": "memory"}, {"before": HALF2}),
        operation("add", {"x": "before", "y": "x"}, {"sum": HALF2}),
        operation("write_state", {"input": "memory", "data": "sum"}, {}),
        operation("read_state", {"input": "memory"}, {"after": HALF2}),
        *more,
    ]
    return program_evaluator(
        path / "m", {"x": HALF2}, steps, ["before", "after"], states={"memory": HALF2}
    )


def test_states_last_from_run_to_run(tmp_path: Path) -> None:
    evaluator = stateful(tmp_path)
    seen = [evaluator.run({"x": floats(1, 0.1)}) for _ in range(2)]
    tenth = float(np.float16(0.1))
    fifth = float(np.float16(2 * tenth))
    assert [found["before"].tolist() for found in seen] == [[0.0, 0.0], [1.0, tenth]]
    assert [found["after"].tolist() for found in seen] == [[1.0, tenth], [2.0, fifth]]


def test_reset_makes_states_zero(tmp_path: Path) -> None:
    evaluator = stateful(tmp_path)
    evaluator.run({"x": floats(1, 2)})
    evaluator.reset()
    assert evaluator.run({"x": floats(1, 2)})["before"].tolist() == [0.0, 0.0]


def test_a_run_that_fails_leaves_the_states(tmp_path: Path) -> None:
    evaluator = stateful(tmp_path, operation("other", {"x": "after"}, {"out": HALF2}))
    for _ in range(2):
        with pytest.raises(ConversionError, match="'out' is a Core ML other"):
            evaluator.run({"x": floats(1, 2)})
    assert evaluator.states["memory"].tolist() == [0.0, 0.0]


def test_a_state_is_no_view_on_what_was_fed(tmp_path: Path) -> None:
    steps = [
        operation("read_state", {"input": "memory"}, {"before": FLOAT2}),
        operation("write_state", {"input": "memory", "data": "x"}, {}),
    ]
    evaluator = program_evaluator(
        tmp_path / "m", {"x": FLOAT2}, steps, ["before"], states={"memory": FLOAT2}
    )
    x = floats(1, 2)
    evaluator.run({"x": x})
    x[:] = 9
    assert evaluator.run({"x": x})["before"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("shape", [(-1,), None])
def test_a_state_of_open_size_is_refused(tmp_path: Path, shape: Any) -> None:
    with pytest.raises(ModelError, match="state 'memory' has no fixed size"):
        program_evaluator(tmp_path / "m", {}, [], [], states={"memory": ("float16", shape)})


def test_update_of_a_state_gives_its_value(tmp_path: Path) -> None:
    steps = [operation("coreml_update_state", {"state": "memory", "value": "x"}, {"out": HALF2})]
    evaluator = program_evaluator(
        tmp_path / "m", {"x": HALF2}, steps, ["out"], states={"memory": HALF2}
    )
    assert evaluator.run({"x": floats(3, 4)})["out"].tolist() == [3.0, 4.0]
    assert evaluator.states["memory"].tolist() == [3.0, 4.0]


def test_states_of_coremltools(tmp_path: Path) -> None:
    with quiet_coremltools() as toolkit:
        from coremltools.converters.mil.mil import Builder, types

        def accumulate(x: Any, memory: Any) -> Any:
            total = Builder.add(x=Builder.read_state(input=memory), y=x)
            stored = Builder.coreml_update_state(state=memory, value=total)
            return Builder.mul(x=stored, y=np.float16(2), name="twice")

        inputs = [
            Builder.TensorSpec((2,), types.fp16),
            Builder.StateTensorSpec((2,), types.fp16),
        ]
        model = converted(toolkit, accumulate, inputs, "iOS18", "FLOAT16")
        evaluator = saved(model, tmp_path / "m.mlpackage")
    seen = [evaluator.run({"x": floats(1, 2)})["twice"].tolist() for _ in range(3)]
    assert seen == [[2.0, 4.0], [4.0, 8.0], [6.0, 12.0]]


# What is wrong with a program of one op on x.
DAMAGED: list[tuple[str, dict[str, Any], Any, type[DsconvError], str]] = [
    ("relu", {}, ("float32", (3,)), ModelError, r"gives \[2\] for 'out', declared as \[3\]"),
    ("relu", {}, ("float32", (2, 1)), ModelError, r"gives \[2\] for 'out', declared as \[2, 1\]"),
    ("relu", {}, ("int32", (2,)), ModelError, "gives float32 for 'out', declared as int32"),
    ("relu", {}, list_type(FLOAT2), ModelError, "of another type than it declares"),
    ("relu", {}, ("bfloat16", (2,)), ConversionError, "type bfloat16"),
    ("add", {"y": floats(1, 2)[:, None]}, FLOAT2, ModelError, r"gives \[2, 2\] for 'out'"),
    ("add", {"y": "nowhere"}, FLOAT2, ModelError, "'nowhere' is read but nothing computes it"),
    ("add", {"y": ["x", "x"]}, FLOAT2, ModelError, "has 2 values for y"),
    ("add", {}, FLOAT2, ModelError, "has no y"),
    ("gru", {}, FLOAT2, ConversionError, "'out' is a Core ML gru, which dsconv does not"),
    ("relu", {"alpha": TENTH}, FLOAT2, ConversionError, "'out' is a Core ML relu with alpha"),
    ("constexpr_other", {}, FLOAT2, ConversionError, "'out' is a Core ML constexpr_other"),
    ("cond", {}, FLOAT2, ConversionError, "'out' is a Core ML cond with x"),
]


@pytest.mark.parametrize(("kind", "inputs", "out", "error", "reason"), DAMAGED)
def test_contradictions_and_unknown_operations_are_named(
    tmp_path: Path,
    kind: str,
    inputs: dict[str, Any],
    out: Any,
    error: type[DsconvError],
    reason: str,
) -> None:
    with pytest.raises(error, match=reason):
        one_op(tmp_path, kind, inputs, out).run({"x": floats(1, 2)})


@pytest.mark.parametrize("shape", [(1, -1), (-1, 2), None])
def test_open_sizes_fit_any(tmp_path: Path, shape: Any) -> None:
    axes = {"axes": np.zeros(1, np.int32)}
    evaluator = one_op(tmp_path, "expand_dims", axes, ("float32", shape))
    assert evaluator.run({"x": floats(1, 2)})["out"].tolist() == [[1.0, 2.0]]


def test_another_number_of_outputs_is_named(tmp_path: Path) -> None:
    body = operation("relu", {"x": "x"}, {"out": FLOAT2, "more": FLOAT2})
    evaluator = program_evaluator(tmp_path / "m", {"x": FLOAT2}, [body], ["out"])
    with pytest.raises(ModelError, match="declares 2 outputs and has 1"):
        evaluator.run({"x": floats(0, 0)})


def test_a_value_in_place_of_a_state_is_named(tmp_path: Path) -> None:
    body = operation("read_state", {"input": "x"}, {"out": FLOAT2})
    evaluator = program_evaluator(tmp_path / "m", {"x": FLOAT2}, [body], ["out"])
    with pytest.raises(ModelError, match="takes a value and not a state"):
        evaluator.run({"x": floats(0, 0)})


@pytest.mark.parametrize(
    ("feeds", "reason"),
    [
        ({}, "input 'x' is missing; feed it"),
        ({"x": floats(1, 2), "y": floats(1)}, "'y' is not an input; feed x"),
        ({"x": floats(1, 2, 3)}, r"input 'x' is fed \[3\]; feed \[2\]"),
        ({"x": floats(1, 2)[None]}, r"input 'x' is fed \[1, 2\]; feed \[2\]"),
        ({"x": np.array(["a", "b"])}, "input 'x' is fed <U1; feed float32"),
    ],
)
def test_feeds_that_do_not_fit_are_refused(
    tmp_path: Path, feeds: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConversionError, match=reason):
        one_op(tmp_path, "relu", {}).run(feeds)


def test_fractions_are_not_fed_as_integers(tmp_path: Path) -> None:
    body = operation("identity", {"x": "x"}, {"out": ("int32", (2,))})
    evaluator = program_evaluator(tmp_path / "m", {"x": ("int32", (2,))}, [body], ["out"])
    assert evaluator.run({"x": np.array([1, 2])})["out"].tolist() == [1, 2]
    with pytest.raises(ConversionError, match="is fed float32; feed int32"):
        evaluator.run({"x": floats(1, 2)})


# The field 31 of an array holds the ranges, 21 the shapes, as in FeatureTypes.proto.
RANGES = message(31, message(1, integer(1, 2), integer(2, 3)))
SHAPES = message(21, *(message(1, message(1, varint(size))) for size in (2, 4)))


@pytest.mark.parametrize(
    ("flexibility", "refused", "expected"),
    [(RANGES, 4, r"\[2 to 3\]"), (SHAPES, 3, r"\[2\] or \[4\]")],
)
def test_sizes_that_the_interface_does_not_allow_are_refused(
    tmp_path: Path, flexibility: bytes, refused: int, expected: str
) -> None:
    array = message(5, message(1, varint(2)), integer(2, 65568), flexibility)
    feature = message(1, text(1, "x"), message(3, array))
    body = operation("relu", {"x": "x"}, {"out": ("float32", (-1,))})
    inputs: dict[str, Type] = {"x": ("float32", (-1,))}
    evaluator = program_evaluator(tmp_path / "m", inputs, [body], ["out"], description=feature)
    assert evaluator.run({"x": floats(1, 2)})["out"].tolist() == [1.0, 2.0]
    with pytest.raises(ConversionError, match=rf"is fed \[{refused}\]; feed {expected}"):
        evaluator.run({"x": np.zeros(refused, np.float32)})


def test_unknown_opset_is_refused(tmp_path: Path) -> None:
    body = operation("relu", {"x": "x"}, {"out": FLOAT2})
    with pytest.raises(ConversionError, match="opset 'CoreML99'"):
        program_evaluator(tmp_path / "m", {"x": FLOAT2}, [body], ["out"], opset="CoreML99")


def test_opset_decides_what_an_index_below_zero_is(tmp_path: Path) -> None:
    body = operation(
        "gather",
        {"x": "x", "indices": np.array(-1, np.int32)},
        {"out": ("float32", ())},
    )
    inputs = {"x": FLOAT2}
    older = program_evaluator(tmp_path / "m", inputs, [body], ["out"], opset="CoreML6")
    newer = program_evaluator(tmp_path / "n", inputs, [body], ["out"], opset="CoreML7")
    assert older.run({"x": floats(1, 2)})["out"] == 2
    with pytest.raises(ConversionError, match="outside of 2 entries"):
        newer.run({"x": floats(1, 2)})


def test_a_neural_network_is_refused(tmp_path: Path) -> None:
    path = write_program(tmp_path / "m", {}, [], [])
    model = path / "Data" / "com.apple.CoreML" / "model.mlmodel"
    model.write_bytes(integer(1, 4) + message(500))
    with pytest.raises(ConversionError, match="holds no ML program"):
        ProgramEvaluator(open_core_ml(path))


def test_an_output_that_is_no_array_is_refused(tmp_path: Path) -> None:
    steps = [
        const("two", constant(np.array(2, np.int32)), ("int32", ())),
        operation("make_list", {"elem_shape": ["two"]}, {"out": list_type(FLOAT2)}),
    ]
    evaluator = program_evaluator(tmp_path / "m", {}, steps, ["out"])
    with pytest.raises(ConversionError, match="output 'out' is not an array"):
        evaluator.run({})
