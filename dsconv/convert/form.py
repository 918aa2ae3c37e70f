"""What a target builds of a network: the form that it gets, as asked or by default."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dsconv.convert.options import Lengths, Options, Precision, States
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.steps import DYNAMIC, check_steps

if TYPE_CHECKING:
    from dsconv.acoustic.network import Lstm, Network
    from dsconv.acoustic.source import Source


@dataclass(frozen=True)
class Form:
    """What a target builds: the network, and the form that it gets.

    `steps` is -1 for any number of frames a call. With `lengths` "input" the number of valid frames
    goes in with each call, else all are valid. With `states` "internal" the model keeps its states
    from call to call. With `front_end` it takes the samples of a whole clip, from fresh states; a
    network that also reads backward takes the windows of one.
    """

    network: Network
    steps: int
    precision: Precision
    lengths: Lengths
    states: States
    front_end: bool

    @property
    def dynamic(self) -> bool:
        """Whether a call takes any number of frames."""
        return self.steps == DYNAMIC

    @property
    def whole_clip(self) -> bool:
        """Whether a call takes a whole clip, so that no states go in and none come out."""
        return self.front_end or self.network.backward is not None

    @property
    def window_shape(self) -> tuple[int, ...]:
        """The shape of the window of a frame, as it goes in."""
        network = self.network
        if network.backward is not None:
            return (network.window_values,)
        return (2 * network.context + 1, network.features)

    @property
    def lstms(self) -> tuple[Lstm, ...]:
        """The LSTM from the first frame to the last, then the one that reads back, if any."""
        backward = self.network.backward
        return (self.network.lstm,) if backward is None else (self.network.lstm, backward)

    @property
    def weights_precision(self) -> str:
        """How the weights are stored, as the file says it of itself."""
        return self.precision


def form_of(
    source: Source,
    options: Options,
    *,
    lengths: Lengths,
    states: tuple[States, ...],
    precision: Precision = "fp32",
) -> Form:
    """What to build of a source: as asked, else as the target's defaults say.

    `states` are the ways of a target to keep the states, its default first. Raises ConversionError
    if the source holds another network, or what was asked for cannot be.
    """
    network = options.overrides.described(source.network)
    network = replace(network, softmax=options.scores == "probabilities")
    if network.backward is not None:
        _check_backward(options)
    steps = _steps(network, options)
    if options.states is not None and options.states not in states:
        raise ConversionError(
            f"the target has no --states {options.states}; pass --states {states[0]}, or leave it "
            "out."
        )
    if options.front_end:
        _check_front_end(network, options)
    if options.front_end or network.backward is not None:
        steps, lengths, states = DYNAMIC, "frozen", ("io",)
    return Form(
        network,
        steps,
        options.precision or precision,
        options.lengths or lengths,
        options.states or states[0],
        options.front_end,
    )


def _steps(network: Network, options: Options) -> int:
    """Frames a call: as asked, else as in the graph."""
    steps = options.steps
    shape = _asked_shape(network, options)
    if shape is not None:
        shaped = _steps_of_shape(network, shape)
        if steps not in (None, shaped):
            raise ConversionError(
                f"--n-steps {steps} and --input-shape with {shaped} steps differ; pass one of them."
            )
        steps = shaped
    if steps is None:
        return network.steps
    check_steps(steps)
    return steps


def _asked_shape(network: Network, options: Options) -> tuple[int, ...] | None:
    """The shape of the windows that is asked for, with the input's name or without."""
    shape, windows = options.input_shape, network.names.windows
    for name, named in options.toolkit.input_shapes.items():
        if name != windows or shape not in (None, named):
            raise ConversionError(
                f"--input-shape {name}: the shape of '{windows}' alone can be chosen, once; leave "
                "this one out, or pass --route toolkit."
            )
        shape = named
    return shape


def _steps_of_shape(network: Network, shape: tuple[int, ...]) -> int:
    """The steps in a shape. Raises ConversionError if the rest of it is not the network's."""
    expected = (1, DYNAMIC, 2 * network.context + 1, network.features)
    if len(shape) != 4 or (shape[0], *shape[2:]) != (expected[0], *expected[2:]):
        asked = ",".join(map(str, shape))
        raise ConversionError(
            f"--input-shape {asked} does not fit: the graph takes windows of shape "
            f"{expected[0]},STEPS,{expected[2]},{expected[3]}, STEPS being any number or -1."
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
    if option := next(_of_chunks(options), None):
        raise ConversionError(
            f"{option} does not go with --front-end, which makes a model of whole clips of "
            "samples; leave one of them out."
        )


def _check_backward(options: Options) -> None:
    """Refuse what makes no sense for a network that also reads from the last frame to the first."""
    others = {"--lstm unrolled": options.lstm == "unrolled", "--front-end": options.front_end}
    refused = [*_of_chunks(options), *(option for option, given in others.items() if given)]
    if refused:
        raise ConversionError(
            "the graph's network reads whole clips, forward and backward: the features of any "
            f"number of frames, from fresh states; leave out {refused[0]}."
        )


def _of_chunks(options: Options) -> Iterator[str]:
    """What was asked for that makes sense only where a clip is fed in chunks."""
    asked = {
        "--n-steps": options.steps not in (None, DYNAMIC),
        "--input-shape": options.input_shape is not None or bool(options.toolkit.input_shapes),
        "--lengths input": options.lengths == "input",
        "--states internal": options.states == "internal",
    }
    return (option for option, given in asked.items() if given)
