"""Which way a graph goes: to dsconv's own builder, or to the toolkit's converter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from dsconv.acoustic.recognise import recognise
from dsconv.convert.options import Options
from dsconv.errors import ConversionError, ToolkitError
from dsconv.formats.coreml.names import core_ml_name
from dsconv.formats.graphdef.frozen import why_not_frozen
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.toolkits import Toolkit


@dataclass(frozen=True)
class Converter:
    """A toolkit's own converter: the module that runs it, and what must be installed for that.

    `name_of` says what it calls a tensor of the graph in its files.
    """

    label: str
    module: str
    toolkit: Toolkit
    name_of: Callable[[str], str] = str


def _converter(
    label: str, module: str, *modules: str, name_of: Callable[[str], str] = str
) -> Converter:
    toolkit = Toolkit("toolkit", modules)
    return Converter(label, f"dsconv.convert.toolkit.{module}", toolkit, name_of)


CONVERTERS = {
    "onnx": _converter("tf2onnx", "onnx", "tensorflow", "tf2onnx"),
    "coreml": _converter("Core ML Tools", "coreml", "tensorflow", name_of=core_ml_name),
    "openvino": _converter("OpenVINO", "openvino"),
    "tflite": _converter("the TFLite converter", "tflite", "tensorflow"),
}
"""By the names of the targets."""


def choose_route(target: str, graph: Graph, options: Options) -> Literal["build", "toolkit"]:
    """As asked, else the builder for a network that is recognised and the toolkit for others.

    Raises ConversionError for options of the other route, and where no converter can be used for a
    graph that is not recognised; ToolkitError for a converter that was asked for and is missing.
    """
    converter = CONVERTERS.get(target)
    if converter is None or options.route == "build":
        _check_of_build(options)
        return "build"
    reason = why_not_recognised(graph)
    if options.route == "toolkit":
        if converter.toolkit.missing:
            raise ToolkitError(
                f"{converter.label} is not installed; install it with "
                f"`{converter.toolkit.install}`, or leave out --route toolkit."
            )
        _check_of_toolkit(options, "", known=reason is None)
        return "toolkit"
    if reason is None or why_not_frozen(graph):
        _check_of_build(options)
        return "build"
    if converter.toolkit.missing:
        raise ConversionError(
            f"{reason} {converter.label} may convert it as it is: install that with "
            f"`{converter.toolkit.install}`."
        )
    _check_of_toolkit(options, reason, known=False)
    return "toolkit"


def why_not_recognised(graph: Graph) -> str | None:
    """Why a graph holds no acoustic network that dsconv knows; None if it does."""
    try:
        recognise(graph)
    except ConversionError as error:
        return str(error)
    return None


def _check_of_build(options: Options) -> None:
    asked = options.toolkit
    given = {"--inputs": asked.inputs, "--outputs": asked.outputs, "--freeze": asked.freeze}
    for option, values in given.items():
        if values:
            raise ConversionError(
                f"{option} is for the toolkit's own converter; pass --route toolkit, or leave it "
                "out."
            )


def _check_of_toolkit(options: Options, reason: str, *, known: bool) -> None:
    """Refuse what only the builder can do; `reason` is why it is not asked.

    Of an acoustic network that is `known` the result may say more than the graph does.
    """
    core_ml, said = options.core_ml, options.overrides
    given = {
        f"--precision {options.precision}": options.precision not in (None, "fp32"),
        f"--lengths {options.lengths}": options.lengths is not None,
        "--states internal": options.states == "internal",
        "--front-end": options.front_end,
        "--lstm": options.lstm is not None,
        "--scores raw": options.scores == "raw",
        "--palettize": core_ml.palette_bits is not None,
        "a choice of --n-steps": len(core_ml.step_choices) > 0,
        "--alphabet": said.alphabet is not None and not known,
        "--sample-rate": said.sample_rate is not None and not known,
    }
    for option, refused in given.items():
        if refused:
            raise ConversionError(
                f"{reason} So the toolkit converts it as it is, and knows no {option}; leave that "
                "out."
                if reason
                else f"the toolkit converts the graph as it is, and knows no {option}; leave that "
                "out, or pass --route build."
            )
