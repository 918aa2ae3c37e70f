"""What a user may ask of a conversion, and what comes of it for a network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from dsconv.acoustic.recognise import recognise
from dsconv.errors import ConversionError
from dsconv.graph.steps import DYNAMIC, check_steps

if TYPE_CHECKING:
    from dsconv.acoustic.network import Network
    from dsconv.graph.graph import Graph

Precision: TypeAlias = Literal["fp32", "fp16", "int8"]
Lengths: TypeAlias = Literal["frozen", "input"]
States: TypeAlias = Literal["io", "internal"]
LstmForm: TypeAlias = Literal["loop", "unrolled"]
CoreMlFormat: TypeAlias = Literal["mlprogram", "neuralnetwork"]
DeploymentTarget: TypeAlias = Literal["ios16", "ios17", "ios18", "ios26"]
PaletteBits: TypeAlias = Literal[4, 6, 8]

LENGTHS = "input_lengths"
"""The exporters' name of the input of the lengths, for graphs that have none."""


@dataclass(frozen=True)
class CoreMlOptions:
    """What only Core ML knows.

    `deployment_target` is the oldest system that the model is to run on. With `palette_bits` each
    weight is one of 2 ** bits values. A model of any number of frames a call takes up to
    `max_steps`; `step_choices` are all numbers that it takes.
    """

    format: CoreMlFormat = "mlprogram"
    deployment_target: DeploymentTarget | None = None
    palette_bits: PaletteBits | None = None
    max_steps: int | None = None
    step_choices: tuple[int, ...] = ()
    author: str = ""
    license: str = ""
    model_version: str = ""


@dataclass(frozen=True)
class Options:
    """What was asked for; None leaves the choice to the graph or the target.

    `steps` is -1 for any number of frames a call. `input_shape` is another way to say the steps:
    [batch, steps, 2 * context + 1, features]. `front_end` asks for a model that takes the samples
    of a whole clip. `lstm` chooses between the forms of TFLite.
    """

    steps: int | None = None
    input_shape: tuple[int, ...] | None = None
    precision: Precision | None = None
    lengths: Lengths | None = None
    states: States | None = None
    front_end: bool = False
    lstm: LstmForm | None = None
    core_ml: CoreMlOptions = field(default_factory=CoreMlOptions)


@dataclass(frozen=True)
class Plan:
    """What a target builds: the network, and the form that it gets.

    `steps` is -1 for any number of frames a call. With `lengths` "input" the number of valid frames
    goes in with each call, else all are valid. With `states` "internal" the model keeps its states
    from call to call. With `front_end` it takes the samples of a whole clip, from fresh states.
    """

    network: Network
    steps: int
    precision: Precision
    lengths: Lengths
    states: States
    front_end: bool
    lstm: LstmForm = "loop"
    core_ml: CoreMlOptions = field(default_factory=CoreMlOptions)

    @property
    def dynamic(self) -> bool:
        """Whether a call takes any number of frames."""
        return self.steps == DYNAMIC

    @property
    def weights_precision(self) -> str:
        """How the weights are stored: as asked for, or as so many bits that point to a palette."""
        bits = self.core_ml.palette_bits
        return f"palette{bits}" if bits else self.precision


def make_plan(
    graph: Graph,
    options: Options,
    *,
    lengths: Lengths,
    states: tuple[States, ...],
    precision: Precision = "fp32",
) -> Plan:
    """What to build of a graph: as asked, else as the target's defaults say.

    `states` are the ways of a target to keep the states, its default first. Raises ConversionError
    if the graph holds another network, or what was asked for cannot be.
    """
    network = recognise(graph)
    if network.batch != 1:
        raise ConversionError(
            f"the graph takes {network.batch} clips at a time (batch {network.batch}); a streaming "
            "model takes 1: export it with --export_batch_size 1."
        )
    steps = _steps(network, options)
    if options.states is not None and options.states not in states:
        raise ConversionError(
            f"the target keeps no {options.states} states; pass --states {states[0]}, or leave it "
            "out."
        )
    if options.front_end:
        _check_front_end(network, options)
        steps, lengths, states = DYNAMIC, "frozen", ("io",)
    return Plan(
        network,
        steps,
        options.precision or precision,
        options.lengths or lengths,
        options.states or states[0],
        options.front_end,
        options.lstm or "loop",
        options.core_ml,
    )


def _steps(network: Network, options: Options) -> int:
    """Frames a call: as asked, else as in the graph."""
    steps = options.steps
    if options.input_shape is not None:
        shaped = _steps_of_shape(network, options.input_shape)
        if steps not in (None, shaped):
            raise ConversionError(
                f"--n-steps {steps} and --input-shape with {shaped} steps differ; pass one of them."
            )
        steps = shaped
    if steps is None:
        return network.steps
    check_steps(steps)
    return steps


def _steps_of_shape(network: Network, shape: tuple[int, ...]) -> int:
    """The steps in a shape. Raises ConversionError if the rest of it is not the network's."""
    wanted = (network.batch, DYNAMIC, 2 * network.context + 1, network.features)
    if len(shape) != 4 or (shape[0], *shape[2:]) != (wanted[0], *wanted[2:]):
        sizes = ",".join(str(size) for size in shape)
        raise ConversionError(
            f"--input-shape {sizes} does not fit: the graph takes windows of shape "
            f"{wanted[0]},STEPS,{wanted[2]},{wanted[3]}, STEPS being any number or -1."
        )
    return shape[1]


def _check_front_end(network: Network, options: Options) -> None:
    """Refuse what makes no sense for a model that takes a whole clip of samples."""
    if network.front_end is None:
        raise ConversionError(
            "the graph has no front end, so it does not say how features are made of samples; "
            "leave out --front-end and feed features."
        )
    coefficients = network.front_end.mfcc.attribute("dct_coefficient_count", int)
    if coefficients != network.features:
        raise ConversionError(
            f"the graph's front end makes {coefficients} features a frame where its network takes "
            f"{network.features}; leave out --front-end."
        )
    asked = {
        "--n-steps": options.steps not in (None, DYNAMIC),
        "--input-shape": options.input_shape is not None,
        "--lengths input": options.lengths == "input",
        "--states internal": options.states == "internal",
    }
    for option, given in asked.items():
        if given:
            raise ConversionError(
                f"{option} does not go with --front-end, which makes a model of whole clips of "
                "samples; leave one of them out."
            )
