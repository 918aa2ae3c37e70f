"""What a graph of the first versions does not say: how its features are made, its labels, its rate.

Up to 0.4 features were computed outside of the graph, and only since 0.6 it holds its alphabet. The
structure tells which version it was: states in variables were cut into inputs and outputs in 0.6,
and the softmax became part of the graph in 0.4.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from dsconv.acoustic.metadata import Metadata, read_metadata
from dsconv.acoustic.parts import find_front_end
from dsconv.formats.graphdef.graph import Graph
from dsconv.speech.alphabet import ENGLISH_CLASSES, Alphabet


class FeatureEra(Enum):
    """The versions whose features were made outside of the graph; windows in milliseconds."""

    WHOLE_CLIP = ("0.1", 25, 20)
    EVERY_SECOND = ("0.2", 25, 20)
    HAMMING = ("0.4", 32, 20)

    def __init__(self, version: str, window: int, step: int) -> None:
        self.version = version
        self.window = window
        self.step = step


def feature_era(graph: Graph, *, softmax: bool) -> FeatureEra | None:
    """How the features of a graph were made outside of it; None where it does so itself.

    `softmax` tells whether the graph's scores are probabilities.
    """
    if find_front_end(graph) is not None:
        return None
    ops = {node.op for node in graph}
    if "ReverseSequence" in ops:
        return FeatureEra.WHOLE_CLIP
    if "VariableV2" not in ops:
        return None
    return FeatureEra.HAMMING if softmax else FeatureEra.EVERY_SECOND


def complete_metadata(graph: Graph, era: FeatureEra | None, classes: int) -> Metadata:
    """The metadata of a graph, with what its version took for granted.

    That is the sample rate and the windows of its era, and the English alphabet in graphs of before
    0.6 with as many classes. `assumed` names what was filled in. Raises ModelError if the graph's
    own is damaged.
    """
    found = read_metadata(graph)
    assumed: dict[str, int | Alphabet] = {}
    if era is not None:
        assumed = {
            "sample_rate": 16000,
            "feature_win_len": era.window,
            "feature_win_step": era.step,
        }
    before_alphabets = era is not None or "model_metadata" in graph
    if before_alphabets and classes == ENGLISH_CLASSES:
        assumed["alphabet"] = Alphabet.english()
    missing = {key: value for key, value in assumed.items() if getattr(found, key) is None}
    return replace(found, **missing, assumed=tuple(missing))  # type: ignore[arg-type]
