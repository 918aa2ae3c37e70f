"""Core ML programs, evaluated in numpy from the saved file."""
