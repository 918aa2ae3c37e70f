"""What a user knows of a model whose file does not tell it, or tells it wrongly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from dsconv.acoustic.metadata import Metadata
from dsconv.acoustic.network import Network
from dsconv.errors import ConversionError
from dsconv.formats.storage import unreadable
from dsconv.speech.alphabet import Alphabet


@dataclass(frozen=True)
class Overrides:
    """The labels of the classes, and the samples a second; None leaves it to the file."""

    alphabet: Alphabet | None = None
    sample_rate: int | None = None

    @classmethod
    def of(cls, alphabet: Path | None, sample_rate: int | None) -> Overrides:
        """With the alphabet of a file. Raises ModelError if that cannot be read."""
        if alphabet is None:
            return cls(None, sample_rate)
        try:
            return cls(Alphabet.from_file(alphabet), sample_rate)
        except OSError as error:
            raise unreadable(alphabet, error) from error

    def described(self, network: Network) -> Network:
        """The network with what the user knows. Raises ConversionError as `apply` does."""
        return replace(network, metadata=self.apply(network.metadata, network.classes))

    def apply(self, metadata: Metadata, classes: int) -> Metadata:
        """The metadata of a model of so many classes, with what the user knows.

        Raises ConversionError for an alphabet of other classes, and for another sample rate than
        that which the model's own front end was made for.
        """
        given: dict[str, Alphabet | int] = {}
        if self.alphabet is not None:
            given["alphabet"] = self.alphabet
            labels = len(self.alphabet.labels)
            if labels + 1 != classes:
                raise ConversionError(
                    f"it has {classes} classes, one of them the blank, and --alphabet has {labels} "
                    "labels; pass the alphabet that it was trained with."
                )
        if self.sample_rate is not None:
            given["sample_rate"] = self.sample_rate
            own = metadata.sample_rate
            if own not in (None, self.sample_rate) and "sample_rate" not in metadata.assumed:
                raise ConversionError(
                    f"it was trained with {own} Hz according to its metadata, so --sample-rate "
                    f"{self.sample_rate} makes no sense; leave it out."
                )
        assumed = tuple(name for name in metadata.assumed if name not in given)
        return replace(metadata, **given, assumed=assumed)  # type: ignore[arg-type]
