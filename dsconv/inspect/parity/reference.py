"""The reference of a validation: how it is opened, and what it makes of a clip."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dsconv.acoustic.network import Network
from dsconv.acoustic.overrides import Overrides
from dsconv.acoustic.source import Source
from dsconv.acoustic.stored import stored
from dsconv.errors import ModelError
from dsconv.formats.table import GRAPH, PACKAGE
from dsconv.inspect.parity.exporter import ExportersWay
from dsconv.inspect.parity.judge import recognition_error
from dsconv.inspect.parity.result import ClipInfo, Distance, ModelInfo
from dsconv.inspect.parity.trace import Trace, run_trace
from dsconv.inspect.parity.transcripts import Transcript, edits_of, transcribe_probabilities
from dsconv.progress import Progress
from dsconv.runtime.model import Model, default_steps
from dsconv.runtime.registry import open_model
from dsconv.runtime.stream import USUAL_STEPS, Speech, Stream, hear
from dsconv.speech.alphabet import Alphabet
from dsconv.speech.corpus import ClipSource
from dsconv.speech.decode import DEFAULT_BEAM
from dsconv.speech.features import FloatArray
from dsconv.speech.framing import chunks
from dsconv.speech.rates import Edits
from dsconv.speech.wav import read_wav


@dataclass(frozen=True)
class ValidationOptions:
    """How to validate.

    `beam` None takes the reference's own width. `strict` makes another transcript a failure, as do
    `max_cer`, the error rate of characters to the reference's transcripts, and `max_wer_increase`,
    by how much the error rate of words to the expected transcripts may be above the reference's,
    where they are exceeded. `tensorflow` runs a reference graph in TensorFlow, `evaluated` a Core
    ML model in numpy also where Core ML could run it. `overrides` are what the user knows better
    than the reference's file. With `packaged_speech` the clips are dsconv's own. With
    `exporters_way` the cost of int8 is shown beside that of the original exporter's files.
    """

    beam: int | None = None
    strict: bool = False
    resample: bool = False
    tensorflow: bool = False
    evaluated: bool = False
    overrides: Overrides | None = None
    max_cer: float | None = None
    max_wer_increase: float | None = None
    packaged_speech: bool = False
    exporters_way: bool = True


@dataclass(frozen=True)
class ReferenceClip:
    """A clip that the reference has run.

    `edits` are those from the expected transcript to the reference's, None where either is missing.
    `recognition_error` says that the network which was recognised is not what the graph computes.
    """

    source: ClipSource
    info: ClipInfo
    speech: Speech
    trace: Trace
    transcript: Transcript | None
    edits: Edits | None
    recognition_error: str | None = None

    def distance(self, probabilities: FloatArray) -> Distance:
        """How far other probabilities [frames, classes] are from the reference's."""
        apart = np.abs(probabilities - self.trace.probabilities)
        return Distance(float(apart.max(initial=0.0)), float(apart.mean()), len(apart))


class Reference:
    """The model that the others are compared with."""

    def __init__(self, source: Source, options: ValidationOptions) -> None:
        self.options = options
        self._source = source
        self.model = open_model(
            source,
            tensorflow=options.tensorflow,
            evaluated=options.evaluated,
            overrides=options.overrides,
        )
        self.interface = self.model.interface
        self.info = model_info(source, self.model)
        self.steps = default_steps(self.interface, USUAL_STEPS)
        self.beam = options.beam or self.interface.metadata.beam_width or DEFAULT_BEAM
        self._stream = Stream(self.model)
        self._compared_with_network = False
        self._exporters_way: ExportersWay | None = None
        # That of the last clip, as all candidates ask for it.
        self._exporters_cost: tuple[str, Distance | None] = ("", None)

    @cached_property
    def network(self) -> Network | None:
        """The network that is recognised in a reference graph; None in any other reference."""
        if self.interface.format not in (GRAPH.key, PACKAGE.key):
            return None
        return None if self._source.why_not_recognised else self._source.network

    @property
    def speech_note(self) -> str | None:
        """Why the packaged speech is not that of the model, and what to pass; None if it is."""
        if not self.options.packaged_speech:
            return None
        metadata, alphabet = self.interface.metadata, self.interface.alphabet
        others = [
            f"{metadata.sample_rate} Hz" if metadata.sample_rate not in (None, 16000) else "",
            "another alphabet" if alphabet not in (None, Alphabet.english()) else "",
            metadata.language or "" if _is_foreign(metadata.language) else "",
        ]
        found = ", ".join(filter(None, others))
        if not found:
            return None
        return (
            f"the packaged speech is English at 16 kHz and the model is for {found}; pass --audio "
            "with speech of its own to measure what the precision costs."
        )

    def run(self, source: ClipSource, progress: Progress) -> ReferenceClip:
        """Run a clip, and transcribe it if the model has an alphabet."""
        rate = self.interface.feature_settings.sample_rate
        samples = read_wav(source.wav, rate, resample=self.options.resample)
        speech = hear(self.model, samples)
        trace = run_trace(self._stream, speech, self.steps, progress)
        if not np.isfinite(trace.probabilities).all():
            raise ModelError(
                f"{self.info.path} gives probabilities that are not finite (NaN) on {source.name}: "
                "its weights are damaged, so nothing can be compared with it."
            )
        info = ClipInfo(
            source.name, len(samples) / rate, len(speech.features), source.transcript, trace.seconds
        )
        transcript = self.transcript(trace, self.interface.alphabet)
        edits = edits_of(source.transcript, transcript)
        error = self._recognition_error(speech, trace)
        return ReferenceClip(source, info, speech, trace, transcript, edits, error)

    def exporters_cost(self, clip: ReferenceClip) -> Distance | None:
        """How far the original exporter's int8 would be over a clip; None where nobody knows."""
        network = self.network
        if not self.options.exporters_way or network is None or network.backward is not None:
            return None
        if self._exporters_way is None:
            self._exporters_way = ExportersWay(stored(network))
        name, found = self._exporters_cost
        if name != clip.source.name:
            frames = len(clip.speech.features)
            windows = next(chunks(clip.speech.features, network.context, frames))
            probabilities = self._exporters_way.probabilities(windows.reshape(frames, -1))
            found = clip.distance(probabilities)
            self._exporters_cost = (clip.source.name, found)
        return found

    def _recognition_error(self, speech: Speech, trace: Trace) -> str | None:
        """Whether the network is what the graph computes, looked at over the first clip."""
        if self.network is None or self._compared_with_network:
            return None
        self._compared_with_network = True
        return recognition_error(self.network, self.interface, speech, trace)

    def transcript(self, trace: Trace, alphabet: Alphabet | None) -> Transcript | None:
        """The transcripts of a trace, None without an alphabet."""
        if alphabet is None:
            return None
        return transcribe_probabilities(trace.probabilities, alphabet, self.beam)


def _is_foreign(language: str | None) -> bool:
    """Whether a model names a language other than English; exporters write a placeholder."""
    return language is not None and not language.startswith(("en", "<"))


def model_info(source: Source, model: Model) -> ModelInfo:
    """What a report has to show of an opened model."""
    interface = model.interface
    with source.digest as digest:
        return ModelInfo(
            str(source.path),
            digest.hexdigest(),
            interface.format,
            interface.runtime,
            interface.precision,
            source.size,
        )
