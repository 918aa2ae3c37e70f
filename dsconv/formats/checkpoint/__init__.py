"""TensorFlow training checkpoints, read without TensorFlow."""
