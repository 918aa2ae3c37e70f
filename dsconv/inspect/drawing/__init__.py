"""Drawings of the graphs of models, of every format, as SVG."""
