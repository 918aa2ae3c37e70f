"""The exporter's metadata as outputs.

The original runtimes look for the op that makes an output, so each is made by a RESHAPE. A string
is a tensor of unknown size, at which they stop to prepare ops: the numbers come first.
"""

from __future__ import annotations

from dsconv.acoustic.metadata import Metadata
from dsconv.convert.tflite.builder import SubgraphBuilder


def add_metadata(graph: SubgraphBuilder, metadata: Metadata) -> list[int]:
    """The outputs, by the exporter's names."""
    outputs = []
    for name, number in metadata.numbers().items():
        source = graph.constant(f"{name}_copy", [number], "int32")
        outputs.append(graph.reshape(source, name, [1], "int32"))
    texts = {}
    if metadata.alphabet is not None:
        texts["metadata_alphabet"] = metadata.alphabet.to_blob()
    if metadata.language is not None:
        texts["metadata_language"] = metadata.language.encode()
    for name, text in texts.items():
        source = graph.text(f"{name}_copy", text)
        outputs.append(graph.reshape(source, name, [1], "string"))
    return outputs
