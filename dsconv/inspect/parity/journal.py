"""A file that keeps the clips that are done, so that a run that was stopped goes on from there.

A line of JSON for each clip as it finishes, after a header that says what was run: the hashes and
runtimes of all models, the options, and the clips.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from dsconv.errors import OutputError
from dsconv.inspect.parity.options import Options
from dsconv.inspect.parity.outcome import ClipOutcome, ClipRun, ContestInfo
from dsconv.inspect.parity.pictures import ClipPicture
from dsconv.inspect.parity.plain import from_plain, to_plain
from dsconv.speech.corpus import ClipSource
from dsconv.version import __version__

_FORMAT = "dsconv-journal-1"

Header: TypeAlias = dict[str, Any]


def journal_header(info: ContestInfo, options: Options, clips: Sequence[ClipSource]) -> Header:
    """What a journal is of. Models count by their content, recordings by path, size and text."""
    models = [info.reference, *(each.model for each in info.contestants)]
    return {
        "format": _FORMAT,
        "dsconv": __version__,
        "models": [[m.sha256, m.format, m.runtime, m.precision] for m in models],
        "options": repr(options),
        "clips": [len(clips), _digest(clips)],
    }


class Journal:
    """An open journal; `done` are the clips that it held, by their places."""

    def __init__(self, file: BinaryIO, done: dict[int, ClipRun]) -> None:
        self._file = file
        self.done = done

    def add(self, place: int, run: ClipRun, *, with_picture: bool) -> None:
        """Write a clip down. It survives the end of the process, whatever ends it."""
        line = {"clip": place, "outcome": to_plain(run.outcome)}
        if with_picture:
            line["picture"] = to_plain(run.picture)
        self._write(line)

    def begin(self, header: Header) -> None:
        """Write the first line."""
        self._write(header)

    def _write(self, values: dict[str, Any]) -> None:
        try:
            self._file.write(json.dumps(values, separators=(",", ":")).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise _unusable(Path(self._file.name), error) from error


@contextmanager
def open_journal(path: Path, header: Header) -> Iterator[Journal]:
    """Go on with a journal, or begin one.

    A last line that was cut is dropped. Raises OutputError if the file is of another run, is no
    journal or cannot be written.
    """
    try:
        file = path.open("r+b" if path.exists() else "x+b")
    except OSError as error:
        raise _unusable(path, error) from error
    with file:
        _lock(path, file)
        lines = _whole_lines(file)
        if lines:
            _check_header(path, lines[0], header)
        else:
            _check_cut_header(path, file)
        done, kept = _clips(path, lines[1:], header["clips"][0])
        file.seek(sum(map(len, lines[: 1 + kept])))
        file.truncate()
        journal = Journal(file, done)
        if not lines:
            journal.begin(header)
        yield journal


def _lock(path: Path, file: BinaryIO) -> None:
    """Keep other runs off the file, where the system can."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise OutputError(f"{path} is in use by another run; name another file.") from None


def _whole_lines(file: BinaryIO) -> list[bytes]:
    """The lines that end with a newline."""
    return [line for line in file if line.endswith(b"\n")]


def _check_cut_header(path: Path, file: BinaryIO) -> None:
    """A file without a whole line is one whose header was cut, or none of ours."""
    file.seek(0)
    start = b'{"format":"' + _FORMAT.encode()
    if not start.startswith(file.read(len(start))):
        raise OutputError(f"{path} is no journal of --resume; name another file.")


def _check_header(path: Path, line: bytes, header: Header) -> None:
    try:
        found = json.loads(line)
        if found["format"] != _FORMAT:
            raise ValueError(found["format"])
    except (ValueError, KeyError, TypeError):
        raise OutputError(f"{path} is no journal of --resume; name another file.") from None
    other = [key for key in header if found.get(key) != header[key]]
    if other:
        names = ", ".join(_MEANINGS[key] for key in other)
        raise OutputError(
            f"{path} is the journal of another run (other {names}); name another file, or delete "
            "it to begin anew."
        )


_MEANINGS = {
    "dsconv": "version of dsconv",
    "models": "models or runtimes",
    "options": "options",
    "clips": "clips",
}


def _clips(path: Path, lines: Sequence[bytes], count: int) -> tuple[dict[int, ClipRun], int]:
    """The clips of the lines, and how many lines are whole: what ended a run may spoil the last."""
    done: dict[int, ClipRun] = {}
    for number, line in enumerate(lines):
        try:
            place, run = _clip(json.loads(line))
            if type(place) is not int or not 0 <= place < count or place in done:
                raise ValueError(place)
        except (ValueError, KeyError, TypeError, AttributeError, zlib.error) as error:
            if number == len(lines) - 1:
                return done, number
            raise OutputError(
                f"{path} is damaged in line {number + 2}; delete it to begin anew."
            ) from error
        done[place] = run
    return done, len(lines)


def _clip(values: dict[str, Any]) -> tuple[int, ClipRun]:
    picture = values.get("picture")
    outcome = from_plain(ClipOutcome, values["outcome"])
    return values["clip"], ClipRun(outcome, picture and from_plain(ClipPicture, picture))


def _digest(clips: Sequence[ClipSource]) -> str:
    digest = hashlib.sha256()
    for clip in clips:
        row = [clip.name, os.fspath(clip.wav.absolute()), _size(clip.wav), clip.text]
        digest.update(json.dumps(row).encode() + b"\n")
    return digest.hexdigest()


def _size(path: Path) -> int | None:
    """The bytes of a file, None where only the workers of a cluster see it."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def _unusable(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(f"{path} cannot be written ({reason}); choose another file for --resume.")
