"""What is in Core ML models, read without coremltools."""
