"""What is in a model file, whatever its format, without the format's toolkit."""
