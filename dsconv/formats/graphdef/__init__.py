"""TensorFlow graphs without TensorFlow: read, edit, write, plain or as memory-mappable packages."""
