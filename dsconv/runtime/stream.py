"""The loop that runs every model: chunks in, probabilities out, states carried between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsconv.acoustic.names import FEATURES, PROBABILITIES
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.steps import DYNAMIC
from dsconv.runtime.model import Model, Tensors, default_steps, scores
from dsconv.speech.decode import softmax
from dsconv.speech.features import FloatArray
from dsconv.speech.framing import chunks, clip_features, scaled_samples, whitened_windows
from dsconv.speech.wav import Samples

USUAL_STEPS = 16
"""Frames per call of the original exports; what a model of any number is fed by default."""


@dataclass(frozen=True)
class Chunk:
    """The result of one call.

    `probabilities` are [frames, classes] of the valid frames, also where the model gives logits.
    `states` are those after the valid frames by the names of the outputs; None where the
    model does not show them, or ran on into the padding of a short chunk.
    """

    probabilities: FloatArray
    states: dict[str, FloatArray] | None


class Stream:
    """One clip after the other through one model."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._states: Tensors = {}
        self.reset()

    def reset(self) -> None:
        """Start a new clip."""
        self.model.reset()
        self._states = {
            state.input: np.zeros(state.shape, np.float32) for state in self.model.interface.states
        }

    def run(self, windows: FloatArray) -> Chunk:
        """Run up to `steps` feature windows [n, 2 * context + 1, features], n of 1 or more.

        A chunk that is shorter than a fixed number of steps is filled up with zeros. A model of
        several clips gets the same one for each of them.
        """
        interface = self.model.interface
        assert interface.windows is not None
        count, batch = len(windows), interface.batch
        steps = count if interface.steps == DYNAMIC else interface.steps
        padded = np.zeros((batch, steps, *windows.shape[1:]), np.float32)
        padded[:, :count] = windows
        inputs: Tensors = {interface.windows.name: padded, **self._states}
        if interface.lengths is not None:
            inputs[interface.lengths.name] = np.full(batch, count, interface.lengths.dtype)
        shown = [state.output for state in interface.shown_states]
        outputs = [PROBABILITIES, *shown]
        found = self.model.call(inputs, outputs)
        self._states = {state.input: found[state.output] for state in interface.states}
        exact = interface.lengths is not None or count == steps
        states = {name: _first(found[name], batch) for name in shown}
        return Chunk(self._probabilities(found)[:count], states if exact and states else None)

    def run_clip(self, speech: Speech, steps: int = USUAL_STEPS) -> Iterator[Chunk]:
        """Run a whole clip from fresh states, in calls of `steps` frames if the model takes any.

        A model that takes whole clips gets all in one call.
        """
        self.reset()
        interface = self.model.interface
        if interface.context is None:
            yield self._run_samples(speech.samples)
            return
        if interface.takes_whole_clips:
            yield self._run_whole(speech.features, interface.context)
            return
        for windows in chunks(speech.features, interface.context, default_steps(interface, steps)):
            yield self.run(windows)

    def _run_whole(self, features: FloatArray, context: int) -> Chunk:
        """Run all of a clip at once; the model may be of 0.1, which takes its windows whitened."""
        if self.model.interface.is_flat:
            return self.run(whitened_windows(features, context))
        if self.model.interface.steps not in (DYNAMIC, len(features)):
            raise ConversionError(
                f"it takes {self.model.interface.steps} frames and keeps no states; pass a "
                "clip of as many frames."
            )
        (windows,) = chunks(features, context, len(features))
        return self.run(windows)

    def _probabilities(self, found: Tensors) -> FloatArray:
        interface = self.model.interface
        values = scores(found, interface.classes, interface.batch)
        return softmax(values) if interface.gives_logits else values

    def _run_samples(self, samples: Samples) -> Chunk:
        interface = self.model.interface
        assert interface.samples is not None
        shape = interface.samples.shape or (-1,)
        scaled = scaled_samples(samples).reshape((1,) * (len(shape) - 1) + (-1,))
        found = self.model.call({interface.samples.name: scaled}, [PROBABILITIES])
        return Chunk(self._probabilities(found), None)


@dataclass(frozen=True)
class Speech:
    """A clip: its 16-bit samples, and their features [n, features]."""

    samples: Samples
    features: FloatArray


def hear(model: Model, samples: Samples) -> Speech:
    """A clip with its features, as the model's front end makes them.

    They are computed by dsconv with the parameters of the model: a front end is part of the graph
    in most formats, and running all of the graph for each window would take longer than the rest.
    Raises ConversionError if the front end and the network of the model do not fit.
    """
    settings = model.interface.feature_settings
    if model.interface.features not in (None, settings.coefficients):
        raise ConversionError(
            f"its front end makes {settings.coefficients} features a frame where its network "
            f"takes {model.interface.features}."
        )
    return Speech(samples, clip_features(samples, settings))


def front_end_features(model: Model, windows: FloatArray) -> FloatArray:
    """The features [n, features] that the model itself makes of windows [n, samples].

    Each window takes a call of the model. Raises ConversionError if it has no front end.
    """
    samples = model.interface.samples
    if samples is None:
        raise ConversionError("the model has no front end; feed features.")
    rows = [model.call({samples.name: window}, [FEATURES])[FEATURES] for window in windows]
    return np.stack([np.asarray(row, np.float32).reshape(-1) for row in rows])


def _first(states: NDArray[np.generic], batch: int) -> FloatArray:
    """The state of the first clip."""
    return np.asarray(np.array(states, np.float32).reshape(batch, -1)[0])
