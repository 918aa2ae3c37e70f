"""The one table of versions: what each version of the training code exports, and what opens it.

Everything else that depends on a version reads it here: labels, features, assumptions, exporters,
runtimes and docs/versions.md. A version is told by what is in a graph; nothing compares names.

Source: the training code of DeepSpeech 0.1.1 to 0.9.3 and of Coqui STT 1.4.0. Which runtime opens
which export was measured: each export went as .pb and as .pbmm to `deepspeech` of each version.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from dsconv.acoustic.front_end import find_front_end
from dsconv.acoustic.metadata import Metadata, read_metadata
from dsconv.acoustic.structure import States, block_lstm, loop_kernels, states_of
from dsconv.formats.graphdef.graph import Graph
from dsconv.speech.alphabet import ENGLISH_CLASSES, Alphabet
from dsconv.speech.settings import EVERY_SECOND, HAMMING, WHOLE_CLIP, EarlySettings

PLACEHOLDER_LANGUAGE = (
    "<language the model was trained on - IETF BCP 47 language tag including at least language, "
    'script and region subtags. E.g. "en-Latn-UK" or "de-Latn-DE" or "cmn-Hans-CN". Include as '
    "much info as you can without loss of precision. For example, if a model is trained on "
    'Scottish English, include the variant subtag: "en-Latn-GB-Scotland".>'
)
"""What the latest exporters write for a model whose language nobody named."""


@dataclass(frozen=True)
class Runtime:
    """An original package that runs models, by its name and version.

    `layer_norm` tells whether it knows layer normalization, `any_steps` whether it takes a model
    for any number of frames a call.
    """

    name: str
    layer_norm: bool = False
    any_steps: bool = False


_DEEPSPEECH_0_6_1 = Runtime("deepspeech 0.6.1")
_DEEPSPEECH_0_9_3 = Runtime("deepspeech 0.9.3", layer_norm=True)
_LATEST_RUNTIMES = (
    _DEEPSPEECH_0_6_1,
    Runtime("deepspeech 0.7.4"),
    Runtime("deepspeech 0.8.2"),
    _DEEPSPEECH_0_9_3,
)
_TFLITE_RUNTIMES = (Runtime("deepspeech-tflite 0.9.3"), Runtime("stt 1.4.0", any_steps=True))


@dataclass(frozen=True, kw_only=True, eq=False)
class Version:
    """A version of the training code, and what the graphs that it exports are like.

    `number` is empty, and `major` is not, where graphs of all of them are alike. `whole_clip` is a
    network that reads a clip from both ends. `early` is how features are made outside of the graph;
    `filter_limit` is the upper limit (Hz) of the filters in the graph, None for half the sample
    rate. `picks_states_by` is the op that takes the states after the last frame, where only that
    tells two versions apart. `graph_version` is that of the metadata, None where there is none;
    `has_alphabet` tells whether the graph holds it. `variables` are names that tell the checkpoints
    of the version, `signatures` those that tell its SavedModels. `runtimes` open its .pb, and where
    they `open_packages` its .pbmm too; `tflite_runtimes` open TFLite models made of its graphs.
    """

    product: str = "DeepSpeech"
    number: str = ""
    major: str = ""
    whole_clip: bool = False
    states: States
    softmax: bool = True
    forget_bias: float
    early: EarlySettings | None = None
    filter_limit: float | None = None
    picks_states_by: str | None = None
    graph_version: int | None = None
    has_alphabet: bool = False
    variables: tuple[str, ...] = ()
    signatures: frozenset[str] = frozenset()
    runtimes: tuple[Runtime, ...] = ()
    open_packages: bool = True
    tflite_runtimes: tuple[Runtime, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Exporter(Version):
    """A version whose graphs dsconv writes from checkpoints, and what it writes differently.

    `name` is the one that `dsconv freeze --exporter` takes. `labels_in_order` tells the order of
    the alphabet in the graph, `default_language` is empty where none is written unless it is named,
    `loads_best` tells whether the best checkpoint of a folder goes before the last, and
    `assumes_english` whether it needs no alphabet for English. `card_prefix` starts the keys of the
    runtimes' versions in the model's card.
    """

    name: str
    writes_beam_width: bool = True
    labels_in_order: bool = True
    default_language: str = PLACEHOLDER_LANGUAGE
    loads_best: bool = True
    assumes_english: bool = True
    card_prefix: str = "ds"


VERSIONS: tuple[Version, ...] = (
    Version(
        number="0.1",
        whole_clip=True,
        states="none",
        softmax=False,
        forget_bias=1.0,
        early=WHOLE_CLIP,
        variables=("h1", "bidirectional_rnn/fw/basic_lstm_cell/kernel"),
        runtimes=(Runtime("deepspeech 0.1.1"),),
        open_packages=False,
    ),
    Version(
        number="0.2",
        states="variables",
        softmax=False,
        forget_bias=1.0,
        early=EVERY_SECOND,
        picks_states_by="Gather",
        variables=("h1", "lstm_fused_cell/kernel"),
        runtimes=(Runtime("deepspeech 0.2.0"),),
    ),
    Version(
        number="0.3",
        states="variables",
        softmax=False,
        forget_bias=1.0,
        early=EVERY_SECOND,
        picks_states_by="GatherNd",
        variables=("h1", "lstm_fused_cell/kernel"),
    ),
    Version(
        number="0.4",
        states="variables",
        forget_bias=1.0,
        early=HAMMING,
        variables=("h1", "lstm_fused_cell/kernel"),
        runtimes=(Runtime("deepspeech 0.4.1"),),
    ),
    Version(
        number="0.5",
        states="variables",
        forget_bias=1.0,
        filter_limit=4000.0,
        graph_version=1,
        variables=("layer_1/weights", "lstm_fused_cell/kernel"),
        runtimes=(Runtime("deepspeech 0.5.1"),),
    ),
    Exporter(
        number="0.6",
        states="inputs and outputs",
        forget_bias=0.0,
        filter_limit=4000.0,
        graph_version=5,
        has_alphabet=True,
        runtimes=(_DEEPSPEECH_0_6_1,),
        name="0.6.1",
        writes_beam_width=False,
        default_language="",
        loads_best=False,
    ),
    Exporter(
        number="0.7 to 0.9",
        states="inputs and outputs",
        forget_bias=0.0,
        graph_version=6,
        has_alphabet=True,
        runtimes=_LATEST_RUNTIMES,
        tflite_runtimes=_TFLITE_RUNTIMES,
        name="0.9.3",
        labels_in_order=False,
    ),
    Exporter(
        product="Coqui STT",
        major="1",
        states="inputs and outputs",
        forget_bias=0.0,
        graph_version=6,
        has_alphabet=True,
        signatures=frozenset({"compute_features", "forward_from_features"}),
        runtimes=_LATEST_RUNTIMES,
        tflite_runtimes=_TFLITE_RUNTIMES,
        name="coqui-1.4.0",
        assumes_english=False,
        card_prefix="stt",
    ),
)
"""A row per version, the oldest first."""

EXPORTERS = {version.name: version for version in VERSIONS if isinstance(version, Exporter)}
"""The exporters whose graphs can be written, by name."""

DEFAULT_EXPORTER = EXPORTERS["0.9.3"]
"""The exporter whose graphs are written unless another one is asked for."""

LATEST_GRAPH_VERSION = max(version.graph_version or 0 for version in VERSIONS)
"""The highest version of the metadata; what has a higher one is taken for the same."""

LATEST = tuple(each for each in VERSIONS if each.graph_version == LATEST_GRAPH_VERSION)
"""The versions that write the latest graphs, which nothing tells apart."""


def label_of(versions: Iterable[Version]) -> str:
    """Versions in words: ``DeepSpeech 0.2 or 0.3``, ``DeepSpeech 0.7 to 0.9, or Coqui STT``."""
    numbers: dict[str, list[str]] = {}
    for version in versions:
        numbers.setdefault(version.product, []).append(version.number)
    return ", or ".join(f"{product} {_either(each)}".strip() for product, each in numbers.items())


def _either(words: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _since() -> str:
    first: dict[str, Version] = {}
    for exporter in EXPORTERS.values():
        first.setdefault(exporter.product, exporter)
    return " or ".join(
        f"{product} {version.number} or later" if version.number else product
        for product, version in first.items()
    )


FREEZABLE = _since()
"""The versions whose checkpoints are frozen, in words."""


def versions_of(graph: Graph, metadata: Metadata, *, softmax: bool) -> tuple[Version, ...]:
    """The versions that export such a graph; several where nothing tells them apart.

    Since there is metadata in graphs, its version tells it, and before that the structure.
    `softmax` tells whether the scores are probabilities. Graphs of no version give none.
    """
    whole_clip = block_lstm(graph) is None
    if whole_clip and len(loop_kernels(graph)) != 2:
        return ()
    if metadata.version is not None and not whole_clip:
        known = tuple(each for each in VERSIONS if each.graph_version == metadata.version)
        return known or LATEST
    states, early = states_of(graph), find_front_end(graph) is None
    found = tuple(
        each
        for each in VERSIONS
        if each.graph_version is None
        and (each.whole_clip, each.states, each.softmax, each.early is not None)
        == (whole_clip, states, softmax, early)
    )
    ops = {node.op for node in graph}
    return tuple(each for each in found if each.picks_states_by in ops)[:1] or found


def complete_metadata(
    graph: Graph, classes: int, *, softmax: bool
) -> tuple[Metadata, EarlySettings | None]:
    """The metadata of a graph with what its version took for granted, and its early features.

    What is filled in, and named in `assumed`, are the sample rate and the windows of features that
    are made outside of the graph, and the English alphabet where a graph of its version holds none
    and has as many classes. Raises ModelError if the graph's own metadata is damaged.
    """
    found = read_metadata(graph)
    version = next(iter(versions_of(graph, found, softmax=softmax)), None)
    if version is None:
        return found, None
    assumed: dict[str, int | Alphabet] = {}
    if version.early is not None:
        assumed = {
            "sample_rate": version.early.sample_rate,
            "feature_win_len": version.early.window_ms,
            "feature_win_step": version.early.step_ms * version.early.every,
        }
    if not version.has_alphabet and classes == ENGLISH_CLASSES:
        assumed["alphabet"] = Alphabet.english()
    missing = {key: value for key, value in assumed.items() if getattr(found, key) is None}
    completed = replace(found, **missing, assumed=tuple(missing))  # type: ignore[arg-type]
    return completed, version.early
