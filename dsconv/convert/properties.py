"""What a converted file says about where it comes from, as text properties."""

from __future__ import annotations

from dsconv import __version__
from dsconv.acoustic.front_end import feature_settings
from dsconv.convert.options import Plan


def properties(plan: Plan, source_sha256: str) -> dict[str, str]:
    """The exporter's metadata, how features are made for the model, and the source."""
    network = plan.network
    values = network.metadata.to_text()
    if network.front_end is not None:
        values["features"] = feature_settings(network.front_end).to_text()
    return values | {
        "precision": plan.weights_precision,
        "source_sha256": source_sha256,
        "dsconv_version": __version__,
    }
