"""The description of a model that the exporters write beside the graph, a Markdown file.

Source: `export` and the ``--export_*`` flags in the training code of DeepSpeech 0.9.3 and
Coqui STT 1.4.0, whose texts these are.
"""

from __future__ import annotations

from dataclasses import dataclass

from dsconv.acoustic.versions import PLACEHOLDER_LANGUAGE, Exporter
from dsconv.errors import ConversionError

_CONTACT_INFO = (
    "<public contact information of the author. Can be an email address, or a link to a contact "
    "form, issue tracker, or discussion forum. Must provide a way to reach the model authors>"
)
_LICENSE = (
    "<SPDX identifier of the license of the exported model. See https://spdx.org/licenses/. If the "
    "license does not have an SPDX identifier, use the license name.>"
)
_DESCRIPTION = (
    "<Freeform description of the model being exported. Markdown accepted. You can also leave this "
    "flag unchanged and edit the generated .md file directly. Useful things to describe are "
    "demographic and acoustic characteristics of the data used to train the model, any "
    "architectural changes, names of public datasets that were used when applicable, "
    "hyperparameters used for training, evaluation results on standard benchmark datasets, etc.>"
)
_URLS = {
    "acoustic_model_url": "<replace this with a publicly available URL of the acoustic model>",
    "scorer_url": "<replace this with a publicly available URL of the scorer, if present>",
}


@dataclass(frozen=True)
class ModelCard:
    """What its author says of a model; the defaults are the exporters' and wait to be replaced.

    `min_version` and `max_version` are the versions of the runtimes that it is for; None for the
    exporter's words.
    """

    author_id: str = "author"
    model_name: str = "model"
    model_version: str = "0.0.1"
    contact_info: str = _CONTACT_INFO
    license: str = _LICENSE
    min_version: str | None = None
    max_version: str | None = None
    description: str = _DESCRIPTION

    @property
    def file_name(self) -> str:
        """The name of the file. Raises ConversionError for names that no file can have."""
        names = (self.author_id, self.model_name, self.model_version)
        for name in names:
            if not name or any(character in name for character in "/\\\0"):
                raise ConversionError(
                    f"'{name}' cannot be part of the file name of the model's description; pass "
                    "an author, a model name and a version without slashes."
                )
        return "_".join(names) + ".md"

    def text(self, exporter: Exporter, language: str | None = None) -> str:
        """The contents of the file, for a frozen graph of that exporter.

        `language` is the one in the graph; None for the exporters' placeholder.
        """
        version = f"{exporter.card_prefix}_version"
        head = {
            "author": self.author_id,
            "model_name": self.model_name,
            "model_version": self.model_version,
            "contact_info": self.contact_info,
            "license": self.license,
            "language": PLACEHOLDER_LANGUAGE if language is None else language,
            "runtime": "tensorflow",
            f"min_{version}": self.min_version or _version_placeholder("minimum", exporter),
            f"max_{version}": self.max_version or _version_placeholder("maximum", exporter),
            **_URLS,
        }
        lines = ["---", *(f"{key}: {value}" for key, value in head.items()), "---"]
        return "\n".join([*lines, self.description, ""])


def _version_placeholder(which: str, exporter: Exporter) -> str:
    return f"<{which} {exporter.product} version (inclusive) the exported model is compatible with>"
