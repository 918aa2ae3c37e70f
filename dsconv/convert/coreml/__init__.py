"""Core ML, for Apple's devices."""
