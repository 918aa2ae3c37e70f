"""Names of tensors in Core ML models."""

import re


def core_ml_name(name: str) -> str:
    """What Core ML Tools call a tensor: letters, digits and underscores, no digit first."""
    name = re.sub(r"\W", "_", name, flags=re.ASCII)
    return f"_{name}" if name[:1].isdigit() else name
