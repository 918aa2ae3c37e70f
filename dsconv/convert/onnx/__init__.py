"""The ONNX target."""

from dsconv.convert.onnx.target import OnnxTarget

__all__ = ["OnnxTarget"]
