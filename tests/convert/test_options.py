"""What was asked for becomes a plan, or is refused with what the graph and the target can do."""

from __future__ import annotations

from typing import Any

import pytest

from dsconv.convert.form import Form, form_of
from dsconv.convert.options import Options, States
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.edit import extract
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.steps import DYNAMIC, set_steps
from tests.acoustic.edits import attributes, batch_of_two, constant, edits
from tests.convert.sources import GraphSource

BOTH: tuple[States, ...] = ("io", "internal")


def plan(graph: Graph, offered: tuple[States, ...] = ("io",), **asked: Any) -> Form:
    """The plan of a target whose models take lengths, and keep their states as offered."""
    return form_of(GraphSource(graph), Options(**asked), lengths="input", states=offered)


@pytest.mark.parametrize("steps", [1, 16, 32, DYNAMIC])
def test_defaults_are_the_graphs_and_the_targets(steps: int, small_graph: Graph) -> None:
    """Steps as in the graph; precision, lengths and states as the target likes them."""
    graph = set_steps(small_graph, steps)
    found = form_of(GraphSource(graph), Options(), lengths="frozen", states=("internal", "io"))
    assert (found.steps, found.dynamic) == (steps, steps == DYNAMIC)
    assert (found.precision, found.lengths, found.states) == ("fp32", "frozen", "internal")
    assert not found.front_end
    assert found.network.lstm.cells == 32
    found = form_of(
        GraphSource(graph), Options(), lengths="input", states=("io",), precision="int8"
    )
    assert (found.precision, found.lengths, found.states) == ("int8", "input", "io")


def test_what_is_asked_for_wins(small_graph: Graph) -> None:
    """Each option takes the place of its default, and of no other."""
    found = plan(small_graph, BOTH, precision="fp16")
    assert (found.precision, found.lengths, found.states) == ("fp16", "input", "io")
    found = plan(small_graph, BOTH, lengths="frozen")
    assert (found.precision, found.lengths, found.states) == ("fp32", "frozen", "io")
    found = plan(small_graph, BOTH, states="internal")
    assert (found.precision, found.lengths, found.states) == ("fp32", "input", "internal")
    assert plan(small_graph, states="io").states == "io"


@pytest.mark.parametrize("steps", [1, 5, 16, 32, DYNAMIC])
@pytest.mark.parametrize("of_graph", [16, DYNAMIC])
def test_any_steps_from_any_graph(of_graph: int, steps: int, small_graph: Graph) -> None:
    """The number, or a shape with it, or both: the same plan."""
    graph = set_steps(small_graph, of_graph)
    shape = (1, steps, 19, 26)
    for asked in (
        {"steps": steps},
        {"input_shape": shape},
        {"steps": steps, "input_shape": shape},
    ):
        found = plan(graph, **asked)
        assert (found.steps, found.dynamic) == (steps, steps == DYNAMIC)


def test_a_shape_is_that_of_the_graphs_own_windows(small_graph: Graph) -> None:
    """Context and features are the graph's, not those of the releases."""
    graph = edits(
        attributes("input_node", shape=(1, 16, 13, 38)),
        constant("Reshape_1/shape", [-1, 494]),
    )(small_graph)
    assert plan(graph, input_shape=(1, 8, 13, 38)).steps == 8
    with pytest.raises(ConversionError, match="windows of shape 1,STEPS,13,38, STEPS being any"):
        plan(graph, input_shape=(1, 8, 19, 26))


FITS = "does not fit: the graph takes windows of shape 1,STEPS,19,26, STEPS being any number or -1"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"steps": 0}, "0 steps are not possible; pass 1 or more, or -1 for any number"),
        ({"steps": -2}, "-2 steps are not possible; pass 1 or more, or -1 for any number"),
        ({"input_shape": (1, 0, 19, 26)}, "0 steps are not possible"),
        ({"input_shape": ()}, FITS),
        ({"input_shape": (16,)}, f"--input-shape 16 {FITS}"),
        ({"input_shape": (16, 19, 26)}, f"--input-shape 16,19,26 {FITS}"),
        ({"input_shape": (1, 1, 16, 19, 26)}, f"--input-shape 1,1,16,19,26 {FITS}"),
        ({"input_shape": (2, 16, 19, 26)}, f"--input-shape 2,16,19,26 {FITS}"),
        ({"input_shape": (-1, 16, 19, 26)}, f"--input-shape -1,16,19,26 {FITS}"),
        ({"input_shape": (1, 16, 17, 26)}, f"--input-shape 1,16,17,26 {FITS}"),
        ({"input_shape": (1, 16, 19, 13)}, f"--input-shape 1,16,19,13 {FITS}"),
        ({"input_shape": (1, 16, 26, 19)}, f"--input-shape 1,16,26,19 {FITS}"),
        (
            {"steps": 8, "input_shape": (1, 32, 19, 26)},
            "--n-steps 8 and --input-shape with 32 steps differ; pass one of them",
        ),
        (
            {"steps": -1, "input_shape": (1, 16, 19, 26)},
            "--n-steps -1 and --input-shape with 16 steps differ; pass one of them",
        ),
        ({"states": "internal"}, "the target has no --states internal; pass --states io"),
        (
            {"states": "internal", "front_end": True},
            "the target has no --states internal; pass --states io",
        ),
    ],
)
def test_what_cannot_be_is_refused(asked: dict[str, Any], says: str, small_graph: Graph) -> None:
    """One sentence: what does not go, and what does."""
    with pytest.raises(ConversionError) as caught:
        plan(small_graph, **asked)
    assert says in str(caught.value)


@pytest.mark.parametrize("asked", [{}, {"front_end": True}, {"steps": 0}], ids=str)
def test_other_graphs_are_refused_first(asked: dict[str, Any], small_graph: Graph) -> None:
    """What the graph is comes before what is asked of it."""
    graph = constant("transpose/perm", [0, 1, 2, 3])(small_graph)
    with pytest.raises(ConversionError, match="the network is not recognised: 'transpose'"):
        plan(graph, **asked)


def test_a_graph_of_two_clips_is_planned_for_one(small_graph: Graph) -> None:
    """The plan keeps what the graph says."""
    assert plan(batch_of_two(small_graph)).network.batch == 2


@pytest.mark.parametrize(
    "asked", [{}, {"steps": DYNAMIC}, {"lengths": "frozen"}, {"states": "io"}], ids=str
)
@pytest.mark.parametrize("steps", [16, DYNAMIC])
def test_a_front_end_makes_a_model_of_whole_clips(
    steps: int, asked: dict[str, Any], small_graph: Graph
) -> None:
    """Any number of frames, all of them valid, from fresh states, whatever the graph's steps."""
    graph = set_steps(small_graph, steps)
    found = plan(graph, ("internal", "io"), front_end=True, **asked)
    assert (found.front_end, found.steps, found.dynamic) == (True, DYNAMIC, True)
    assert (found.lengths, found.states, found.precision) == ("frozen", "io", "fp32")
    assert plan(graph, front_end=True, precision="fp16", **asked).precision == "fp16"


@pytest.mark.parametrize(
    ("asked", "option"),
    [
        ({"steps": 16}, "--n-steps"),
        ({"input_shape": (1, 16, 19, 26)}, "--input-shape"),
        ({"input_shape": (1, -1, 19, 26)}, "--input-shape"),
        ({"lengths": "input"}, "--lengths input"),
        ({"states": "internal"}, "--states internal"),
    ],
)
def test_a_front_end_goes_with_nothing_of_chunks(
    asked: dict[str, Any], option: str, small_graph: Graph
) -> None:
    """The option that makes no sense beside it is named."""
    with pytest.raises(ConversionError, match=f"{option} does not go with --front-end"):
        plan(small_graph, BOTH, front_end=True, **asked)


def test_a_graph_without_a_front_end_has_none_to_build(small_graph: Graph) -> None:
    """What the graph does not say is not made up."""
    graph = extract(small_graph, ["logits", "new_state_c", "new_state_h"])
    assert not plan(graph).front_end
    with pytest.raises(ConversionError, match="has no front end.*; leave out --front-end"):
        plan(graph, front_end=True)


def test_a_front_end_must_fit_its_network(small_graph: Graph) -> None:
    """Features that the network cannot take are refused; without them all is well."""
    graph = edits(
        attributes("Mfcc", dct_coefficient_count=13), constant("Reshape/shape", [-1, 13])
    )(small_graph)
    assert plan(graph).network.front_end is not None
    with pytest.raises(ConversionError, match="makes 13 features a frame where .* takes 26; leave"):
        plan(graph, front_end=True)
