"""The toolkits' own converters: which there are, and what must be installed for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dsconv.formats.coreml.names import core_ml_name
from dsconv.formats.toolkits import Toolkit


@dataclass(frozen=True)
class Converter:
    """A toolkit's own converter: the module that runs it, and what must be installed for that.

    `name_of` says what it calls a tensor of the graph in its files. `precision` is the target's
    where nothing else is asked, which the converter does not make unless it is fp32. `refuses` are
    ops that it is known not to convert: a graph of any other is left to it to judge.
    """

    label: str
    module: str
    toolkit: Toolkit
    name_of: Callable[[str], str] = str
    precision: str = "fp32"
    refuses: frozenset[str] = frozenset()


def _converter(
    label: str,
    module: str,
    *modules: str,
    name_of: Callable[[str], str] = str,
    precision: str = "fp32",
    refuses: frozenset[str] = frozenset(),
) -> Converter:
    toolkit = Toolkit("toolkit", modules)
    module = f"dsconv.convert.toolkit.{module}"
    return Converter(label, module, toolkit, name_of, precision, refuses)


_BOXES = frozenset({"CombinedNonMaxSuppression"})


CONVERTERS = {
    "onnx": _converter("tf2onnx", "onnx", "tensorflow", "tf2onnx"),
    "coreml": _converter(
        "Core ML Tools", "coreml", "tensorflow", name_of=core_ml_name, refuses=_BOXES
    ),
    "openvino": _converter("OpenVINO", "openvino", refuses=_BOXES),
    "tflite": _converter(
        "the TFLite converter", "tflite", "tensorflow", precision="int8", refuses=_BOXES
    ),
}
"""By the names of the targets."""
