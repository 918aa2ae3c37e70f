"""How a graph makes features from samples: the parameters of its audio ops.

Source: the definitions of AudioSpectrogram and Mfcc in ``tensorflow/core/ops/audio_ops.cc``.
"""

from __future__ import annotations

from dataclasses import replace

from dsconv.acoustic.era import FeatureEra
from dsconv.acoustic.metadata import Metadata
from dsconv.acoustic.parts import FrontEnd
from dsconv.formats.graphdef.node import Node
from dsconv.speech.clip_features import Features
from dsconv.speech.early_features import EVERY_SECOND, HAMMING, WHOLE_CLIP
from dsconv.speech.features import FeatureSettings, MfccSettings, SpectrogramSettings

_EARLY = {
    FeatureEra.WHOLE_CLIP: WHOLE_CLIP,
    FeatureEra.EVERY_SECOND: EVERY_SECOND,
    FeatureEra.HAMMING: HAMMING,
}


def features_of(
    front_end: FrontEnd | None, era: FeatureEra | None, metadata: Metadata
) -> Features | None:
    """How features are made for a graph, None where it does not tell.

    Without a front end it is the way of its era, at the sample rate of the metadata.
    """
    if front_end is not None:
        return feature_settings(front_end)
    if era is None:
        return None
    early = _EARLY[era]
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
    return MfccSettings(
        sample_rate,
        node.attribute_or("dct_coefficient_count", 13),
        node.attribute_or("filterbank_channel_count", 40),
        node.attribute_or("lower_frequency_limit", 20.0),
        node.attribute_or("upper_frequency_limit", 4000.0),
    )
