"""The targets by name."""

from dsconv.convert.coreml.target import CoreMlTarget
from dsconv.convert.onnx.target import OnnxTarget
from dsconv.convert.openvino.target import OpenVinoTarget
from dsconv.convert.pb import PbTarget
from dsconv.convert.pbmm import PbmmTarget
from dsconv.convert.target import Target
from dsconv.convert.tflite.target import TfliteTarget
from dsconv.errors import ConversionError
from dsconv.formats.extensions import plugin_targets

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        PbmmTarget(),
        PbTarget(),
        TfliteTarget(),
        CoreMlTarget(),
        OpenVinoTarget(),
        OnnxTarget(),
    )
}


def all_targets() -> dict[str, Target]:
    """The targets of dsconv and those of its plug-ins; none of these replaces one of dsconv's."""
    return TARGETS | {name: t for name, t in plugin_targets().items() if name not in TARGETS}


def find_target(name: str) -> Target:
    """A target by its name. Raises ConversionError if there is none."""
    # Plug-ins are not looked for where none is meant.
    target = TARGETS.get(name) or plugin_targets().get(name)
    if target is None:
        raise ConversionError(f"there is no target '{name}'; `dsconv formats` lists all targets.")
    return target
