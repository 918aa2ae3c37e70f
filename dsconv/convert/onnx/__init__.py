"""ONNX, for ONNX Runtime and everything else that reads it."""
