"""The audio front end in standard ops: the samples of a clip to rows of windows of features.

The spectrum is a product in float64, as the original op computes it; silence and tones then meet
the floor of the logarithm where they met it there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dsconv.acoustic.front_end import feature_settings
from dsconv.acoustic.names import SAMPLES
from dsconv.acoustic.network import Network
from dsconv.convert.onnx.builder import GraphBuilder
from dsconv.formats.toolkits import import_onnx
from dsconv.speech.features import LOG_FLOOR, front_end_matrices
from dsconv.speech.settings import FeatureSettings


def add_front_end(builder: GraphBuilder, network: Network) -> str:
    """From the input of the samples to rows [frames, values of a window of features]."""
    assert network.front_end is not None
    return _FrontEndBuilder(builder, feature_settings(network.front_end)).rows(network)


class _FrontEndBuilder:
    def __init__(self, builder: GraphBuilder, settings: FeatureSettings) -> None:
        self.builder = builder
        self.settings = settings
        element = import_onnx().TensorProto
        self.float, self.double = element.FLOAT, element.DOUBLE
        self.zero, self.one = self.constant("zero", 0), self.constant("one", 1)

    def rows(self, network: Network) -> str:
        """All of it."""
        samples = self.builder.input(network.names.samples or SAMPLES, ["samples"])
        starts = self.node("Range", [self.zero, self.frames(samples), self.one], "frames/numbers")
        features = self.features(self.windows(samples, starts))
        context, size = network.context, network.features
        padding = self.constant("features/padding", [context, 0, context, 0])
        padded = self.node("Pad", [features, padding], "features/padded")
        windows = self.gathered("features", padded, starts, 1, 2 * context + 1)
        shape = self.constant("windows/shape", [-1, (2 * context + 1) * size])
        return self.node("Reshape", [windows, shape], "windows")

    def frames(self, samples: str) -> str:
        """The number of frames: the full windows, and one more that is filled up."""
        window, step = self.settings.window, self.settings.step
        count = self.node("Size", [samples], "samples/count")
        more = self.node("Add", [count, self.constant("more", 2 * step - window)], "samples/more")
        full = self.node("Div", [more, self.constant("step", step)], "frames/full")
        return self.node("Max", [full, self.one], "frames/count")

    def windows(self, samples: str, numbers: str) -> str:
        """Windows of samples [frames, window]."""
        window, step = self.settings.window, self.settings.step
        padding = self.constant("samples/padding", [0, max(window, step)])
        padded = self.node("Pad", [samples, padding], "samples/padded")
        return self.gathered("samples", padded, numbers, step, window)

    def gathered(self, name: str, source: str, numbers: str, step: int, length: int) -> str:
        """Stretches of `length`, one for each number, `step` apart."""
        column = self.node("Unsqueeze", [numbers, self.one], f"{name}/column")
        starts = self.node("Mul", [column, self.constant(f"{name}/step", step)], f"{name}/starts")
        offsets = self.constant(f"{name}/offsets", np.arange(length))
        indices = self.node("Add", [starts, offsets], f"{name}/indices")
        return self.node("Gather", [source, indices], f"{name}/windows", axis=0)

    def features(self, windows: str) -> str:
        """Features [frames, coefficients] of windows of samples."""
        matrices = front_end_matrices(self.settings)
        exact = self.node("Cast", [windows], "samples/exact", to=self.double)
        squares = []
        for name in ("real", "imaginary"):
            part = self.product(name, exact, getattr(matrices, name))
            squares.append(self.node("Mul", [part, part], f"{name}/square"))
        power = self.node("Add", squares, "power")
        # The original op hands its spectrum on in float32.
        if not self.settings.spectrogram.magnitude_squared:
            power = self.node("Sqrt", [power], "magnitude")
        rounded = self.node("Cast", [power], "spectrum", to=self.float)
        spectrum = self.node("Cast", [rounded], "spectrum/exact", to=self.double)
        energies = self.product("mel", self.node("Sqrt", [spectrum], "amplitude"), matrices.mel)
        floor = self.constant("floor", LOG_FLOOR, np.float64)
        floored = self.node("Max", [energies, floor], "mel/floored")
        logarithms = self.node("Log", [floored], "mel/logarithms")
        features = self.product("cosines", logarithms, matrices.cosines)
        return self.node("Cast", [features], "features", to=self.float)

    def product(self, name: str, source: str, matrix: Any) -> str:
        return self.node(
            "MatMul", [source, self.constant(f"{name}/matrix", matrix, np.float64)], name
        )

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        return self.builder.node(op, inputs, output, **attributes)

    def constant(self, name: str, value: Any, dtype: Any = np.int64) -> str:
        return self.builder.constant(name, value, dtype)
