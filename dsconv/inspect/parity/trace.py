"""What a model gives over a clip: compared, saved for another machine, loaded from it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from dsconv.errors import ModelError
from dsconv.formats.output import new_file
from dsconv.inspect.parity.tolerances import TOLERANCES
from dsconv.progress import Progress, ignore_progress
from dsconv.runtime.stream import Speech, Stream
from dsconv.speech.features import FloatArray

_FORMAT = "dsconv-io-1"


@dataclass(frozen=True)
class Trace:
    """The result of a model over a clip.

    `probabilities` are [frames, classes]. `ends` are the numbers of frames after each call;
    `states` hold a row for each of `state_ends`, the ends at which the states are exact. `seconds`
    is how long the model took, None where nobody knows.
    """

    probabilities: FloatArray
    ends: NDArray[np.int64]
    state_ends: NDArray[np.int64]
    states: dict[str, FloatArray]
    seconds: float | None = None


def run_trace(
    stream: Stream,
    speech: Speech,
    steps: int,
    progress: Progress = ignore_progress,
) -> Trace:
    """Run a clip; `progress` is called with the share of the frames that is done."""
    probabilities: list[FloatArray] = []
    ends: list[int] = []
    state_ends: list[int] = []
    states: dict[str, list[FloatArray]] = {}
    done = 0
    seconds = 0.0
    start = perf_counter()
    for chunk in stream.run_clip(speech, steps):
        done += len(chunk.probabilities)
        probabilities.append(chunk.probabilities)
        ends.append(done)
        if chunk.states is not None:
            state_ends.append(done)
            for name, state in chunk.states.items():
                states.setdefault(name, []).append(state)
        # Showing the progress is no work of the model.
        seconds += perf_counter() - start
        progress(done / len(speech.features))
        start = perf_counter()
    return Trace(
        np.concatenate(probabilities),
        np.array(ends),
        np.array(state_ends),
        {name: np.stack(rows) for name, rows in states.items()},
        seconds,
    )


class TraceFile:
    """Inputs and outputs of runs over clips, in one .npz file.

    For each clip: its `samples` (int16), its `features` [frames, n], and what came out:
    `probabilities` [frames, classes], `ends`, `state_ends` and `states/NAME`, as in `Trace`. A run
    made elsewhere needs only `probabilities`; what else it has is compared too.
    """

    def __init__(self) -> None:
        self._arrays: dict[str, NDArray[np.generic]] = {}
        self._clips: list[str] = []

    def add(self, clip: str, speech: Speech, trace: Trace) -> None:
        """Keep a clip."""
        self._clips.append(clip)
        arrays: dict[str, NDArray[np.generic]] = {
            "samples": speech.samples,
            "features": speech.features,
            "probabilities": trace.probabilities,
            "ends": trace.ends,
            "state_ends": trace.state_ends,
            **{f"states/{name}": rows for name, rows in trace.states.items()},
        }
        self._arrays |= {f"{clip}/{key}": array for key, array in arrays.items()}

    def save(self, path: Path, runtime: str, precision: str, *, force: bool = False) -> None:
        """Write the file. Raises OutputError if it exists or cannot be written."""
        header = {"format": _FORMAT, "runtime": runtime, "precision": precision}
        about = np.array(json.dumps(header | {"clips": self._clips}))
        with new_file(path, force=force) as file:
            np.savez(file, allow_pickle=False, about=about, **self._arrays)


class RecordedRun:
    """A run that was made elsewhere. Raises ModelError if the file holds none.

    `runtime` and `precision` (fp32, fp16, int8) are those of the file's `about`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as loaded:
                self._arrays = {name: loaded[name] for name in loaded.files}
        except (OSError, ValueError, BadZipFile) as error:
            raise ModelError(
                f"{path} was not written by --save-io ({error}); make a new one."
            ) from error
        about = self._about()
        self.runtime = str(about.get("runtime", "elsewhere"))
        self.precision = str(about.get("precision", "fp32"))

    def _about(self) -> dict[str, object]:
        try:
            about: dict[str, object] = json.loads(str(self._arrays["about"]))
        except (KeyError, ValueError):
            raise ModelError(
                f"{self._path} was not written by --save-io; make a new one."
            ) from None
        if about.get("precision", "fp32") not in TOLERANCES:
            raise ModelError(f"{self._path}: unknown precision; name one of {list(TOLERANCES)}.")
        return about

    def trace(self, clip: str, frames: int) -> Trace:
        """The recorded trace of a clip of so many frames."""
        probabilities = self._arrays.get(f"{clip}/probabilities")
        if probabilities is None:
            raise ModelError(
                f"{self._path} holds no run over {clip}; run it there, and save again."
            )
        if len(probabilities) != frames:
            raise ModelError(
                f"{self._path}: {clip} has {len(probabilities)} frames where the reference has "
                f"{frames}; make both runs from the same recording."
            )
        prefix = f"{clip}/states/"
        none = np.zeros(0, np.int64)
        return Trace(
            np.asarray(probabilities, np.float32),
            self._arrays.get(f"{clip}/ends", none),
            self._arrays.get(f"{clip}/state_ends", none),
            {
                name.removeprefix(prefix): np.asarray(rows, np.float32)
                for name, rows in self._arrays.items()
                if name.startswith(prefix)
            },
        )
