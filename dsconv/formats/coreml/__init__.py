"""Core ML files, read without coremltools."""
