"""The weights of the network read back from a converted file, by the graph that it was made from.

A module for each format finds them where dsconv, or the original exporter, puts them; what the
layers are, and in which order, is known from the graph.
"""

from __future__ import annotations

from dsconv.acoustic.network import Network
from dsconv.acoustic.source import Source
from dsconv.acoustic.stored import StoredNetwork, stored
from dsconv.errors import ConversionError
from dsconv.formats.table import GRAPH, PACKAGE


def read_back(source: Source, key: str, network: Network) -> StoredNetwork:
    """The weights in a file that is run as a model of the format of that key, such as ``onnx``.

    Raises ConversionError if the file holds them in a form that is not known, ModelError if it is
    damaged.
    """
    # A format that others add may run another file than its own.
    if (found := source.format.key) != key:
        raise ConversionError(f"weights are not read back from files of the format '{found}'.")
    if key in (GRAPH.key, PACKAGE.key):
        return stored(source.network)
    if key == "tflite":
        from dsconv.acoustic.read_back.tflite import read_tflite as read
    elif key == "onnx":
        from dsconv.acoustic.read_back.onnx import read_onnx as read
    elif key == "openvino":
        from dsconv.acoustic.read_back.openvino import read_openvino as read
    elif key in ("mlpackage", "mlmodel"):
        from dsconv.acoustic.read_back.coreml import read_core_ml as read
    else:
        raise ConversionError(f"weights are not read back from files of the format '{key}'.")
    return read(source.path, network)
