"""What the versions of the training code write differently from the same weights."""

from __future__ import annotations

from dataclasses import dataclass

PLACEHOLDER_LANGUAGE = (
    "<language the model was trained on - IETF BCP 47 language tag including at least language, "
    'script and region subtags. E.g. "en-Latn-UK" or "de-Latn-DE" or "cmn-Hans-CN". Include as '
    "much info as you can without loss of precision. For example, if a model is trained on "
    'Scottish English, include the variant subtag: "en-Latn-GB-Scotland".>'
)
"""What exporters since 0.7 write for a model whose language nobody named."""


@dataclass(frozen=True)
class Exporter:
    """A version of the training code.

    `upper_frequency_limit` (Hz) is that of the MFCCs' filters, None for half the sample rate.
    `labels_in_order` tells the order of the alphabet in the graph, `default_language` is empty
    where none is written unless it is named, `loads_best` tells whether the best checkpoint of a
    folder goes before the last, and `assumes_english` whether it needs no alphabet for English.
    """

    name: str
    product: str
    graph_version: int
    writes_beam_width: bool
    labels_in_order: bool
    upper_frequency_limit: float | None
    default_language: str
    loads_best: bool
    assumes_english: bool


DEEPSPEECH_0_6_1 = Exporter(
    name="0.6.1",
    product="DeepSpeech",
    graph_version=5,
    writes_beam_width=False,
    labels_in_order=True,
    upper_frequency_limit=4000.0,
    default_language="",
    loads_best=False,
    assumes_english=True,
)

DEEPSPEECH_0_9_3 = Exporter(
    name="0.9.3",
    product="DeepSpeech",
    graph_version=6,
    writes_beam_width=True,
    labels_in_order=False,
    upper_frequency_limit=None,
    default_language=PLACEHOLDER_LANGUAGE,
    loads_best=True,
    assumes_english=True,
)

COQUI_1_4_0 = Exporter(
    name="coqui-1.4.0",
    product="Coqui STT",
    graph_version=6,
    writes_beam_width=True,
    labels_in_order=True,
    upper_frequency_limit=None,
    default_language=PLACEHOLDER_LANGUAGE,
    loads_best=True,
    assumes_english=False,
)

EXPORTERS = {
    exporter.name: exporter for exporter in (DEEPSPEECH_0_6_1, DEEPSPEECH_0_9_3, COQUI_1_4_0)
}
"""The exporters whose graphs can be written, by name."""
