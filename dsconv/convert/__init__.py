"""Targets: the formats that dsconv converts to."""
