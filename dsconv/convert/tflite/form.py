"""The form of a TFLite model."""

from __future__ import annotations

from dataclasses import dataclass

from dsconv.convert.form import Form
from dsconv.convert.tflite.options import LstmForm


@dataclass(frozen=True)
class TfliteForm(Form):
    """A form with that of the LSTM."""

    lstm: LstmForm
