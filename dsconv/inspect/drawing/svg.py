"""A folded graph as SVG: boxes with what is in them, and tooltips with all names and shapes."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from dataclasses import dataclass
from html import escape

from dsconv.inspect.drawing.fold import Box, Folded
from dsconv.inspect.drawing.layout import LAYER_GAP, Layout, lay_out
from dsconv.inspect.drawing.opgraph import TIMES, shape_text

# A monospaced font, so that the width of a text is known: 0.62 of its size, and a little more.
_FONT, _LINE, _CHARACTER = 12, 17, 7.6
_PADDING = 12
_MARGIN = 24
_HEAD = 34
_COLUMNS = 36
_MOST_LINES = 3
_MOST_NAMES = 40
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

_STYLE = """
svg { color-scheme: light dark; background: var(--page);
  --page: #ffffff; --text: #1f2328; --muted: #59636e; --line: #afb8c1; --edge: #6e7781;
  --ops: #f6f8fa; --input: #ddf4ff; --output: #dafbe1; --constants: #fff8c5; }
@media (prefers-color-scheme: dark) { svg {
  --page: #0d1117; --text: #e6edf3; --muted: #9da7b3; --line: #4b535d; --edge: #8b949e;
  --ops: #161b22; --input: #0c2d4d; --output: #0f3320; --constants: #332a06; } }
text { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: var(--text); }
.title { font-weight: 700; }
.small { fill: var(--muted); }
rect { stroke: var(--line); stroke-width: 1; }
.ops rect { fill: var(--ops); }
.input rect { fill: var(--input); }
.output rect { fill: var(--output); }
.constants rect { fill: var(--constants); }
path { fill: none; stroke: var(--edge); stroke-width: 1.4; }
marker path { fill: var(--edge); stroke: none; }
"""


@dataclass(frozen=True)
class _Label:
    """The lines of a box, each with its class, and the size of the box."""

    lines: list[tuple[str, str]]
    width: float
    height: float


def draw_svg(graph: Folded, title: str) -> str:
    """The drawing, as one SVG that needs nothing else."""
    labels = [_label(box) for box in graph.boxes]
    layout = lay_out([(label.width, label.height) for label in labels], graph.edges)
    width = max(layout.width, len(title) * _CHARACTER) + 2 * _MARGIN
    height = layout.height + 2 * _MARGIN + _HEAD
    counts = f"{len(graph.boxes)} boxes, {_operations(graph)} operations"
    heading = _escaped(title)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{heading}: {counts}">',
        f"<title>{heading}</title>",
        f"<style>{_STYLE}</style>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
        '<path d="M0 0 8 4 0 8z"/></marker></defs>',
        f'<text class="title" x="{_MARGIN}" y="{_MARGIN + 4}">{heading}</text>',
        f'<g transform="translate({_MARGIN} {_MARGIN + _HEAD})">',
        *_paths(graph, layout),
        *(
            _drawn(box, label, corner)
            for box, label, corner in zip(graph.boxes, labels, layout.boxes, strict=True)
        ),
        "</g>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _operations(graph: Folded) -> int:
    return sum(sum(box.kinds.values()) + sum(box.inside.values()) for box in graph.boxes)


def _paths(graph: Folded, layout: Layout) -> list[str]:
    """The edges; each has a title with what it connects."""
    found = []
    for (start, end), points in zip(graph.edges, layout.edges, strict=True):
        words = f"{graph.boxes[start].title} to {graph.boxes[end].title}"
        found.append(
            f'<path d="{_curve(points)}" marker-end="url(#arrow)">'
            f"<title>{_escaped(words)}</title></path>"
        )
    return found


def _curve(points: list[tuple[float, float]]) -> str:
    """A line that leaves and arrives upright, straight where it passes a layer."""
    (x, y), *rest = points
    parts = [f"M{x:.1f} {y:.1f}"]
    for next_x, next_y in rest:
        if abs(next_x - x) < 0.05:
            parts.append(f"V{next_y:.1f}")
        else:
            bend = (next_y - y) / 2 if next_y != y else LAYER_GAP / 2
            controls = f"{x:.1f} {y + bend:.1f} {next_x:.1f} {next_y - bend:.1f}"
            parts.append(f"C{controls} {next_x:.1f} {next_y:.1f}")
        x, y = next_x, next_y
    return "".join(parts)


def _drawn(box: Box, label: _Label, corner: tuple[float, float]) -> str:
    x, y = corner
    radius = 5 if box.kind == "ops" else 14
    lines = [
        f'<text class="{kind}" x="{_PADDING}" y="{_PADDING + _FONT - 2 + _LINE * number}">'
        f"{_escaped(text)}</text>"
        for number, (text, kind) in enumerate(label.lines)
    ]
    return (
        f'<g class="{box.kind}" transform="translate({x:.1f} {y:.1f})">'
        f"<title>{_escaped(_tooltip(box))}</title>"
        f'<rect width="{label.width:.1f}" height="{label.height:.1f}" rx="{radius}"/>'
        f"{''.join(lines)}</g>"
    )


def _label(box: Box) -> _Label:
    lines = [(_middle_cut(box.title), "title")]
    if box.kind in ("input", "output"):
        shapes = [_shape(tensor.dtype, tensor.shape) for tensor in box.tensors]
        lines += [(text, "small") for text in [box.kind, *shapes]]
    elif box.kind == "constants":
        lines.append((f"{len(box.tensors)} constants that no operation takes", "small"))
    else:
        lines += [(text, "") for text in _wrapped(_counted(box.kinds))]
        if box.inside:
            lines += [(text, "") for text in _wrapped(f"inside: {_counted(box.inside)}")]
        lines += [(text, "small") for text in _weight_lines(box)]
    widest = max(len(text) for text, _ in lines)
    return _Label(lines, widest * _CHARACTER + 2 * _PADDING, len(lines) * _LINE + 2 * _PADDING - 5)


def _weight_lines(box: Box) -> list[str]:
    weights = box.weights
    lines = [
        _middle_cut(f"{tensor.name.rpartition('/')[2]} {shape_text(tensor.shape or ())}")
        for tensor in weights[:_MOST_LINES]
    ]
    if len(weights) > _MOST_LINES:
        lines.append(f"and {len(weights) - _MOST_LINES} more constants")
    return lines


def _counted(kinds: Counter[str]) -> str:
    """Kinds in the order in which they came, with their numbers where there are several."""
    return ", ".join(kind if n == 1 else f"{n}{TIMES}{kind}" for kind, n in kinds.items())


def _wrapped(text: str) -> list[str]:
    lines = textwrap.wrap(text, _COLUMNS, break_long_words=True, break_on_hyphens=False)
    if len(lines) > _MOST_LINES + 1:
        lines = [*lines[:_MOST_LINES], "…"]
    return lines


def _shape(dtype: str, shape: tuple[int, ...] | None) -> str:
    return dtype if shape is None else f"{dtype} {shape_text(shape)}"


def _middle_cut(text: str) -> str:
    """A long name without its middle: scopes differ at their ends."""
    if len(text) <= _COLUMNS:
        return text
    half = (_COLUMNS - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def _tooltip(box: Box) -> str:
    """Everything: the whole name, all operations, all constants with their shapes."""
    parts = [box.title]
    if box.kinds:
        parts.append(f"{sum(box.kinds.values())} operations: {_counted(box.kinds)}")
    if box.inside:
        parts.append(f"inside them: {_counted(box.inside)}")
    parts += _limited([str(tensor) for tensor in box.tensors])
    if box.names:
        parts.append("names:")
        parts += _limited(box.names)
    return "\n".join(parts)


def _escaped(text: str) -> str:
    """Text that is no markup; what XML does not know is shown as an escape."""
    return escape(_FORBIDDEN.sub(lambda found: repr(found[0])[1:-1], text))


def _limited(names: list[str]) -> list[str]:
    rest = len(names) - _MOST_NAMES
    return names if rest <= 0 else [*names[:_MOST_NAMES], f"and {rest} more"]
