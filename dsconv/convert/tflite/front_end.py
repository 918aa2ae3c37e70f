"""The audio front end: the custom ops that TensorFlow Lite has for it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from flatbuffers import flexbuffers

from dsconv.acoustic.front_end import feature_settings
from dsconv.acoustic.names import FEATURES, SAMPLES
from dsconv.acoustic.network import Network
from dsconv.convert.tflite.builder import SubgraphBuilder
from dsconv.speech.features import fft_length
from dsconv.speech.settings import FeatureSettings


def add_window_front_end(graph: SubgraphBuilder, network: Network) -> tuple[int, int]:
    """The input of a window of samples, and its features [1, features]."""
    assert network.front_end is not None
    settings = feature_settings(network.front_end)
    samples = graph.tensor(network.names.samples or SAMPLES, [settings.window])
    column = graph.reshape(samples, "samples/column", [settings.window, 1])
    features = _mfcc(graph, column, settings, 1)
    name = network.names.features or FEATURES
    return samples, graph.reshape(features, name, [1, settings.mfcc.coefficients])


def add_clip_front_end(graph: SubgraphBuilder, network: Network) -> tuple[int, int]:
    """The input of the samples of a clip, and rows [frames, values of a window of features]."""
    assert network.front_end is not None
    settings = feature_settings(network.front_end)
    samples = graph.tensor(network.names.samples or SAMPLES, [-1])
    padded = _padded(graph, samples, settings)
    column = graph.reshape(padded, "samples/column", [-1, 1])
    features = _mfcc(graph, column, settings, -1)
    rows = graph.reshape(features, "features", [-1, network.features])
    return samples, _windows(graph, rows, network)


def _padded(graph: SubgraphBuilder, samples: int, settings: FeatureSettings) -> int:
    """The samples with a window more, filled up with zeros: a step, or what a window lacks."""
    shape = graph.shape_of(samples, "samples/shape", 1)
    missing = graph.op(
        "SUB", [graph.integers(settings.window), shape], "samples/missing", [1], dtype="int32"
    )
    after = graph.op(
        "MAXIMUM", [missing, graph.integers(settings.step)], "samples/behind", [1], dtype="int32"
    )
    ends = graph.op(
        "PACK",
        [graph.integers([0]), after],
        "samples/ends",
        [1, 2],
        dtype="int32",
        values_count=2,
        axis=1,
    )
    return graph.op("PAD", [samples, ends], "samples/padded", [-1])


def _mfcc(graph: SubgraphBuilder, column: int, settings: FeatureSettings, frames: int) -> int:
    """Features [1, frames, coefficients] of a column of samples."""
    spectrogram, mfcc = settings.spectrogram, settings.mfcc
    mfcc.check()
    bins = fft_length(spectrogram.window) // 2 + 1
    spectra = graph.tensor("spectra", [1, frames, bins])
    options: dict[str, bool | int | float] = {
        "magnitude_squared": spectrogram.magnitude_squared,
        "stride": spectrogram.stride,
        "window_size": spectrogram.window,
    }
    graph.add(
        "CUSTOM", [column], [spectra], custom="AudioSpectrogram", custom_options=_flexible(options)
    )
    features = graph.tensor("spectra/features", [1, frames, mfcc.coefficients])
    options = {
        "dct_coefficient_count": mfcc.coefficients,
        "filterbank_channel_count": mfcc.channels,
        "lower_frequency_limit": float(mfcc.lower_frequency),
        "upper_frequency_limit": float(mfcc.upper_frequency),
    }
    rate = graph.constant("sample_rate", int(mfcc.sample_rate), np.int32)
    graph.add(
        "CUSTOM", [spectra, rate], [features], custom="Mfcc", custom_options=_flexible(options)
    )
    return features


def _windows(graph: SubgraphBuilder, features: int, network: Network) -> int:
    """Each frame with its context, as a row."""
    context, size = network.context, network.features
    zeros = graph.constant("features/zeros", [[context, context], [0, 0]], np.int32)
    padded = graph.op("PAD", [features, zeros], "features/padded", [-1, size])
    count = graph.length(features, "frames/count")
    numbers = graph.op(
        "RANGE",
        [graph.integers(0), count, graph.integers(1)],
        "frames/numbers",
        [-1],
        dtype="int32",
    )
    column = graph.reshape(numbers, "frames/column", [-1, 1], "int32")
    offsets = graph.constant("frames/offsets", np.arange(2 * context + 1)[None], np.int32)
    around = [-1, 2 * context + 1]
    indices = graph.op("ADD", [column, offsets], "frames/around", around, dtype="int32")
    windows = graph.op("GATHER", [padded, indices], "frames/windows", [*around, size], axis=0)
    return graph.reshape(windows, "windows", [-1, network.window_values])


def _flexible(options: Mapping[str, bool | int | float]) -> bytes:
    """Options of a custom op."""
    builder = flexbuffers.Builder()
    with builder.Map():
        for key, value in options.items():
            if isinstance(value, bool):
                builder.Bool(key, value)
            elif isinstance(value, int):
                builder.Int(key, value)
            else:
                builder.Float(key, value)
    return bytes(builder.Finish())
