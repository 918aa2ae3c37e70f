"""The errors: what is done to the bytes of a file, and what a sentence on it must name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from dsconv.acoustic.network import GATES, Network
from dsconv.speech.features import FloatArray
from tests.inspect.parity.sabotage.files import Spoilable, Tensor, open_spoilable, with_floats

OnTensors: TypeAlias = Callable[[Mapping[str, Tensor]], None]
OnFile: TypeAlias = Callable[[Spoilable], None]

GATED = ("lstm/W", "lstm/R", "lstm/b")
_SEED = 5


@dataclass(frozen=True)
class Kind:
    """An error: what it is for people, what it does to a file.

    `says` is a pattern that the sentences on it must match. `form` are the options of the
    conversion that the error is in; with `source` ``norm`` the model has layer normalization.
    """

    name: str
    change: Callable[[Any], None]
    says: str
    form: str = "plain"
    source: str = ""
    of_weights: bool = True

    def spoil(self, target: str, path: Path, network: Network, output: Path) -> None:
        """Write a converted file of a network with this error. Raises NotHere."""
        file = open_spoilable(target, path)
        self.change(with_floats(file, network) if self.of_weights else file)
        file.save(output)


def in_weights() -> Iterator[Kind]:
    """Errors in the numbers of a file, whose ops are right."""

    for first, second in combinations(GATES, 2):
        order = "".join(GATES).translate(str.maketrans(first + second, second + first))
        yield Kind(
            f"gates {first} and {second} swapped",
            partial(_on_gates, order=order),
            rf"has the gates in the order {order} instead of icfo",
        )
    yield Kind(
        "recurrent kernel transposed",
        _changing("lstm/R", _blocks_transposed),
        "lstm/recurrent kernel has each gate's block transposed",
    )
    yield Kind(
        "input kernel transposed",
        _changing("lstm/W", _blocks_transposed),
        "lstm/input kernel has each gate's block transposed",
    )
    for name in ("layer_1/bias", "layer_2/bias", "layer_3/bias", "lstm/b", "layer_5/bias"):
        yield _dropped(name)
    yield _dropped("layer_6/bias")
    for added in (0.1, 1.0):
        yield Kind(
            f"forget bias {added:+g}",
            _changing("lstm/b", partial(_forget, added=added)),
            rf"lstm/bias has {added:g}(00\d|\.\d)? added to the bias of gate f",
        )
    matrices = [f"layer_{n}/weights" for n in (1, 2, 3, 5, 6)] + ["lstm/W", "lstm/R"]
    for name in matrices:
        for factor in (1.02, 2.0):
            yield Kind(
                f"{name} x {factor:g}",
                _changing(name, partial(np.multiply, np.float32(factor))),
                rf"{_said(name)} is multiplied by {factor:g}",
            )
    for share in (0.01, 0.05):
        yield Kind(
            f"{share:.0%} of layer_5 zeroed",
            _changing("layer_5/weights", partial(_zeroed, share=share)),
            r"layer_5/weights has [\d,]+ of [\d,]+ numbers set to zero",
        )
    yield Kind(
        "layer_2 rounded to 4 bits",
        _changing("layer_2/weights", _four_bits),
        r"layer_2/weights is rounded to [45] bits",
    )
    yield Kind(
        "noise of 1 % in layer_3",
        _changing("layer_3/weights", _noise),
        r"layer_3/weights differs in [\d,]+ of [\d,]+ numbers",
    )
    yield Kind(
        "largest weight of layer_6 negated",
        _changing("layer_6/weights", _largest_negated),
        r"layer_6/weights differs in 1 of [\d,]+ numbers: \[.*\] is -?[\d.]+ and not -?[\d.]+",
    )
    yield Kind(
        "classes permuted",
        lambda t: _on_classes(t, np.random.default_rng(_SEED).permutation),
        r"layer_6/weights has its classes in another order",
    )
    yield Kind(
        "classes shifted by one",
        lambda t: _on_classes(t, lambda classes: np.roll(np.arange(classes), 1)),
        r"layer_6/weights has its classes shifted by 1",
    )
    yield Kind(
        "scale of one output wrong",
        _changing("layer_5/weights", _one_output),
        r"layer_5/weights has 1 of its outputs multiplied by 1\.2",
    )
    yield Kind(
        "inputs of layer_2 reversed",
        _changing("layer_2/weights", lambda w: w[::-1]),
        "layer_2/weights has its inputs in the opposite order",
    )
    yield Kind(
        "layer_2 and layer_3 swapped",
        _layers_swapped,
        "layer_2/weights is that of layer_3",
    )
    yield Kind(
        "layer_3 negated",
        _changing("layer_3/weights", np.negative),
        "layer_3/weights is negated",
    )
    yield Kind(
        "one bias of layer_2 off by 0.01",
        _changing("layer_2/bias", _one_bias),
        r"layer_2/bias differs in 1 of \d+ numbers",
    )
    yield Kind(
        "units of layer_5 permuted",
        _units_permuted,
        "layer_5/weights has its units in another order",
    )
    yield Kind(
        "a weight that is not a number",
        _changing("layer_6/bias", _not_a_number),
        "layer_6/bias has numbers that are not finite",
    )


def in_structure() -> Iterator[Kind]:
    """Errors in the ops of a file, whose weights are right."""

    def calling(name: str, *given: Any) -> OnFile:
        return lambda file: getattr(file, name)(*given)

    for layer in ("layer_1", "layer_2", "layer_3", "layer_5"):
        yield _op(
            f"clip of {layer} removed",
            calling("no_clip", layer),
            f"{layer} clips nowhere|{layer} does not clip",
        )
    for layer in ("layer_2", "layer_5"):
        yield _op(
            f"ReLU of {layer} removed",
            calling("no_relu", layer),
            f"{layer} (has no|lets negative numbers through .no) ReLU",
        )
    yield _op("softmax missing", calling("no_softmax"), "the softmax is missing")
    yield _op("softmax twice", calling("two_softmaxes"), "the softmax is applied twice")
    yield _op("lengths ignored", calling("lengths_ignored"), "valid frames (are|is) ignored", "len")
    yield _op(
        "hidden state of the last step",
        calling("last_step"),
        "hidden state that comes out is not that after the last valid frame",
        "len",
    )
    yield _op(
        "states swapped as they come in", calling("states_in_swapped"), "that come in are swapped"
    )
    yield _op(
        "states swapped as they come out",
        calling("states_out_swapped"),
        "new cell state and the new hidden state are swapped",
    )
    yield _op("states reset", calling("states_reset", "both"), "each call starts from zeros")
    yield _op(
        "cell state reset",
        calling("states_reset", "cell"),
        "the cell state that comes in is not used",
    )
    yield _op(
        "hidden state reset",
        calling("states_reset", "hidden"),
        "the hidden state that comes in is not used",
    )
    yield _op("states not fed back", calling("states_kept"), "states come out as they came in")
    yield _op("hard sigmoid", calling("hard_sigmoid"), "hard sigmoid|sigmoid_hard")
    yield _op("tanh for the gates", calling("tanh_gates"), "the gates use tanh|tanh, tanh, tanh")
    yield _op(
        "sigmoid for the cell",
        calling("sigmoid_cell"),
        "a sigmoid where tanh belongs|sigmoid, sigmoid, sigmoid",
    )
    yield _op(
        "gates wired in another order", calling("gates_rewired"), r"gates in the order i[cof]"
    )
    yield _op("context off by one", calling("context_off"), "context", "front")
    yield _op(
        "epsilon of 1e-3", calling("epsilon"), "epsilon is 0.001|epsilon of 0.001", "plain", "norm"
    )
    yield _op(
        "normalization removed",
        calling("no_norm"),
        "(is not|no layer is) normalized",
        "plain",
        "norm",
    )


def _op(name: str, change: OnFile, says: str, form: str = "plain", source: str = "") -> Kind:
    return Kind(name, change, says, form, source, of_weights=False)


def _said(name: str) -> str:
    return {"lstm/W": "lstm/input kernel", "lstm/R": "lstm/recurrent kernel"}.get(name, name)


def _dropped(name: str) -> Kind:
    said = name.replace("lstm/b", "lstm/bias")
    return Kind(
        f"{said} dropped",
        _changing(name, np.zeros_like),
        f"{said} is all zero",
    )


def _changing(name: str, change: Callable[[FloatArray], FloatArray]) -> OnTensors:
    """An error in one tensor."""

    def spoil(tensors: Mapping[str, Tensor]) -> None:
        tensors[name].write(np.array(change(tensors[name].floats.copy())))

    return spoil


def _on_gates(tensors: Mapping[str, Tensor], order: str) -> None:
    for name in GATED:
        blocks = np.split(tensors[name].floats, 4, axis=-1)
        moved = np.concatenate([blocks[GATES.index(gate)] for gate in order], axis=-1)
        tensors[name].write(moved)


def _blocks_transposed(kernel: FloatArray) -> FloatArray:
    return np.concatenate([block.T for block in np.split(kernel, 4, axis=1)], axis=1)


def _forget(bias: FloatArray, added: float) -> FloatArray:
    start, cells = GATES.index("f"), len(bias) // 4
    bias[start * cells : (start + 1) * cells] += np.float32(added)
    return bias


def _zeroed(weights: FloatArray, share: float) -> FloatArray:
    chosen = np.random.default_rng(_SEED).random(weights.shape) < share
    return np.where(chosen, np.float32(0), weights)


def _four_bits(weights: FloatArray) -> FloatArray:
    step = np.abs(weights).max() / np.float32(7)
    return np.asarray(np.rint(weights / step) * step, np.float32)


def _noise(weights: FloatArray) -> FloatArray:
    noise = np.random.default_rng(_SEED).standard_normal(weights.shape)
    return np.asarray(weights + 0.01 * weights.std() * noise, np.float32)


def _largest_negated(weights: FloatArray) -> FloatArray:
    weights.flat[np.abs(weights).argmax()] *= -1
    return weights


def _one_output(weights: FloatArray) -> FloatArray:
    weights[:, np.abs(weights).max(axis=0).argmin()] *= np.float32(1.2)
    return weights


def _one_bias(bias: FloatArray) -> FloatArray:
    bias[3] += np.float32(0.01)
    return bias


def _not_a_number(bias: FloatArray) -> FloatArray:
    bias[0] = np.nan
    return bias


def _on_classes(tensors: Mapping[str, Tensor], order: Callable[[int], Any]) -> None:
    chosen = order(len(tensors["layer_6/bias"].floats))
    for part in ("weights", "bias"):
        tensor = tensors[f"layer_6/{part}"]
        tensor.write(tensor.floats[..., chosen])


def _units_permuted(tensors: Mapping[str, Tensor]) -> None:
    order = np.random.default_rng(_SEED).permutation(len(tensors["layer_5/bias"].floats))
    for part in ("weights", "bias"):
        tensor = tensors[f"layer_5/{part}"]
        tensor.write(tensor.floats[..., order])


def _layers_swapped(tensors: Mapping[str, Tensor]) -> None:
    for part in ("weights", "bias"):
        first, second = (tensors[f"layer_{number}/{part}"] for number in (2, 3))
        second_floats = second.floats.copy()
        second.write(first.floats)
        first.write(second_floats)


KINDS = (*in_weights(), *in_structure())
"""All errors, those in weights first."""
