"""Which way a source goes: to dsconv's own builder, or to the toolkit's converter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dsconv.convert.toolkit.converters import CONVERTERS
from dsconv.errors import ConversionError, ToolkitError
from dsconv.formats.graphdef.frozen import why_not_frozen

if TYPE_CHECKING:
    from dsconv.acoustic.source import Source
    from dsconv.convert.options import Options
    from dsconv.convert.plan import Plan


def toolkit_plan(
    target: str,
    source: Source,
    options: Options,
    outputs: Callable[[Path], tuple[Path, ...]],
) -> Plan | None:
    """The conversion by the toolkit's converter; None where dsconv builds the target itself.

    `outputs` are all files of a conversion to one. Raises as `choose_route` does, and
    ConversionError for a graph that cannot be prepared.
    """
    if choose_route(target, source, options) == "build":
        return None
    from dsconv.convert.toolkit.plan import plan_by_toolkit

    return plan_by_toolkit(target, source, options, outputs)


def choose_route(target: str, source: Source, options: Options) -> Literal["build", "toolkit"]:
    """As asked, else the builder for a network that is recognised and the toolkit for others.

    Raises ConversionError for options of the other route, and where no converter can be used for a
    graph that is not recognised; ToolkitError for a converter that was asked for and is missing.
    """
    converter = CONVERTERS.get(target)
    if converter is None or options.route == "build":
        _check_of_build(options)
        return "build"
    reason = source.why_not_recognised
    if options.route == "toolkit":
        if converter.toolkit.missing:
            raise ToolkitError(
                f"{converter.label} is not installed; install it with "
                f"`{converter.toolkit.install}`, or leave out --route toolkit."
            )
        _check_of_toolkit(target, options, "", known=reason is None)
        return "toolkit"
    if reason is None or why_not_frozen(source.graph):
        _check_of_build(options)
        return "build"
    if converter.toolkit.missing:
        raise ConversionError(
            f"{reason} {converter.label} may convert it as it is: install that with "
            f"`{converter.toolkit.install}`."
        )
    _check_of_toolkit(target, options, reason, known=False)
    return "toolkit"


def _check_of_build(options: Options) -> None:
    asked = options.toolkit
    given = {
        "--inputs": asked.inputs,
        "--outputs": asked.outputs,
        "--freeze": asked.freeze,
        "--check-inputs": asked.check_inputs,
    }
    for option, values in given.items():
        if values:
            raise ConversionError(
                f"{option} is for the toolkit's own converter; pass --route toolkit, or leave it "
                "out."
            )


def _check_of_toolkit(target: str, options: Options, reason: str, *, known: bool) -> None:
    """Refuse what only the builder can do; `reason` is why it is not asked.

    Of an acoustic network that is `known` the result may say more than the graph does.
    """
    core_ml, overrides = options.core_ml, options.overrides
    given = {
        f"--precision {options.precision}": options.precision not in (None, "fp32"),
        f"--lengths {options.lengths}": options.lengths is not None,
        "--states internal": options.states == "internal",
        "--front-end": options.front_end,
        "--lstm": options.lstm is not None,
        "--scores logits": options.scores == "logits",
        "--format neuralnetwork": target == "coreml" and core_ml.format == "neuralnetwork",
        "--palettize": core_ml.palette_bits is not None,
        "a choice of --n-steps": len(core_ml.step_choices) > 0,
        "--alphabet": overrides.alphabet is not None and not known,
        "--sample-rate": overrides.sample_rate is not None and not known,
    }
    for option, refused in given.items():
        if refused:
            raise ConversionError(
                f"{reason} So the toolkit converts it as it is, without {option}; leave that out."
                if reason
                else f"the toolkit converts the graph as it is, without {option}; leave that "
                "out, or pass --route build."
            )
