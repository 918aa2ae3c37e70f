"""ONNX files: the schema, and reading without the onnx package."""
