"""What an exporter wrote for the runtimes: audio settings, alphabet, language.

Constants named `metadata_*`; before, attributes of the node `model_metadata`; at first, nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dsconv.errors import ModelError
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.tensor import Tensor
from dsconv.speech.alphabet import Alphabet


@dataclass(frozen=True)
class Metadata:
    """None where this version of the exporter wrote nothing. Windows are in milliseconds.

    `assumed` names what the file does not say and was filled in.
    """

    version: int | None = None
    sample_rate: int | None = None
    feature_win_len: int | None = None
    feature_win_step: int | None = None
    beam_width: int | None = None
    language: str | None = None
    alphabet: Alphabet | None = None
    assumed: tuple[str, ...] = ()

    @classmethod
    def from_values(cls, values: Mapping[str, bytes]) -> Metadata:
        """Metadata from the values of the exporters' `metadata_*` tensors, as bytes or digits.

        Raises ModelError for values that cannot be.
        """
        numbers = _numbers(values)
        language, blob = values.get("metadata_language"), values.get("metadata_alphabet")
        return cls(
            **numbers,
            language=language.decode("utf-8", "replace") if language is not None else None,
            alphabet=Alphabet.from_blob(blob) if blob is not None else None,
        )

    @classmethod
    def from_text(cls, values: Mapping[str, str]) -> Metadata:
        """Metadata from the text properties of a converted file, the inverse of `to_text`.

        Raises ModelError for values that cannot be.
        """
        numbers = _numbers(values)
        alphabet = None
        if "metadata_alphabet" in values:
            alphabet = Alphabet(tuple(_labels(values["metadata_alphabet"])))
        return cls(**numbers, language=values.get("metadata_language"), alphabet=alphabet)

    def numbers(self) -> dict[str, int]:
        """The numbers among the metadata, by the names of the graph."""
        numbers = {name: getattr(self, key) for key, name in _NUMBERS.items()}
        return {name: number for name, number in numbers.items() if number is not None}

    def to_text(self) -> dict[str, str]:
        """The metadata as text properties, for formats that hold such.

        The names are those of the graph; the alphabet is a JSON list of its labels, in which a byte
        that is no text stands as a lone surrogate.
        """
        values = {name: str(number) for name, number in self.numbers().items()}
        if self.language is not None:
            values["metadata_language"] = self.language
        if self.alphabet is not None:
            labels = [label.decode("utf-8", "surrogateescape") for label in self.alphabet.labels]
            values["metadata_alphabet"] = json.dumps(labels)
        return values


_OF_ATTRIBUTES = 1
"""The version of metadata that is attributes; it does not say so itself."""

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
            version=_OF_ATTRIBUTES,
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


def _numbers(values: Mapping[str, bytes] | Mapping[str, str]) -> dict[str, Any]:
    numbers = {}
    for key, name in _NUMBERS.items():
        if name in values:
            try:
                numbers[key] = int(values[name])
            except ValueError:
                raise ModelError(f"its {name} is {values[name]!r}, not a number.") from None
    return numbers


def _labels(text: str) -> list[bytes]:
    """The labels in a JSON list of texts."""
    try:
        labels = json.loads(text)
        if not isinstance(labels, list):
            raise TypeError
        return [label.encode("utf-8", "surrogateescape") for label in labels]
    except (AttributeError, TypeError, ValueError):
        raise ModelError(
            "its metadata_alphabet is not a JSON list of labels; convert it again."
        ) from None
