"""What an exporter wrote for the runtimes: audio settings, alphabet, language.

Constants named `metadata_*` since 0.6; attributes of the node `model_metadata` in 0.5; nothing
before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from dsconv.graph.dtypes import DataType
from dsconv.graph.graph import Graph
from dsconv.graph.tensor import Tensor
from dsconv.speech.alphabet import Alphabet


@dataclass(frozen=True)
class Metadata:
    """None where this version of the exporter wrote nothing. Windows are in milliseconds."""

    version: int | None = None
    sample_rate: int | None = None
    feature_win_len: int | None = None
    feature_win_step: int | None = None
    beam_width: int | None = None
    language: str | None = None
    alphabet: Alphabet | None = None

    @classmethod
    def from_values(cls, values: Mapping[str, bytes]) -> Metadata:
        """Metadata from the values of the exporters' `metadata_*` tensors, as bytes or digits."""
        numbers = {key: int(values[name]) for key, name in _NUMBERS.items() if name in values}
        language, blob = values.get("metadata_language"), values.get("metadata_alphabet")
        return cls(
            **numbers,
            language=language.decode("utf-8", "replace") if language is not None else None,
            alphabet=Alphabet.from_blob(blob) if blob is not None else None,
        )

    @classmethod
    def from_text(cls, values: Mapping[str, str]) -> Metadata:
        """Metadata from the text properties of a converted file, the inverse of `to_text`."""
        numbers = {key: int(values[name]) for key, name in _NUMBERS.items() if name in values}
        labels = json.loads(values.get("metadata_alphabet", "null"))
        alphabet = None
        if labels is not None:
            alphabet = Alphabet(tuple(label.encode("utf-8", "surrogateescape") for label in labels))
        return cls(**numbers, language=values.get("metadata_language"), alphabet=alphabet)

    def to_text(self) -> dict[str, str]:
        """The metadata as text properties, for formats that hold such.

        The names are those of the graph; the alphabet is a JSON list of its labels, in which a byte
        that is no text stands as a lone surrogate.
        """
        numbers = {name: getattr(self, key) for key, name in _NUMBERS.items()}
        values = {name: str(number) for name, number in numbers.items() if number is not None}
        if self.language is not None:
            values["metadata_language"] = self.language
        if self.alphabet is not None:
            labels = [label.decode("utf-8", "surrogateescape") for label in self.alphabet.labels]
            values["metadata_alphabet"] = json.dumps(labels)
        return values


_NUMBERS = {
    key: f"metadata_{key}"
    for key in ("version", "sample_rate", "feature_win_len", "feature_win_step", "beam_width")
}


def read_metadata(graph: Graph) -> Metadata:
    """The metadata of a graph. Raises ModelError if its alphabet is damaged."""
    if "model_metadata" in graph:
        attributes = graph["model_metadata"].attributes
        numbers = {key: value for key, value in attributes.items() if isinstance(value, int)}
        return Metadata(
            version=1,
            sample_rate=numbers.get("sample_rate"),
            feature_win_len=numbers.get("feature_win_len"),
            feature_win_step=numbers.get("feature_win_step"),
        )
    constants = {
        node.name: graph.constant(node.name) for node in graph if node.name.startswith("metadata_")
    }
    return Metadata.from_values(
        {name: _value(tensor) for name, tensor in constants.items() if tensor and tensor.size}
    )


def _value(tensor: Tensor) -> bytes:
    if tensor.dtype is DataType.STRING:
        return tensor.strings()[0]
    return str(tensor.numbers()[0]).encode()
