"""How a graph makes features from samples: its audio ops and their parameters.

Source: the definitions of AudioSpectrogram and Mfcc in ``tensorflow/core/ops/audio_ops.cc``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dsconv.acoustic.metadata import Metadata
from dsconv.formats.graphdef.graph import CONSTANTS, Graph
from dsconv.formats.graphdef.node import Node
from dsconv.speech.settings import (
    EarlySettings,
    Features,
    FeatureSettings,
    MfccSettings,
    SpectrogramSettings,
    window_samples,
)


@dataclass(frozen=True)
class FrontEnd:
    """The nodes that make features from samples. The sample rate is in Hz."""

    spectrogram: Node
    mfcc: Node
    sample_rate: int | float


def find_front_end(graph: Graph) -> FrontEnd | None:
    """The front end of a graph, None if it takes features."""
    for node in graph:
        if node.op == "Mfcc":
            sources = [graph.source(name) for name in node.data_inputs]
            if [source.op for source in sources[:1]] != ["AudioSpectrogram"] or len(sources) != 2:
                continue
            rate = graph.tensor(sources[1]) if sources[1].op in CONSTANTS else None
            if rate is not None and rate.size == 1:
                return FrontEnd(sources[0], node, rate.numbers()[0])
    return None


def features_of(
    front_end: FrontEnd | None, early: EarlySettings | None, metadata: Metadata
) -> Features | None:
    """How features are made for a graph, None where it does not tell.

    Without a front end it is the `early` way of its version, at the sample rate of the metadata.
    """
    if front_end is not None:
        return feature_settings(front_end)
    if early is None:
        return None
    return replace(early, sample_rate=metadata.sample_rate or early.sample_rate)


def feature_settings(front_end: FrontEnd) -> FeatureSettings:
    """The parameters of a whole front end."""
    return FeatureSettings(
        spectrogram_settings(front_end.spectrogram),
        mfcc_settings(front_end.mfcc, front_end.sample_rate),
    )


def spectrogram_settings(node: Node) -> SpectrogramSettings:
    """The settings in an AudioSpectrogram."""
    return SpectrogramSettings(
        node.attribute("window_size", int),
        node.attribute("stride", int),
        node.attribute_or("magnitude_squared", False),
    )


def mfcc_settings(node: Node, sample_rate: float) -> MfccSettings:
    """The settings in an Mfcc."""
    # TensorFlow leaves out of a frozen graph what is the op's default; these are its defaults.
    return MfccSettings(
        sample_rate,
        node.attribute_or("dct_coefficient_count", 13),
        node.attribute_or("filterbank_channel_count", 40),
        node.attribute_or("lower_frequency_limit", 20.0),
        node.attribute_or("upper_frequency_limit", 4000.0),
    )


def usual_settings(metadata: Metadata, features: int) -> FeatureSettings:
    """What the latest exporters build for a model of so many features, for files that do not say.

    What the metadata lacks is 16000 Hz, windows of 32 ms and steps of 20 ms.
    """
    rate = metadata.sample_rate or 16000
    window, step = metadata.feature_win_len or 32, metadata.feature_win_step or 20
    return FeatureSettings(
        SpectrogramSettings(window_samples(rate, window), window_samples(rate, step), True),
        MfccSettings(rate, coefficients=features, upper_frequency=rate / 2),
    )
