"""Transcribe recordings with a model of any format."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dsconv.acoustic.overrides import Overrides
from dsconv.errors import ConversionError, about
from dsconv.progress import Progress, ignore_progress
from dsconv.runtime.registry import open_model
from dsconv.runtime.stream import Stream, hear
from dsconv.speech.corpus import ClipSource
from dsconv.speech.decode import DEFAULT_BEAM, beam_transcript, greedy_transcript, has_beam_search
from dsconv.speech.features import FloatArray
from dsconv.speech.wav import read_wav


@dataclass(frozen=True)
class Transcription:
    """The transcript of a clip. `seconds` is the work that it took, reading the file included."""

    clip: str
    text: str
    audio_seconds: float
    seconds: float


class Transcriber:
    """A model that is ready to transcribe.

    `beam` None takes the model's own width, or the best path where no beam search is installed.
    `evaluated` runs a Core ML model in numpy also where Core ML could run it; `overrides` are what
    the user knows better than the file. Raises the errors of opening the model, and ConversionError
    if it holds no alphabet.
    """

    def __init__(
        self,
        path: Path,
        *,
        beam: int | None = None,
        resample: bool = False,
        evaluated: bool = False,
        overrides: Overrides | None = None,
    ) -> None:
        self._model = open_model(path, evaluated=evaluated, overrides=overrides)
        self._interface = self._model.interface
        with about(path):
            alphabet = self._interface.alphabet
        if alphabet is None:
            raise ConversionError(
                f"{path} holds no alphabet, so its classes have no letters; pass --alphabet with "
                "the file that it was trained with."
            )
        self._alphabet = alphabet
        self._stream = Stream(self._model)
        self._beam = beam
        if beam is None and has_beam_search():
            self._beam = self._interface.metadata.beam_width or DEFAULT_BEAM
        self._resample = resample
        self.about: dict[str, Any] = {
            "model": str(path),
            "format": self._interface.format,
            "runtime": self._interface.runtime,
            "precision": self._interface.precision,
            "beam": self._beam,
        }

    def transcribe(self, clip: ClipSource, progress: Progress = ignore_progress) -> Transcription:
        """Transcribe a clip; `progress` is called with the share of its frames that is done."""
        start = time.perf_counter()
        rate = self._interface.feature_settings.sample_rate
        samples = read_wav(clip.wav, rate, resample=self._resample)
        speech = hear(self._model, samples)
        parts, done = [], 0
        for chunk in self._stream.run_clip(speech):
            parts.append(chunk.probabilities)
            done += len(chunk.probabilities)
            progress(done / len(speech.features))
        text = self._transcript(np.concatenate(parts))
        return Transcription(clip.name, text, len(samples) / rate, time.perf_counter() - start)

    def _transcript(self, probabilities: FloatArray) -> str:
        if self._beam is None:
            return greedy_transcript(probabilities, self._alphabet)
        return beam_transcript(probabilities, self._alphabet, self._beam)

    def summary(self, results: Sequence[Transcription]) -> str:
        """One line on what was done, and in what time."""
        audio = sum(result.audio_seconds for result in results)
        seconds = sum(result.seconds for result in results)
        search = f"beam {self._beam}" if self._beam else "best path; dsconv[speech] has beam search"
        return (
            f"{audio:.2f} s of speech in {seconds:.2f} s "
            f"({self._interface.runtime}, {self._interface.precision}, {search}{self._assumed})"
        )

    @property
    def _assumed(self) -> str:
        """What was taken for granted where the file says nothing."""
        assumed = "alphabet" in self._interface.metadata.assumed
        return "; English alphabet assumed, --alphabet for another" if assumed else ""
