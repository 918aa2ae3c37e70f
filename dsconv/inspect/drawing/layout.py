"""A layered layout: every edge leads downwards, boxes of a layer stand beside each other.

Layers by longest path, order by barycenters, positions by least squares that keep the order.

Source: Sugiyama, Tagawa, Toda: Methods for Visual Understanding of Hierarchical System Structures
(1981); the least squares are an isotonic regression (pool adjacent violators).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

GAP = 28.0
"""Pixels between boxes of a layer."""

LAYER_GAP = 46.0
"""Pixels between layers."""

_SWEEPS = 24
_DUMMY_WIDTH = 8.0


@dataclass(frozen=True)
class Layout:
    """Where the boxes stand, left and top in pixels, and the points that each edge runs through."""

    boxes: list[tuple[float, float]]
    edges: list[list[tuple[float, float]]]
    width: float
    height: float


def lay_out(sizes: Sequence[tuple[float, float]], edges: Sequence[tuple[int, int]]) -> Layout:
    """Lay boxes of these widths and heights out. An edge of a loop may lead upwards."""
    downwards = _without_loops(len(sizes), edges)
    layers = _layers(len(sizes), downwards)
    return _Grid(sizes, edges, downwards, layers).layout()


def _without_loops(count: int, edges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The edges, those turned around that close a loop."""
    following: list[list[int]] = [[] for _ in range(count)]
    for start, end in edges:
        following[start].append(end)
    order: dict[int, int] = {}
    begun: set[int] = set()
    waiting = [(node, False) for node in reversed(range(count))]
    while waiting:
        node, left = waiting.pop()
        if left:
            order[node] = len(order)
        elif node not in begun:
            begun.add(node)
            waiting.append((node, True))
            waiting += [(each, False) for each in reversed(following[node]) if each not in begun]
    return [(a, b) if order[a] > order[b] else (b, a) for a, b in edges]


def _layers(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The layer of each box: below all that feed it; sources right above what they feed."""
    layers = [0] * count
    changed = True
    while changed:
        changed = False
        for start, end in edges:
            if layers[end] <= layers[start]:
                layers[end] = layers[start] + 1
                changed = True
    fed = {end for _, end in edges}
    for node in range(count):
        targets = [layers[end] for start, end in edges if start == node]
        if node not in fed and targets:
            layers[node] = min(targets) - 1
    return layers


class _Grid:
    """Boxes and the points in between where edges pass a layer."""

    def __init__(
        self,
        sizes: Sequence[tuple[float, float]],
        edges: Sequence[tuple[int, int]],
        downwards: Sequence[tuple[int, int]],
        layers: Sequence[int],
    ) -> None:
        self._sizes = list(sizes)
        self._rows: list[list[int]] = [[] for _ in range(max(layers, default=-1) + 1)]
        for node, layer in enumerate(layers):
            self._rows[layer].append(node)
        self._above: dict[int, list[int]] = {}
        self._below: dict[int, list[int]] = {}
        self._boxes = len(sizes)
        self._chains: list[list[int]] = []
        for edge, (start, end) in zip(edges, downwards, strict=True):
            chain = self._chain(start, end, layers)
            self._chains.append(chain if edge == (start, end) else chain[::-1])
        self._centers = [0.0] * len(self._sizes)

    def _chain(self, start: int, end: int, layers: Sequence[int]) -> list[int]:
        """The edge as steps from layer to layer."""
        chain = [start]
        for layer in range(layers[start] + 1, layers[end]):
            self._sizes.append((_DUMMY_WIDTH, 0.0))
            self._rows[layer].append(len(self._sizes) - 1)
            chain.append(len(self._sizes) - 1)
        chain.append(end)
        for upper, lower in pairwise(chain):
            self._below.setdefault(upper, []).append(lower)
            self._above.setdefault(lower, []).append(upper)
        return chain

    def layout(self) -> Layout:
        self._order()
        self._place()
        heights = [max(self._sizes[node][1] for node in row) for row in self._rows]
        tops, y = [], 0.0
        for height in heights:
            tops.append(y)
            y += height + LAYER_GAP
        lefts = [c - size[0] / 2 for c, size in zip(self._centers, self._sizes, strict=True)]
        shift = -min(lefts, default=0.0)
        row_of = {node: index for index, row in enumerate(self._rows) for node in row}
        boxes = [
            (lefts[node] + shift, tops[row_of[node]] + self._slack(node, heights[row_of[node]]))
            for node in range(self._boxes)
        ]
        edges = [self._points(chain, boxes, row_of, tops, heights, shift) for chain in self._chains]
        rights = [left + size[0] for left, size in zip(lefts, self._sizes, strict=True)]
        return Layout(boxes, edges, max(rights, default=0.0) + shift, max(0.0, y - LAYER_GAP))

    def _slack(self, node: int, height: float) -> float:
        """A box stands in the middle of its layer."""
        return (height - self._sizes[node][1]) / 2

    def _points(
        self,
        chain: list[int],
        boxes: list[tuple[float, float]],
        row_of: dict[int, int],
        tops: list[float],
        heights: list[float],
        shift: float,
    ) -> list[tuple[float, float]]:
        """From the first box's edge through the layers in between to the last one's."""
        points = []
        for index, node in enumerate(chain):
            x = self._centers[node] + shift
            row = row_of[node]
            if node >= self._boxes:
                ends = [(x, tops[row]), (x, tops[row] + heights[row])]
                points += ends if row_of[chain[0]] < row_of[chain[-1]] else ends[::-1]
                continue
            neighbour = chain[1] if index == 0 else chain[-2]
            top = boxes[node][1]
            points.append((x, top + self._sizes[node][1] if row_of[neighbour] > row else top))
        return points

    def _order(self) -> None:
        """Sweep down and up, each layer sorted by the mean index of its neighbours."""
        for sweep in range(_SWEEPS):
            down = sweep % 2 == 0
            neighbours = self._above if down else self._below
            indices = {node: i for row in self._rows for i, node in enumerate(row)}
            for row in self._rows if down else reversed(self._rows):
                keys = {
                    node: _mean([indices[each] for each in neighbours.get(node, ())], indices[node])
                    for node in row
                }
                row.sort(key=keys.__getitem__)
                indices |= {node: i for i, node in enumerate(row)}

    def _place(self) -> None:
        """Centers near those of the neighbours, in the order that was found, with the gaps kept."""
        for row in self._rows:
            self._settle(row, [self._centers[node] for node in row])
        for sweep in range(_SWEEPS):
            down = sweep % 2 == 0
            neighbours = self._above if down else self._below
            for row in self._rows if down else reversed(self._rows):
                wished = [
                    _mean([self._centers[each] for each in neighbours.get(node, ())], None)
                    if neighbours.get(node)
                    else self._centers[node]
                    for node in row
                ]
                self._settle(row, wished)
        for row in self._rows:
            self._draw_near(row)

    def _draw_near(self, row: list[int]) -> None:
        """Boxes that nothing is connected to stand right beside the one before them."""
        for previous, node in pairwise(row):
            if node not in self._above and node not in self._below:
                width = (self._sizes[previous][0] + self._sizes[node][0]) / 2
                self._centers[node] = self._centers[previous] + width + GAP

    def _settle(self, row: list[int], wished: list[float]) -> None:
        """The positions that are nearest to the wished ones with the gaps kept."""
        offsets, offset = [], 0.0
        for index, node in enumerate(row):
            if index:
                offset += (self._sizes[row[index - 1]][0] + self._sizes[node][0]) / 2 + GAP
            offsets.append(offset)
        settled = _rising([wish - offset for wish, offset in zip(wished, offsets, strict=True)])
        for node, value, offset in zip(row, settled, offsets, strict=True):
            self._centers[node] = value + offset


def _mean(values: Sequence[float], default: float | None) -> float:
    if not values:
        assert default is not None
        return default
    return sum(values) / len(values)


def _rising(values: Sequence[float]) -> list[float]:
    """The values that never fall and are nearest to the given ones, by least squares."""
    pools: list[tuple[float, int]] = []
    for value in values:
        pools.append((value, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, n), (b, m) = pools[-2:]
            pools[-2:] = [((a * n + b * m) / (n + m), n + m)]
    return [value for value, count in pools for _ in range(count)]
