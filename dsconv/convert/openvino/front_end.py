"""The audio front end in OpenVINO ops: the samples of a clip to rows of windows of features.

The CPU plugin computes in float32, where what should cancel in a product leaves a rest. Two things
keep that small. The level of a frame, which cheap recorders offset, is taken out before the product
and its known spectrum put back after it. And in a frame that repeats exactly the original op finds
nothing between the multiples of the repetition and meets the floor of the logarithm: such frames
are told by their samples, and those bins are set to zero. What is left are tones in step with the
frame that lack some of their multiples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsconv.acoustic.front_end import feature_settings
from dsconv.acoustic.names import SAMPLES
from dsconv.acoustic.network import Network
from dsconv.convert.openvino.builder import ModelBuilder
from dsconv.speech.features import LOG_FLOOR, fft_length, front_end_matrices
from dsconv.speech.settings import FeatureSettings

# Sums over whole periods are zero but for rounding, about 1e-14; other sums are far larger.
_REST = 1e-9


def add_front_end(builder: ModelBuilder, network: Network) -> Any:
    """From the input of the samples to rows [frames, values of a window of features]."""
    assert network.front_end is not None
    return _FrontEndBuilder(builder, feature_settings(network.front_end)).rows(network)


class _FrontEndBuilder:
    def __init__(self, builder: ModelBuilder, settings: FeatureSettings) -> None:
        self.builder = builder
        self.settings = settings
        self.op = builder.op
        self.zero, self.one = (self.integer(str(number), number) for number in (0, 1))

    def rows(self, network: Network) -> Any:
        """All of it."""
        samples = self.builder.input(network.names.samples or SAMPLES, [-1])
        numbers = self.op(
            "range", "frames/numbers", self.zero, self.frames(samples), self.one, "i64"
        )
        features = self.features(self.windows(samples, numbers))
        context = network.context
        padded = self.padded("features", features, [context, 0], [context, 0])
        windows = self.gathered("features", padded, numbers, 1, 2 * context + 1)
        shape = self.integer("windows/shape", [-1, network.window_values])
        return self.op("reshape", "windows", windows, shape, False)

    def frames(self, samples: Any) -> Any:
        """The number of frames: the full windows, and one more that is filled up."""
        window, step = self.settings.window, self.settings.step
        shape = self.op("shape_of", "samples/shape", samples, "i64")
        count = self.op("squeeze", "samples/count", shape, self.zero)
        more = self.op("add", "samples/more", count, self.integer("more", 2 * step - window))
        full = self.op("divide", "frames/full", more, self.integer("step", step))
        return self.op("maximum", "frames/count", full, self.one)

    def windows(self, samples: Any, numbers: Any) -> Any:
        """Windows of samples [frames, window]."""
        window, step = self.settings.window, self.settings.step
        padded = self.padded("samples", samples, [0], [max(window, step)])
        return self.gathered("samples", padded, numbers, step, window)

    def padded(self, name: str, source: Any, before: list[int], after: list[int]) -> Any:
        """Zeros before and after."""
        ends = [
            self.integer(f"{name}/{end}", sizes)
            for end, sizes in (("before", before), ("behind", after))
        ]
        zero = self.builder.constant(f"{name}/silence", 0.0)
        return self.op("pad", f"{name}/padded", source, *ends, "constant", zero)

    def gathered(self, name: str, source: Any, numbers: Any, step: int, length: int) -> Any:
        """Stretches of `length`, one for each number, `step` apart."""
        column = self.op("unsqueeze", f"{name}/column", numbers, self.one)
        starts = self.op("multiply", f"{name}/starts", column, self.integer(f"{name}/step", step))
        offsets = self.integer(f"{name}/offsets", np.arange(length)[None])
        indices = self.op("add", f"{name}/indices", starts, offsets)
        return self.op("gather", f"{name}/windows", source, indices, self.zero)

    def features(self, windows: Any) -> Any:
        """Features [frames, coefficients] of windows of samples."""
        matrices = front_end_matrices(self.settings)
        taper = matrices.real[:, :1]
        level = self.product("level", windows, taper / taper.sum())
        around = self.op("subtract", "samples/around", windows, level)
        squares = []
        for name in ("real", "imaginary"):
            matrix = getattr(matrices, name)
            part = self.product(name, around, matrix)
            of_level = self.builder.constant(f"{name}/of_level", _sums(matrix))
            put_back = self.op("multiply", f"{name}/level", level, of_level)
            part = self.op("add", f"{name}/whole", part, put_back)
            squares.append(self.op("multiply", f"{name}/square", part, part))
        power = self.op("add", "power", *squares)
        if self.settings.window == fft_length(self.settings.window):
            power = self.without_rest(windows, power, matrices.bins)
        if not self.settings.spectrogram.magnitude_squared:
            power = self.op("sqrt", "magnitude", power)
        energies = self.product("mel", self.op("sqrt", "amplitude", power), matrices.mel)
        floor = self.builder.constant("floor", LOG_FLOOR)
        floored = self.op("maximum", "mel/floored", energies, floor)
        return self.product("cosines", self.op("log", "mel/logarithms", floored), matrices.cosines)

    def without_rest(self, windows: Any, power: Any, bins: int) -> Any:
        """The power, zero in the empty bins of frames that repeat after 1, 2, 4, ... samples."""
        window, period = self.settings.window, 1
        everything = self.builder.constant("period/all", np.ones((1, bins)))
        while 4 * period <= window:
            name = f"period_{period}"
            filled = self.builder.constant(f"{name}/filled", _filled_bins(bins, window // period))
            repeats = self.repeats(name, windows, period)
            kept = self.op("select", f"{name}/kept", repeats, filled, everything)
            power = self.op("multiply", f"{name}/power", power, kept)
            period *= 2
        return power

    def repeats(self, name: str, windows: Any, period: int) -> Any:
        """Whether the samples of a window repeat after a number of samples: [frames, 1]."""
        end, count = self.settings.window, self.integer(f"{name}/samples", [period])
        zero, one = self.integer(f"{name}/start", [0]), self.integer(f"{name}/axis", [1])
        stops = (self.integer(f"{name}/stop_{stop}", [stop]) for stop in (end - period, end))
        first = self.op("slice", f"{name}/first", windows, zero, next(stops), one, one)
        later = self.op("slice", f"{name}/later", windows, count, next(stops), one, one)
        change = self.op(
            "abs", f"{name}/change", self.op("subtract", f"{name}/steps", later, first)
        )
        largest = self.op("reduce_max", f"{name}/largest", change, one, True)
        return self.op(
            "equal", f"{name}/repeats", largest, self.builder.constant(f"{name}/zero", 0.0)
        )

    def product(self, name: str, source: Any, matrix: NDArray[np.float64]) -> Any:
        return self.op(
            "matmul", name, source, self.builder.constant(f"{name}/matrix", matrix), False, False
        )

    def integer(self, name: str, value: Any) -> Any:
        return self.builder.constant(name, value, np.int64)


def _sums(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a constant becomes: the sums of the columns, without the rests of float64."""
    sums = matrix.sum(axis=0, keepdims=True)
    return np.where(np.abs(sums) < _REST, 0.0, sums)


def _filled_bins(bins: int, spacing: int) -> NDArray[np.float64]:
    """1 for the multiples of `spacing` and their neighbours, to which the taper spreads; else 0."""
    distance = np.arange(bins) % spacing
    near = np.minimum(distance, spacing - distance) <= 1
    return np.asarray(near[None], np.float64)
