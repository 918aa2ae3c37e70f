"""Benchmarks, side by side with what they are compared to, as ratios from one run."""
