"""The TFLite target."""

from dsconv.convert.tflite.target import TfliteTarget

__all__ = ["TfliteTarget"]
