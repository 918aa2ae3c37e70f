"""TFLite, for LiteRT and for the original runtimes that people ship."""
