"""The form of a Core ML model."""

from __future__ import annotations

from dataclasses import dataclass

from dsconv.convert.coreml.options import CoreMlOptions
from dsconv.convert.form import Form


@dataclass(frozen=True)
class CoreMlForm(Form):
    """A form with what only Core ML knows."""

    core_ml: CoreMlOptions

    @property
    def weights_precision(self) -> str:
        """How the weights are stored: as asked for, or as so many bits that point to a palette."""
        bits = self.core_ml.palette_bits
        return f"palette{bits}" if bits else self.precision
