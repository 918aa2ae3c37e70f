"""Calls of a network with real speech, and TensorFlow's answers to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsconv.convert.options import Scores
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.graphdef.steps import set_steps
from dsconv.inspect.parity.tolerances import TOLERANCES
from dsconv.runtime.model import Model, Tensors
from dsconv.runtime.registry import open_model
from dsconv.speech.framing import chunks
from tests.reference import import_graph
from tests.runtime.speech import clip_features, distance, original_clip

OUTPUTS = ["logits", "new_state_c", "new_state_h"]

Windows = NDArray[np.float32]


@dataclass(frozen=True)
class Call:
    """Feature windows [1, frames, 19, 26], how many of them are valid, and the states before."""

    windows: Windows
    length: int
    c: NDArray[np.float32]
    h: NDArray[np.float32]

    @property
    def tensors(self) -> Tensors:
        """The inputs by name."""
        return {
            "input_node": self.windows,
            "input_lengths": np.array([self.length], np.int32),
            "previous_state_c": self.c,
            "previous_state_h": self.h,
        }


@cache
def speech_windows(model: Path, models: Path) -> Windows:
    """All windows of the clip that the original exports were trained on, at a model's rate."""
    opened = open_model(model)
    features = clip_features(opened, original_clip(models, opened.interface))
    (windows,) = chunks(features, 9, len(features))
    windows.flags.writeable = False
    return windows[None]


def random_call(frames: int, length: int, seed: int = 2) -> Call:
    """Windows and states of a network with 32 cells, none of them zero."""
    rng = np.random.default_rng(seed)
    windows = rng.normal(size=(1, frames, 19, 26)).astype(np.float32)
    c, h = (rng.normal(size=(1, 32)).astype(np.float32) for _ in range(2))
    return Call(windows, length, c, h)


def parts(windows: Windows, size: int) -> Iterator[tuple[Windows, int]]:
    """A clip in calls of so many frames, the last one filled up, and how many are valid."""
    for start in range(0, windows.shape[1], size):
        part = windows[:, start : start + size]
        padded = np.zeros((1, size, *windows.shape[2:]), np.float32)
        padded[:, : part.shape[1]] = part
        yield padded, part.shape[1]


def zero_states(cells: int = 100) -> list[Any]:
    """The states at the beginning of a clip."""
    return [np.zeros((1, cells), np.float32)] * 2


class Reference:
    """TensorFlow running one graph."""

    def __init__(self, tensorflow: Any, graph: Graph) -> None:
        self._session = tensorflow.compat.v1.Session(graph=import_graph(tensorflow, graph))

    def run(self, call: Call) -> list[Any]:
        """The probabilities of all frames, and the states after the last valid one."""
        feeds = {f"{name}:0": value for name, value in call.tensors.items()}
        values: list[Any] = self._session.run([f"{name}:0" for name in OUTPUTS], feeds)
        return values

    def states(self, windows: Windows, cells: int) -> tuple[Any, Any]:
        """The states after windows of which all are valid, from zeros."""
        zeros = np.zeros((1, cells), np.float32)
        _, c, h = self.run(Call(windows, windows.shape[1], zeros, zeros))
        return c, h


@cache
def reference_of(tensorflow: Any, path: Path, steps: int | None = None) -> Reference:
    """TensorFlow running a graph as it is, or with other steps; each is loaded once."""
    graph = open_graph(path)
    return Reference(tensorflow, graph if steps is None else set_steps(graph, steps))


def answers(model: Model, call: Call) -> list[Any]:
    """What a converted model says to a call; one without lengths takes all frames for valid."""
    names = {spec.name for spec in model.interface.inputs}
    fed = {name: value for name, value in call.tensors.items() if name in names}
    found = model.call(fed, OUTPUTS)
    return [found[name] for name in OUTPUTS]


def scores_of(model: Model) -> Scores:
    """What a conversion must be asked for, to give what a model gives."""
    return "logits" if model.interface.gives_logits else "probabilities"


def calls(windows: Windows, frames: int, lengths: Iterable[int], states: Any) -> Iterator[Call]:
    """The same frames with each of the lengths."""
    c, h = states
    assert windows.shape[1] >= frames
    for length in lengths:
        yield Call(windows[:, :frames], length, c, h)


def assert_close(found: list[Any], expected: list[Any], precision: str = "fp32") -> None:
    """All frames' probabilities and the states within the tolerances, which grow with states."""
    tolerance = TOLERANCES[precision]
    limits = [tolerance.probabilities]
    limits += [tolerance.of_states(float(np.abs(state).max())) for state in expected[1:]]
    for actual, expected_value, limit in zip(found, expected, limits, strict=True):
        assert distance(actual, expected_value) <= limit
