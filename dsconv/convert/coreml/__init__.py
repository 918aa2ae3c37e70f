"""The Core ML target."""

from dsconv.convert.coreml.target import CoreMlTarget

__all__ = ["CoreMlTarget"]
