"""The audio front end in MIL: the samples of a clip to the first layer's products.

The spectrum of overlapping windows is a convolution over the samples, and the first layer over
overlapping windows of features is one over the features; so no window is ever copied. The front end
computes in float32 whatever the rest does: its powers exceed float16.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dsconv.acoustic.front_end import feature_settings
from dsconv.acoustic.names import SAMPLES
from dsconv.acoustic.network import DenseLayer, Network
from dsconv.acoustic.weights import values
from dsconv.convert.coreml.builder import ProgramBuilder
from dsconv.speech.features import LOG_FLOOR, front_end_matrices
from dsconv.speech.settings import FeatureSettings

FRONT_END = "front_end"
MATRICES = tuple(f"{FRONT_END}_{name}" for name in ("spectrum", "mel", "cosines"))
"""The ops that hold the front end's own weights."""


def samples_shape(builder: ProgramBuilder, network: Network, most_frames: int) -> Any:
    """The shape of a clip's samples, from the least that make a frame."""
    settings = _settings(network)
    least = max(settings.window - settings.step, 1)
    # One sample more would make one frame more, of what is left over.
    most = settings.window + (most_frames - 1) * settings.step - 1
    most = max(most, least)
    usual = min(settings.window, most)
    return (builder.coremltools.RangeDim(least, most, default=usual),)


def add_front_end(builder: ProgramBuilder, network: Network, first: DenseLayer) -> Any:
    """The first layer's products with its bias [frames, units], of the input of the samples."""
    parts = _FrontEndBuilder(builder, _settings(network))
    samples = builder.value(network.names.samples or SAMPLES)
    return parts.first_layer(parts.features(samples), network, first)


def _settings(network: Network) -> FeatureSettings:
    assert network.front_end is not None
    return feature_settings(network.front_end)


class _FrontEndBuilder:
    def __init__(self, builder: ProgramBuilder, settings: FeatureSettings) -> None:
        self.builder = builder
        self.settings = settings

    def features(self, samples: Any) -> Any:
        """Features [frames, coefficients]."""
        matrices = front_end_matrices(self.settings)
        power = self.power(samples, np.hstack([matrices.real, matrices.imaginary]))
        # The original op takes the root of the power again, to weigh magnitudes.
        magnitude = self.op("sqrt", "magnitude", x=power)
        if not self.settings.spectrogram.magnitude_squared:
            magnitude = self.op("sqrt", "amplitude", x=magnitude)
        energies = self.product("mel", magnitude, matrices.mel)
        floored = self.op("maximum", "floored", x=energies, y=np.float32(LOG_FLOOR))
        logarithms = self.op("log", "logarithms", x=floored, epsilon=np.float32(0))
        return self.product("cosines", logarithms, matrices.cosines)

    def power(self, samples: Any, matrix: Any) -> Any:
        """The power spectrum [frames, bins]; a last frame is filled up with zeros."""
        step, bins = self.settings.step, matrix.shape[1] // 2
        row = self.op("reshape", "samples", x=samples, shape=[1, 1, -1])
        padding = np.zeros((1, 1, step), np.float32)
        padded = self.op("concat", "padded", values=[row, padding], axis=2)
        kernels = np.ascontiguousarray(matrix.T[:, None], np.float32)
        spectrum = self.op(
            "conv", "spectrum", x=padded, weight=kernels, strides=[step], pad_type="valid"
        )
        squares = self.op("square", "squares", x=spectrum)
        halves = self.op("split", "parts", x=squares, split_sizes=[bins, bins], axis=1)
        power = self.op("add", "power", x=halves[0], y=halves[1])
        columns = self.op("transpose", "power_of_frames", x=power, perm=[0, 2, 1])
        return self.op("reshape", "power_rows", x=columns, shape=[-1, bins])

    def first_layer(self, features: Any, network: Network, layer: DenseLayer) -> Any:
        """The products over windows of features, those around the clip being zeros."""
        size, context = network.features, network.context
        edge = np.zeros((context, size), np.float32)
        padded = self.op("concat", "with_context", values=[edge, features, edge], axis=0)
        turned = self.op("transpose", "turned", x=padded, perm=[1, 0])
        row = self.op("expand_dims", "sequence", x=turned, axes=[0])
        window = values(layer.weights).reshape(2 * context + 1, size, layer.units)
        name = f"{layer.name}_product"
        products = self.builder.op(
            "conv",
            name,
            x=row,
            weight=self.builder.wide(f"{name}_weights", window.transpose(2, 1, 0)),
            bias=self.builder.wide(f"{name}_bias", values(layer.bias)),
            pad_type="valid",
        )
        columns = self.builder.op("transpose", f"{name}_of_frames", x=products, perm=[0, 2, 1])
        return self.builder.reshape(f"{name}_rows", columns, [-1, layer.units])

    def product(self, name: str, rows: Any, matrix: Any) -> Any:
        """Rows times a matrix [inputs, outputs]."""
        return self.op("linear", name, x=rows, weight=np.ascontiguousarray(matrix.T, np.float32))

    def op(self, kind: str, name: str, **inputs: Any) -> Any:
        return self.builder.op(kind, f"{FRONT_END}_{name}", **inputs)
