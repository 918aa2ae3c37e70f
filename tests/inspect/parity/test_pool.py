"""One pool for all kinds of workers: few clips at once, one set of models, the first error."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from dsconv.acoustic.source import Source
from dsconv.errors import DsconvError, ModelError, ToolkitError
from dsconv.inspect.parity.outcome import ClipOutcome, ClipRun, TaskInfo
from dsconv.inspect.parity.pool import Answer, Pool
from dsconv.inspect.parity.reference import ValidationOptions
from dsconv.inspect.parity.result import ClipInfo, ModelInfo
from dsconv.inspect.parity.task import Clip, Task
from dsconv.progress import ignore_progress
from dsconv.speech.corpus import ClipSource

TASK = Task(Source("model.pb"), (), (), ValidationOptions())
FOUND = TaskInfo(ModelInfo("/there/model.pb", "0" * 64, "pb", "numpy 2.0", "fp32"), [])
ROOM = 3


class LastFirst:
    """Workers that answer the clip that was sent last, once no more have been sent."""

    def __init__(self, answers: dict[int, TaskInfo | Exception]) -> None:
        self._answers = answers
        self._waiting: list[tuple[int, Future[Answer]]] = []
        self.sent: list[int] = []
        self.most = 0
        self._sent_before = 0

    def room(self) -> int:
        sent_before, self._sent_before = self._sent_before, len(self.sent)
        if self._waiting and len(self.sent) == sent_before:
            index, future = self._waiting.pop()
            answer = self._answers[index]
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                clip = ClipInfo(str(index), 1.0, 50, None)
                future.set_result((answer, ClipRun(ClipOutcome(clip, None, []))))
        return ROOM

    def submit(self, clip: Clip | None) -> Future[Answer]:
        future: Future[Answer] = Future()
        if clip is None:
            future.set_result((FOUND, None))
        else:
            self.sent.append(clip.index)
            self._waiting.append((clip.index, future))
            self.most = max(self.most, len(self._waiting))
        return future

    def explain(self, error: Exception) -> DsconvError:
        return ToolkitError(f"explained: {error}")


def run(workers: LastFirst, count: int) -> list[int]:
    """The indices of the clips in the order in which they come."""
    clips = [ClipSource(str(n), Path(f"{n}.wav"), None) for n in range(count)]
    pool = Pool(workers, TASK)
    runs = pool.run(range(count), lambda index: Clip(index, clips[index]), ignore_progress)
    return [index for index, _ in runs]


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsconv.inspect.parity.pool.LOOK_SECONDS", 0.001)


def test_few_clips_are_on_their_way() -> None:
    """As many as there is room for, however many there are; each comes once."""
    workers = LastFirst(dict.fromkeys(range(10), FOUND))
    assert sorted(run(workers, 10)) == workers.sent == list(range(10))
    assert workers.most == ROOM


def test_models_are_named_as_they_were_given() -> None:
    """A worker may find them under another path."""
    assert Pool(LastFirst({}), TASK).info.reference.path == "model.pb"


def test_workers_with_other_models_or_runtimes_are_refused() -> None:
    """Figures of both cannot be mixed."""
    other = replace(FOUND, reference=replace(FOUND.reference, runtime="numpy 1.26"))
    with pytest.raises(ToolkitError, match="different models or versions of a runtime"):
        run(LastFirst({0: FOUND, 1: other}), 2)


def test_the_error_of_the_first_clip_is_raised() -> None:
    """Whichever comes first; what is on its way is waited for, and nothing more is sent."""
    answers: dict[int, TaskInfo | Exception] = dict.fromkeys(range(9), FOUND)
    workers = LastFirst(answers | {1: ModelError("first"), 2: ModelError("second")})
    with pytest.raises(ModelError, match="first"):
        run(workers, 9)
    assert workers.sent == [0, 1, 2]


def test_a_failure_of_the_workers_is_explained() -> None:
    """An error that no clip has is one of the workers."""
    with pytest.raises(ToolkitError, match="explained: lost"):
        run(LastFirst({0: OSError("lost")}), 1)
