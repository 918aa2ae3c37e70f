"""Which of the original runtimes open a model, and why the others do not.

Every rule was measured by giving the exports of each version to each runtime, as .pb and as .pbmm:
to the package `deepspeech` of 0.1.1, 0.2.0, 0.4.1, 0.5.1, 0.6.1, 0.7.4, 0.8.2 and 0.9.3.
"""

from collections.abc import Collection
from dataclasses import dataclass

from dsconv.formats.graphdef.steps import DYNAMIC
from dsconv.inspect.identity import LATEST, Identity


@dataclass(frozen=True)
class Runtimes:
    """Packages that open a model and transcribe with it; `reason` says why there are none."""

    opened_by: tuple[str, ...]
    reason: str | None


NO_ORIGINAL_RUNTIME = Runtimes((), "they read TensorFlow graphs and TFLite models")
"""For formats that came later."""


def original_runtimes(identity: Identity, *, packaged: bool) -> Runtimes:
    """The packages that open a graph of this identity, as .pb or `packaged` as .pbmm."""
    if identity.exported_by is None:
        return Runtimes((), "not an acoustic model that dsconv knows")
    if not identity.frozen:
        return Runtimes((), "not frozen")
    if identity.steps == DYNAMIC and identity.states != "none":
        return Runtimes((), "they want a fixed number of steps")
    if identity.batch not in (None, 1, DYNAMIC):
        return Runtimes((), f"they want batch size 1, not {identity.batch}")
    if not identity.takes_lengths:
        return Runtimes((), "they want an input for the lengths")
    if packaged and identity.exported_by == "DeepSpeech 0.1":
        return Runtimes((), "deepspeech 0.1.1 opens only the .pb")
    versions = _BY_EXPORTER.get(identity.exported_by, ())
    if not versions:
        return Runtimes((), f"no runtime of {identity.exported_by} was tried")
    if identity.layer_norm:
        versions = tuple(version for version in versions if version == "0.9.3")
    return Runtimes(tuple(f"deepspeech {version}" for version in versions), None)


def tflite_runtimes(identity: Identity, ops: Collection[str]) -> Runtimes:
    """The packages that open a TFLite model and transcribe with it.

    Measured with the exporters' files and with those of dsconv, in each form.
    """
    if identity.steps is None:
        return Runtimes((), "they feed windows of features")
    if identity.takes_lengths:
        return Runtimes((), "they feed no lengths")
    if "Mfcc" not in ops or identity.alphabet is None:
        return Runtimes((), "they want the front end and the alphabet in the model")
    if (identity.graph_version or 0) < _LEAST_VERSION or identity.beam_width is None:
        return Runtimes((), f"they want graph version {_LEAST_VERSION} and a beam width")
    if identity.steps == DYNAMIC:
        return Runtimes(("stt 1.4.0",), None)
    return Runtimes(("deepspeech-tflite 0.9.3", "stt 1.4.0"), None)


_LEAST_VERSION = 6

_BY_EXPORTER = {
    "DeepSpeech 0.1": ("0.1.1",),
    "DeepSpeech 0.2": ("0.2.0",),
    "DeepSpeech 0.4": ("0.4.1",),
    "DeepSpeech 0.5": ("0.5.1",),
    "DeepSpeech 0.6": ("0.6.1",),
    LATEST: ("0.6.1", "0.7.4", "0.8.2", "0.9.3"),
}
