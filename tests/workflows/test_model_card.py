"""The description beside a graph is the text that the original exporters write."""

import pytest

from dsconv.acoustic.versions import EXPORTERS
from dsconv.errors import ConversionError
from dsconv.workflows.model_card import ModelCard

CARD = ModelCard(
    author_id="someone",
    model_name="small",
    model_version="1.2.3",
    contact_info="someone@example.org",
    license="MPL-2.0",
    min_version="0.7",
    max_version="0.9.3",
    description="A model.\n\nIt is small.",
)

TEXT = """\
---
author: someone
model_name: small
model_version: 1.2.3
contact_info: someone@example.org
license: MPL-2.0
language: de-Latn-DE
runtime: tensorflow
min_ds_version: 0.7
max_ds_version: 0.9.3
acoustic_model_url: <replace this with a publicly available URL of the acoustic model>
scorer_url: <replace this with a publicly available URL of the scorer, if present>
---
A model.

It is small.
"""


def test_text() -> None:
    """Key by key, in the exporter's order."""
    assert CARD.text(EXPORTERS["0.9.3"], "de-Latn-DE") == TEXT
    assert CARD.file_name == "someone_small_1.2.3.md"


def test_coqui_names_its_own_versions() -> None:
    """Two keys differ, and their placeholders."""
    coqui = EXPORTERS["coqui-1.4.0"]
    assert CARD.text(coqui, "de-Latn-DE") == TEXT.replace("ds_version", "stt_version")
    assert "\nmin_stt_version: <minimum Coqui STT version (incl" in ModelCard().text(coqui)


def test_defaults_wait_to_be_replaced() -> None:
    """What nobody said is the flag's own help in angle brackets; an empty language stays empty."""
    lines = ModelCard().text(EXPORTERS["0.9.3"]).split("\n")
    filled = {"---", "author: author", "model_name: model", "model_version: 0.0.1", ""}
    placeholders = [line for line in lines if line not in filled and line != "runtime: tensorflow"]
    assert len(placeholders) == 8
    assert all(line.endswith(">") and "<" in line for line in placeholders)
    assert (
        "max_ds_version: <maximum DeepSpeech version (inclusive) the exported model is compatible "
        "with>"
    ) in lines
    assert ModelCard().file_name == "author_model_0.0.1.md"
    assert "\nlanguage: \n" in ModelCard().text(EXPORTERS["0.9.3"], "")


@pytest.mark.parametrize("name", ["a/b", "a\\b", "", "a\0"])
def test_names_that_no_file_can_have(name: str) -> None:
    """They are refused, and named."""
    with pytest.raises(ConversionError, match="cannot be part of the file name"):
        _ = ModelCard(model_name=name).file_name
