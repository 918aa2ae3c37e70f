"""The original runtime opens what dsconv writes, and transcribes the same.

Its search takes the time. Where the width of 500 that stands in the demo model does not matter it
is made smaller, as an exporter would; the transcripts stay the same.
"""

from pathlib import Path

import pytest

from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.fixtures import demo_model
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.graphdef.steps import set_steps
from tests.acoustic.edits import constant
from tests.conftest import Transcribe
from tests.convert.conversions import saved

pytestmark = pytest.mark.runtimes

# Every 16-step export that the 0.9.3 runtime opens, and the recording at its rate.
EXPORTS = {
    "coqui-1.4.0-static.pb": 16000,
    "deepspeech-0.9.3-static.pb": 16000,
    "deepspeech-0.9.3-8k-static.pb": 8000,
    "deepspeech-0.9.3-bytes-static.pb": 16000,
    "deepspeech-0.9.3-ln-static.pb": 16000,
}
NARROW = 100
SAID = "she had your dark suit in greasy wash water all year"


def narrowed(source: Path, folder: Path) -> Path:
    """A graph that asks for a narrow search."""
    graph = constant("metadata_beam_width", [NARROW])(open_graph(source))
    return saved(graph, folder / source.name)


@pytest.mark.parametrize("packaged", [False, True], ids=["pb", "pbmm"])
def test_demo_model_transcribes_its_clips(
    packaged: bool, tmp_path: Path, transcribe_originally: Transcribe
) -> None:
    """Every packaged clip gives its own text, as a graph and as a package."""
    model = demo_model.MODEL
    if packaged:
        model = convert_file(TARGETS["pbmm"], narrowed(model, tmp_path)).output
    clips = demo_model.clips()
    texts = transcribe_originally("deepspeech", model, *(clip.wav for clip in clips))
    assert texts == [clip.transcript for clip in clips]


@pytest.mark.models
@pytest.mark.parametrize("name", EXPORTS)
def test_packages_transcribe_as_their_graphs(
    name: str, models: Path, tmp_path: Path, transcribe_originally: Transcribe
) -> None:
    """The runtime maps the package and says what it says for the graph."""
    wav = models / f"LDC93S1_pcms16le_1_{EXPORTS[name]}.wav"
    graph = models / name
    package = convert_file(TARGETS["pbmm"], graph, tmp_path / "a.pbmm").output
    assert transcribe_originally("deepspeech", graph, wav) == [SAID]
    assert transcribe_originally("deepspeech", package, wav) == [SAID]


@pytest.mark.parametrize("steps", [1, 8, 32])
def test_other_numbers_of_steps_run(
    steps: int, tmp_path: Path, transcribe_originally: Transcribe
) -> None:
    """The runtime takes any fixed number of steps."""
    graph = set_steps(open_graph(narrowed(demo_model.MODEL, tmp_path)), steps)
    path = saved(graph, tmp_path / "model.pb")
    clip = demo_model.clips()[0]
    assert transcribe_originally("deepspeech", path, clip.wav) == [clip.transcript]
