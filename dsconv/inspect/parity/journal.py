"""A file that keeps the clips that are done, so that a run that was stopped goes on from there.

A line of JSON for each clip as it finishes, after a header with what was run: the hashes and
runtimes of all models, the options, and the clips.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import types
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import (
    Any,
    BinaryIO,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import numpy as np

from dsconv.errors import OutputError
from dsconv.inspect.parity.outcome import ClipOutcome, ClipRun, TaskInfo
from dsconv.inspect.parity.pictures import ClipPicture
from dsconv.inspect.parity.reference import ValidationOptions
from dsconv.speech.corpus import ClipSource
from dsconv.version import __version__

_FORMAT = "dsconv-journal-1"

T = TypeVar("T")

Header: TypeAlias = dict[str, Any]


def journal_header(
    info: TaskInfo, options: ValidationOptions, clips: Sequence[ClipSource]
) -> Header:
    """What a journal is of. Models count by their content, recordings by path, size and text."""
    models = [info.reference, *(each.model for each in info.candidates)]
    return {
        "format": _FORMAT,
        "dsconv": __version__,
        "models": [[m.sha256, m.format, m.runtime, m.precision] for m in models],
        "options": repr(options),
        "clips": [len(clips), _digest(clips)],
    }


class Journal:
    """An open journal; `done` are the clips that were in it, by their indices."""

    def __init__(self, file: BinaryIO, done: dict[int, ClipRun]) -> None:
        self._file = file
        self.done = done

    def add(self, index: int, run: ClipRun, *, with_picture: bool) -> None:
        """Write a clip down. It survives the end of the process, whatever ends it."""
        line = {"clip": index, "outcome": to_json_value(run.outcome)}
        if with_picture:
            line["picture"] = to_json_value(run.picture)
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
        raise OutputError(f"{path} was not written by --resume; pass another file.")


def _check_header(path: Path, line: bytes, header: Header) -> None:
    try:
        found = json.loads(line)
        if found["format"] != _FORMAT:
            raise ValueError(found["format"])
    except (ValueError, KeyError, TypeError):
        raise OutputError(f"{path} was not written by --resume; pass another file.") from None
    other = [key for key in header if found.get(key) != header[key]]
    if other:
        names = ", ".join(_MEANINGS[key] for key in other)
        raise OutputError(
            f"{path} is the journal of another run (other {names}); name another file, or delete "
            "it to start again."
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
            index, run = _clip(json.loads(line))
            if type(index) is not int or not 0 <= index < count or index in done:
                raise ValueError(index)
        except (ValueError, KeyError, TypeError, AttributeError, zlib.error) as error:
            if number == len(lines) - 1:
                return done, number
            raise OutputError(
                f"{path} is damaged in line {number + 2}; delete it to start again."
            ) from error
        done[index] = run
    return done, len(lines)


def _clip(values: dict[str, Any]) -> tuple[int, ClipRun]:
    picture = values.get("picture")
    outcome = from_json_value(ClipOutcome, values["outcome"])
    return values["clip"], ClipRun(outcome, picture and from_json_value(ClipPicture, picture))


def _digest(clips: Sequence[ClipSource]) -> str:
    digest = hashlib.sha256()
    for clip in clips:
        row = [clip.name, os.fspath(clip.wav.absolute()), _size(clip.wav), clip.transcript]
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


def to_json_value(value: Any) -> Any:
    """A dataclass, or what it holds, as JSON knows it, exact to the last bit; bytes are packed."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json_value(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.ndarray):
        packed = base64.b64encode(zlib.compress(np.ascontiguousarray(value, np.uint8).tobytes()))
        return {"shape": list(value.shape), "bytes": packed.decode()}
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, Sequence):
        return [to_json_value(item) for item in value]
    if isinstance(value, (bool, int, float)):
        return value
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def from_json_value(kind: type[T], value: Any) -> T:
    """What `to_json_value` made of a value of this type.

    Raises ValueError, TypeError or KeyError for anything else.
    """
    built: T = _built(kind, value)
    return built


def _built(kind: Any, value: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (types.UnionType, Union):
        (some,) = (each for each in arguments if each is not type(None))
        return None if value is None else _built(some, value)
    if origin is np.ndarray:
        data = zlib.decompress(base64.b64decode(value["bytes"], validate=True))
        return np.frombuffer(data, np.uint8).reshape(value["shape"])
    if origin is tuple:
        return tuple(_built(each, item) for each, item in zip(arguments, value, strict=True))
    if origin is not None and issubclass(origin, Sequence):
        return [_built(arguments[0], item) for item in value]
    if is_dataclass(kind):
        return _dataclass(kind, value)
    if issubclass(kind, Enum):
        return kind(value)
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _dataclass(kind: Any, value: Any) -> Any:
    hints = _hints(kind)
    if set(value) != set(hints):
        raise ValueError(f"other fields than those of {kind}")
    return kind(**{name: _built(hints[name], item) for name, item in value.items()})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
