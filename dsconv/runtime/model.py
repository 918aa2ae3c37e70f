"""What a model of any format looks like to the loop that runs it.

A module per format opens files as a `Model`; `dsconv.runtime.stream` is the one loop for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

from dsconv.acoustic.front_end import usual_settings
from dsconv.acoustic.metadata import Metadata
from dsconv.acoustic.names import FEATURES, PROBABILITIES, SAMPLES, STATE_C, STATE_H
from dsconv.acoustic.overrides import Overrides
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.steps import DYNAMIC
from dsconv.speech.alphabet import Alphabet
from dsconv.speech.features import FloatArray
from dsconv.speech.settings import (
    COEFFICIENTS,
    EarlySettings,
    Features,
    features_from_text,
)

Tensors: TypeAlias = dict[str, NDArray[np.generic]]

PRECISIONS = ("fp32", "fp16", "int8", "palette8", "palette6", "palette4")
"""How weights are stored; in a palette each is one of so many values as the bits can name."""

LOGITS = "raw"
"""What the property `scores` says of a model that gives logits and not probabilities."""

_USUAL_FEATURES = 26


@dataclass(frozen=True)
class TensorSpec:
    """An input or output. A size of -1 is dynamic; `shape` is None where the file does not tell."""

    name: str
    dtype: str
    shape: tuple[int, ...] | None


@dataclass(frozen=True)
class State:
    """A state that goes in by one name and comes out by another; of shape [batch, n_hidden].

    One that a model keeps itself goes in by the name of its variable, and is not fed.
    """

    input: str
    output: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Interface:
    """How to run a model, and what it says about itself.

    `windows` is the input of the feature windows, None for a model that takes the samples of a
    whole clip. `lengths` is None where the model takes no number of valid frames, `states` is empty
    where it keeps its states itself, or has none (`stateless`). `kept` are those of its own that it
    shows after a call, if asked to. `samples` is the input of samples, if the model has a front
    end; `features_from` is how features are made for it, if the file says so.
    """

    format: str
    runtime: str
    precision: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    windows: TensorSpec | None
    lengths: TensorSpec | None
    states: tuple[State, ...]
    samples: TensorSpec | None
    classes: int
    gives_logits: bool
    metadata: Metadata
    features_from: Features | None
    stateless: bool = False
    kept: tuple[State, ...] = ()

    @classmethod
    def of(
        cls,
        *,
        format: str,  # noqa: A002
        runtime: str,
        precision: str,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        metadata: Metadata,
        classes: int | None = None,
        gives_logits: bool = False,
        features_from: Features | None = None,
        stateless: bool = False,
        kept: Sequence[State] = (),
    ) -> Interface:
        """The interface of a model with these inputs and outputs.

        `classes` None takes the last size of the output of the probabilities. Raises
        ConversionError if the model is no acoustic model that dsconv can run.
        """
        scores = next((spec for spec in outputs if spec.name == PROBABILITIES), None)
        if scores is None:
            raise ConversionError(f"it has no output '{PROBABILITIES}'; pass an acoustic model.")
        classes = classes or (scores.shape[-1] if scores.shape else -1)
        if classes < 1:
            raise ConversionError(
                f"its output '{PROBABILITIES}' has no fixed number of classes; convert it again."
            )
        samples = _find_samples(inputs, outputs)
        return cls(
            format=format,
            runtime=runtime,
            precision=precision,
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            windows=_find_windows(inputs, samples),
            lengths=_find_lengths(inputs),
            states=_find_states(inputs, outputs),
            samples=samples,
            classes=classes,
            gives_logits=gives_logits,
            metadata=metadata,
            features_from=features_from,
            stateless=stateless,
            kept=tuple(kept),
        )

    def with_overrides(self, overrides: Overrides) -> Interface:
        """The interface with what the user says. Raises ConversionError if it does not fit."""
        metadata = overrides.apply(self.metadata, self.classes)
        features = self.features_from
        if isinstance(features, EarlySettings) and metadata.sample_rate:
            features = replace(features, sample_rate=metadata.sample_rate)
        return replace(self, metadata=metadata, features_from=features)

    @property
    def steps(self) -> int:
        """Frames per call, -1 for any number."""
        return self._windows_shape[1] if self.windows else DYNAMIC

    @property
    def batch(self) -> int:
        """Clips a call; 1 where it may be any number."""
        return max(1, self._windows_shape[0]) if self.windows else 1

    @property
    def shown_states(self) -> tuple[State, ...]:
        """The states that can be seen after a call."""
        return self.states or self.kept

    @property
    def is_flat(self) -> bool:
        """Whether windows are rows of numbers, as in 0.1, and not [2 * context + 1, features]."""
        return self.windows is not None and len(self._windows_shape) == 3

    @property
    def takes_whole_clips(self) -> bool:
        """Whether a clip must be run in one call."""
        return self.windows is None or self.is_flat or self.stateless

    @property
    def context(self) -> int | None:
        """Frames of context before a frame, and as many after it; None if they stay inside."""
        if self.windows is None:
            return None
        shape = self._windows_shape
        frames = shape[2] // COEFFICIENTS if self.is_flat else shape[2]
        return (frames - 1) // 2

    @property
    def makes_features(self) -> bool:
        """Whether the features of a window of samples come out."""
        return any(spec.name == FEATURES for spec in self.outputs)

    @property
    def features(self) -> int | None:
        """Numbers in a frame; None if they stay inside the model."""
        if self.windows is None:
            return None
        return COEFFICIENTS if self.is_flat else self._windows_shape[3]

    @property
    def alphabet(self) -> Alphabet | None:
        """The labels of the classes, None if the file holds none.

        Raises ConversionError if they do not fit the classes, of which the blank has no label.
        """
        alphabet = self.metadata.alphabet
        if alphabet is not None and len(alphabet.labels) + 1 != self.classes:
            raise ConversionError(
                f"it has {self.classes} classes and an alphabet of {len(alphabet.labels)} labels; "
                "one class more than labels is expected."
            )
        return alphabet

    @property
    def feature_settings(self) -> Features:
        """How to make features for the model: its own way, or the exporters'."""
        usual = self.features or _USUAL_FEATURES
        return self.features_from or usual_settings(self.metadata, usual)

    @property
    def _windows_shape(self) -> tuple[int, ...]:
        assert self.windows is not None
        assert self.windows.shape is not None
        return self.windows.shape


class Model(Protocol):
    """An opened model."""

    @property
    def interface(self) -> Interface:
        """How to run it."""

    def reset(self) -> None:
        """Forget the states that the model keeps itself."""

    def call(self, inputs: Tensors, outputs: list[str]) -> Tensors:
        """Run the model once. Raises ToolkitError if the runtime fails."""


def _find_windows(inputs: Iterable[TensorSpec], samples: TensorSpec | None) -> TensorSpec | None:
    """The input of the feature windows [batch, steps, context, features], or as flat as in 0.1.

    None for a model that takes only `samples`. Raises ConversionError for any other.
    """
    shaped = [spec for spec in inputs if spec.shape is not None]
    found = [spec for spec in shaped if len(spec.shape or ()) == 4]
    if not found:
        found = [spec for spec in shaped if len(spec.shape or ()) == 3]
    if not found and samples is not None:
        return None
    if len(found) != 1:
        raise ConversionError(
            f"it has {len(found)} inputs of the form [batch, steps, context, features] where one "
            "is expected, so dsconv cannot run it; pass an acoustic model."
        )
    return found[0]


def _find_lengths(inputs: Iterable[TensorSpec]) -> TensorSpec | None:
    """The input of the number of valid frames: one integer for each of the batch."""
    return next(
        (spec for spec in inputs if spec.dtype.startswith("int") and len(spec.shape or ()) == 1),
        None,
    )


def _find_samples(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> TensorSpec | None:
    """The input of samples: of a window where its features come out, else of a whole clip."""
    by_features = FEATURES in {spec.name for spec in outputs}
    for spec in inputs:
        if spec.dtype == "float32" and len(spec.shape or ()) == 1 and by_features:
            return spec
        if spec.name == SAMPLES and not by_features:
            return spec
    return None


def _find_states(inputs: Iterable[TensorSpec], outputs: Iterable[TensorSpec]) -> tuple[State, ...]:
    """The states that go in and come out, by the names that the exporters gave them."""
    shapes = {spec.name: spec.shape for spec in inputs}
    names = {spec.name for spec in outputs}
    return tuple(
        State(before, after, shapes[before] or ())
        for before, after in (STATE_C, STATE_H)
        if before in shapes and after in names
    )


class SelfDescription(TypedDict):
    """What a converted model says about itself, by the names of the arguments of `Interface.of`."""

    metadata: Metadata
    features_from: Features | None
    gives_logits: bool


def self_description(properties: Mapping[str, str]) -> SelfDescription:
    """What the text properties of a converted model say. Raises ModelError if that cannot be."""
    features = properties.get("features")
    return {
        "metadata": Metadata.from_text(properties),
        "features_from": features_from_text(features) if features is not None else None,
        "gives_logits": properties.get("scores") == LOGITS,
    }


def precision_in(properties: Mapping[str, str]) -> str | None:
    """The precision of a converted model's weights, as its text properties say; None if not."""
    text = properties.get("precision")
    return text if text in PRECISIONS else None


def reason_of(error: Exception, line: int = 0) -> str:
    """A line of a toolkit's error, which may have many or none."""
    lines = str(error).strip().splitlines()
    return lines[line] if lines else type(error).__name__


def scores(outputs: Mapping[str, NDArray[np.generic]], classes: int, batch: int = 1) -> FloatArray:
    """The scores of the first clip as [frames, classes], whatever dimensions a format adds."""
    found = np.asarray(outputs[PROBABILITIES], np.float32)
    return found.reshape(-1, batch, classes)[:, 0]


def default_steps(interface: Interface, preferred: int) -> int:
    """Frames per call: the model's own number, or the preferred one where it takes any."""
    return preferred if interface.steps == DYNAMIC else interface.steps
