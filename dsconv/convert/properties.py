"""What a converted file says about where it comes from, as text properties."""

from __future__ import annotations

from dsconv.acoustic.front_end import features_of
from dsconv.acoustic.network import Network
from dsconv.runtime.model import LOGITS
from dsconv.version import __version__


def properties(network: Network, precision: str, source_sha256: str) -> dict[str, str]:
    """The exporter's metadata, how features are made for the model, and the source."""
    values = network.metadata.to_text()
    features = features_of(network.front_end, network.early, network.metadata)
    if features is not None:
        values["features"] = features.to_text()
    if not network.softmax:
        values["scores"] = LOGITS
    return values | {
        "precision": precision,
        "source_sha256": source_sha256,
        "dsconv_version": __version__,
    }
