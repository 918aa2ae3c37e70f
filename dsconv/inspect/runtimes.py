"""Which of the original runtimes open a model, and why the others do not.

The table of versions says what each was measured to open; here is what they want of any model.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dsconv.acoustic.versions import LATEST, LATEST_GRAPH_VERSION, Version, label_of
from dsconv.formats.graphdef.steps import DYNAMIC
from dsconv.inspect.identity import Identity


@dataclass(frozen=True)
class Runtimes:
    """Packages that open a model and transcribe with it; `reason` says why there are none."""

    opened_by: tuple[str, ...]
    reason: str | None


NO_ORIGINAL_RUNTIME = Runtimes((), "they read TensorFlow graphs and TFLite models")
"""For formats that came later."""


def original_runtimes(
    versions: Sequence[Version], identity: Identity, *, packaged: bool
) -> Runtimes:
    """The packages that open a graph of these versions, as .pb or `packaged` as .pbmm."""
    if not versions:
        return Runtimes((), "not an acoustic model that dsconv knows")
    if reason := _why_no_runtime(identity):
        return Runtimes((), reason)
    opening = [each for each in versions[0].runtimes if all(each in v.runtimes for v in versions)]
    if not opening:
        return Runtimes((), f"no runtime of {label_of(versions)} was tried")
    if packaged and not all(version.open_packages for version in versions):
        return Runtimes((), f"{opening[0].name} opens only the .pb")
    if identity.layer_norm:
        opening = [runtime for runtime in opening if runtime.layer_norm]
    names = tuple(runtime.name for runtime in opening)
    return Runtimes(names, None if names else "they know no layer normalization")


def _why_no_runtime(identity: Identity) -> str | None:
    """What all of them want, whatever the version, and a graph does not have."""
    if not identity.frozen:
        return "not frozen"
    if identity.steps == DYNAMIC and identity.states != "none":
        return "they want a fixed number of steps"
    if identity.batch not in (None, 1, DYNAMIC):
        return f"they want batch size 1, not {identity.batch}"
    if not identity.takes_lengths:
        return "they want an input for the lengths"
    return None


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
    if (identity.graph_version or 0) < LATEST_GRAPH_VERSION or identity.beam_width is None:
        return Runtimes((), f"they want graph version {LATEST_GRAPH_VERSION} and a beam width")
    # deepspeech-tflite 0.9.3 also crashes in a loop of one step.
    any_steps = identity.steps == DYNAMIC or (identity.steps == 1 and "WHILE" in ops)
    opening = [each for each in LATEST[0].tflite_runtimes if each.any_steps or not any_steps]
    return Runtimes(tuple(runtime.name for runtime in opening), None)
