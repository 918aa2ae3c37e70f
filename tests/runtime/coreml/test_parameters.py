"""Weights of neural networks are read as dsconv has them stored, and damage is noticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.errors import ConversionError, ModelError
from dsconv.formats.coreml.network import read_weights
from dsconv.formats.protobuf.message import Message
from dsconv.formats.storage import Storage
from dsconv.runtime.coreml.parameters import load_weights
from tests.runtime.coreml.layer_networks import coremltools

VALUES = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)


def message(weights: Any) -> Message:
    """A WeightParams as the reader sees it."""
    return Message.of_storage(Storage.of_bytes(weights.SerializeToString()))


def params(**fields: Any) -> Any:
    """A WeightParams; `scale`, `bias` and `table` are its quantization."""
    weights = coremltools().proto.NeuralNetwork_pb2.WeightParams()
    quantization = weights.quantization
    for name, value in fields.items():
        if name == "bits":
            quantization.numberOfBits = value
        elif name in ("scale", "bias"):
            getattr(quantization.linearQuantization, name).extend(value)
        elif name == "table":
            quantization.lookupTableQuantization.floatValue.extend(value)
        elif name == "floatValue":
            weights.floatValue.extend(value)
        else:
            setattr(weights, name, value)
    if not {"bits", "scale", "table"} & set(fields):
        weights.ClearField("quantization")
    return weights


def test_float32_and_float16() -> None:
    """The same numbers, in row-major order."""
    single = params(floatValue=VALUES.reshape(-1).tolist())
    np.testing.assert_array_equal(load_weights(message(single), (3, 5)), VALUES)
    half = params(float16Value=VALUES.astype("<f2").tobytes())
    expected = VALUES.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(load_weights(message(half), (3, 5)), expected)


def test_floats_in_several_pieces() -> None:
    """A reader has to take packed numbers in pieces, and single ones."""
    pieces = [params(floatValue=part.tolist()).SerializeToString() for part in VALUES]
    found = load_weights(Message.of_storage(Storage.of_bytes(b"".join(pieces))), (3, 5))
    np.testing.assert_array_equal(found, VALUES)
    single = b"".join(b"\x0d" + value.tobytes() for value in VALUES.astype("<f4").reshape(-1))
    found = load_weights(Message.of_storage(Storage.of_bytes(single)), (3, 5))
    np.testing.assert_array_equal(found, VALUES)


@pytest.mark.parametrize("offset", range(4))
def test_aligned_floats_stay_in_the_file(offset: int, tmp_path: Path) -> None:
    """Only what lies at a multiple of 4 bytes can; the others are copied once."""
    # Field 1 of 60 bytes, with a key and a length of a byte each.
    data = params(floatValue=VALUES.reshape(-1).tolist()).SerializeToString()
    path = tmp_path / "weights"
    path.write_bytes(bytes(offset) + data)
    storage = Storage.of_file(path)
    found = load_weights(Message(storage.span(offset, len(storage))), (3, 5))
    np.testing.assert_array_equal(found, VALUES)
    assert found.flags.aligned
    assert not found.flags.writeable
    in_file = np.shares_memory(found, np.frombuffer(storage.view, np.uint8))
    assert in_file == ((offset + 2) % 4 == 0)


def test_linear_quantization_by_hand() -> None:
    """number * scale + bias, for each output channel or for all."""
    raw = bytes([0, 1, 2, 255])
    rows = params(rawValue=raw, bits=8, scale=[0.5, 2.0], bias=[-1.0, 3.0])
    expected = np.array([[-1, -0.5], [7, 513]], np.float32)
    np.testing.assert_array_equal(load_weights(message(rows), (2, 2)), expected)
    single = params(rawValue=raw, bits=8, scale=[0.5], bias=[-1.0])
    expected = np.array([[-1, -0.5], [0, 126.5]], np.float32)
    np.testing.assert_array_equal(load_weights(message(single), (2, 2)), expected)
    without = params(rawValue=raw, bits=8, scale=[0.5])
    expected = np.array([[0, 0.5], [1, 127.5]], np.float32)
    np.testing.assert_array_equal(load_weights(message(without), (2, 2)), expected)


@pytest.mark.parametrize("mode", ["linear_quantization", "linear_quantization_symmetric"])
def test_quantized_by_core_ml_tools(mode: str) -> None:
    """The same numbers as its own way back, to the last bit."""
    utils = coremltools().models.neural_network.quantization_utils
    weights = params(floatValue=VALUES.reshape(-1).tolist())
    utils._quantize_wp_field(weights, 8, f"_{mode}", (3, 5))
    found = load_weights(message(weights), (3, 5))
    assert len(weights.rawValue) == VALUES.size
    utils._dequantize_wp(weights, (3, 5))
    np.testing.assert_array_equal(found, np.array(weights.floatValue, np.float32).reshape(3, 5))
    assert np.abs(found - VALUES).max() < 4 / 2**8


def test_what_a_file_tells_without_loading() -> None:
    """Form, bytes and number of values."""
    single = read_weights(message(params(floatValue=[1.0, 2.0])))
    assert (single.form, single.nbytes, single.bits, single.count) == ("float32", 8, 32, 2)
    half = read_weights(message(params(float16Value=bytes(6))))
    assert (half.form, half.nbytes, half.bits, half.count) == ("float16", 6, 16, 3)
    six = read_weights(message(params(rawValue=bytes(3), bits=6, table=[0.0] * 64)))
    assert (six.form, six.nbytes, six.bits, six.count) == ("quantized", 3, 6, 4)
    assert read_weights(message(params())).form is None


DAMAGED: dict[str, tuple[dict[str, Any], str]] = {
    "too few floats": ({"floatValue": [1.0] * 14}, "56 bytes where their shape .* needs 60"),
    "too many floats": ({"floatValue": [1.0] * 16}, "64 bytes where"),
    "too few halves": ({"float16Value": bytes(29)}, "29 bytes where"),
    "too few numbers": ({"rawValue": bytes(14), "bits": 8, "scale": [1.0]}, "14 bytes where"),
    "too many numbers": ({"rawValue": bytes(16), "bits": 8, "scale": [1.0]}, "16 bytes where"),
    "no values": ({}, "0 bytes where"),
    "scales of other channels": (
        {"rawValue": bytes(15), "bits": 8, "scale": [1.0, 2.0]},
        "3 channels have 2 scales",
    ),
    "biases of other channels": (
        {"rawValue": bytes(15), "bits": 8, "scale": [1.0], "bias": [1.0] * 4},
        "3 channels have 4 scales or biases",
    ),
    "two forms": ({"floatValue": [1.0] * 15, "float16Value": bytes(30)}, "in two forms"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_noticed(name: str) -> None:
    """Sizes that do not fit are no reason to guess."""
    fields, says = DAMAGED[name]
    with pytest.raises(ModelError, match=says):
        load_weights(message(params(**fields)), (3, 5))


UNKNOWN: dict[str, tuple[dict[str, Any], str]] = {
    "raw values without quantization": ({"rawValue": bytes(15)}, "weights of 0 bits"),
    "nine bits": ({"rawValue": bytes(17), "bits": 9, "scale": [1.0]}, "weights of 9 bits"),
    "quantized floats": (
        {"floatValue": [1.0] * 15, "bits": 8, "scale": [1.0]},
        "float32 weights have a quantization",
    ),
    "int8": (
        {"int8RawValue": bytes(15), "bits": 8, "scale": [1.0]},
        r"weights of 8 bits \(int8\)",
    ),
    "four bits": (
        {"rawValue": bytes(8), "bits": 4, "scale": [1.0]},
        r"weights of 4 bits \(quantized\) are quantized in a way that dsconv neither writes",
    ),
    "lookup table": (
        {"rawValue": bytes(15), "bits": 8, "table": [0.0] * 256},
        "weights of 8 bits",
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_forms_that_are_not_known_are_refused(name: str) -> None:
    """They are known to be possible, but not what they mean."""
    fields, says = UNKNOWN[name]
    with pytest.raises(ConversionError, match=says):
        load_weights(message(params(**fields)), (3, 5))


def test_fields_of_a_newer_format_are_refused() -> None:
    """A field without a name here could change the numbers."""
    weights = params(floatValue=VALUES.reshape(-1).tolist())
    weights.MergeFromString(b"\x98\x06\x01")
    with pytest.raises(ConversionError, match=r"weights have fields \[99\]"):
        load_weights(message(weights), (3, 5))


def test_shapes_below_zero_are_noticed() -> None:
    """Two sizes below zero would multiply to a number of values that fits."""
    weights = params(floatValue=VALUES.reshape(-1).tolist())
    with pytest.raises(ModelError, match="where their shape"):
        load_weights(message(weights), (-3, -5))
