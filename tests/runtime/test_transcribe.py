"""Transcribing without the beam search, which is an extra."""

import sys

import pytest

from dsconv.errors import ToolkitError
from dsconv.fixtures import demo_model
from dsconv.runtime.transcribe import Transcriber
from dsconv.speech.corpus import find_clips


def test_best_path_where_no_beam_search_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The base install transcribes, says how, and refuses a beam with the install line."""
    monkeypatch.setitem(sys.modules, "fast_ctc_decode", None)
    clip = demo_model.clips()[0]
    (source,) = find_clips([clip.wav])
    transcriber = Transcriber(demo_model.MODEL)
    result = transcriber.transcribe(source)
    assert result.text == clip.transcript
    assert transcriber.about["beam"] is None
    assert "best path" in transcriber.summary([result])
    with pytest.raises(ToolkitError, match=r"pip install 'dsconv\[speech\]'"):
        Transcriber(demo_model.MODEL, beam=5).transcribe(source)
