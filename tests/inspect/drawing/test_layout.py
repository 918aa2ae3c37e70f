"""Boxes stand in layers, do not overlap, and edges lead down."""

import random

import pytest

from dsconv.inspect.drawing.layout import GAP, LAYER_GAP, lay_out


def overlap(
    a: tuple[float, float],
    b: tuple[float, float],
    first: tuple[float, float],
    second: tuple[float, float],
) -> bool:
    return (
        a[0] < b[0] + second[0]
        and b[0] < a[0] + first[0]
        and a[1] < b[1] + second[1]
        and b[1] < a[1] + first[1]
    )


def random_graph(seed: int) -> tuple[list[tuple[float, float]], list[tuple[int, int]]]:
    chance = random.Random(seed)
    count = chance.randrange(1, 40)
    sizes = [(chance.uniform(40, 300), chance.uniform(20, 150)) for _ in range(count)]
    pairs = {(chance.randrange(count), chance.randrange(count)) for _ in range(2 * count)}
    return sizes, sorted((a, b) for a, b in pairs if a < b)


@pytest.mark.parametrize("seed", range(20))
def test_nothing_overlaps_and_all_leads_down(seed: int) -> None:
    """On random graphs: boxes apart, edges from the lower side of one to the upper of the other."""
    sizes, edges = random_graph(seed)
    layout = lay_out(sizes, edges)
    count = len(sizes)
    for a in range(count):
        left, top = layout.boxes[a]
        assert left >= 0
        assert top >= 0
        assert left + sizes[a][0] <= layout.width + 1e-6
        assert top + sizes[a][1] <= layout.height + 1e-6
        for b in range(a):
            assert not overlap(layout.boxes[a], layout.boxes[b], sizes[a], sizes[b])
    for (start, end), points in zip(edges, layout.edges, strict=True):
        assert points[0][1] == pytest.approx(layout.boxes[start][1] + sizes[start][1])
        assert points[-1][1] == pytest.approx(layout.boxes[end][1])
        heights = [y for _, y in points]
        assert heights == sorted(heights)


def test_edges_pass_beside_boxes() -> None:
    """An edge over several layers goes around the boxes in between."""
    sizes = [(100.0, 30.0)] * 4
    layout = lay_out(sizes, [(0, 1), (1, 2), (2, 3), (0, 3)])
    for index, (left, top) in enumerate(layout.boxes[1:3]):
        passing = [x for x, y in layout.edges[3] if top <= y <= top + 30]
        assert len(passing) == 2, index
        assert all(x < left or x > left + 100 for x in passing)


def test_a_loop_ends() -> None:
    """An edge that closes a loop leads up; a box that feeds itself stays where it is."""
    layout = lay_out([(50.0, 20.0)] * 3, [(0, 1), (1, 2), (2, 0)])
    tops = [top for _, top in layout.boxes]
    assert tops == [0, 20 + LAYER_GAP, 2 * (20 + LAYER_GAP)]
    first, last = layout.edges[2][0], layout.edges[2][-1]
    assert first[1] > last[1]


def test_inputs_stand_right_above_their_users() -> None:
    """A state that enters half-way down does not start at the top."""
    layout = lay_out([(50.0, 20.0)] * 4, [(0, 1), (1, 2), (3, 2)])
    assert layout.boxes[3][1] == layout.boxes[1][1]
    assert abs(layout.boxes[3][0] - layout.boxes[1][0]) == pytest.approx(50 + GAP)


def test_a_chain_is_straight() -> None:
    """Boxes of any width that follow each other share their middle."""
    sizes = [(50.0, 20.0), (200.0, 40.0), (90.0, 20.0)]
    layout = lay_out(sizes, [(0, 1), (1, 2)])
    pairs = zip(layout.boxes, sizes, strict=True)
    middles = [left + width / 2 for (left, _), (width, _) in pairs]
    assert middles == pytest.approx([100.0] * 3)


def test_nothing_is_drawn_of_nothing() -> None:
    """A graph without boxes has no size."""
    layout = lay_out([], [])
    assert (layout.boxes, layout.edges, layout.width, layout.height) == ([], [], 0.0, 0.0)
