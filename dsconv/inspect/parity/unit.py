"""What a worker process does, local or of a cluster: one clip at a time, the models opened once."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass

from dsconv.inspect.parity.contest import Clip, Contest, OpenContest
from dsconv.inspect.parity.outcome import ClipRun, ContestInfo
from dsconv.inspect.parity.plain import to_plain
from dsconv.runtime.threads import one_thread

# Models keep states between calls, and one number of threads holds for the whole process: a worker
# with several threads runs one clip after the other.
_busy = threading.Lock()
# The models of the run that the process works for; those of an earlier one make way.
_opened: dict[tuple[str, Contest], OpenContest] = {}


@dataclass(frozen=True)
class Answer:
    """A clip that a worker has run. `fingerprint` is that of its models and runtimes."""

    place: int
    fingerprint: str
    run: ClipRun


def describe(run_name: str, contest: Contest) -> ContestInfo:
    """Open the models, and say what they are. A name stands for one run of the whole."""
    with _busy, one_thread():
        return _open(run_name, contest).info


def run_clip(run_name: str, contest: Contest, clip: Clip) -> Answer:
    """Run one clip, with models that may be open already."""
    with _busy, one_thread():
        opened = _open(run_name, contest)
        return Answer(clip.place, fingerprint(opened.info), opened.run(clip))


def forget(run_name: str) -> None:
    """Close the models of a run."""
    with _busy:
        for key in [key for key in _opened if key[0] == run_name]:
            del _opened[key]


def fingerprint(info: ContestInfo) -> str:
    """A hash of all that is known of the models: contents, runtimes, versions."""
    return hashlib.sha256(json.dumps(to_plain(info)).encode()).hexdigest()


def _open(run_name: str, contest: Contest) -> OpenContest:
    key = run_name, contest
    if key not in _opened:
        _opened.clear()
        _opened[key] = OpenContest(contest)
    return _opened[key]
