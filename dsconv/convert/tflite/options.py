"""What can be asked of TFLite alone."""

from typing import Literal, TypeAlias

LstmForm: TypeAlias = Literal["loop", "unrolled"]
"""A loop with one copy of the weights, or the exporter's form: a copy of the ops for each step."""
