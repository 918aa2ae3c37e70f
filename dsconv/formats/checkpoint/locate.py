"""Which checkpoint a path names: the files of one, or a folder that says which is the latest.

Training code keeps a text file beside its checkpoints, ``checkpoint`` for the last one and
``best_dev_checkpoint`` for the one that did best on the validation data. A SavedModel, which is a
folder too, keeps one checkpoint in its folder ``variables``.

Source: ``checkpoint_state.proto`` of TensorFlow, ``util/checkpoints.py`` of DeepSpeech 0.9.3,
TensorFlow's guide to the SavedModel format.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from dsconv.errors import ModelError
from dsconv.formats.storage import unreadable

LAST, BEST = "checkpoint", "best_dev_checkpoint"
"""The files that name a checkpoint of their folder."""

SAVED_MODELS = ("saved_model.pb", "saved_model.pbtxt")
"""The file in a folder that makes it a SavedModel, in binary form or as text."""

VARIABLES = "variables"
"""The folder in a SavedModel that holds its checkpoint, and the start of that one's files."""

_PARTS = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")
_NAMED = re.compile(rb'^\s*model_checkpoint_path:\s*"((?:[^"\\\n]|\\.)*)"', re.MULTILINE)
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|(.))")


def find_checkpoint(path: Path, states: Sequence[str] = (BEST, LAST)) -> Path:
    """The prefix of a checkpoint's files.

    `path` is the prefix itself, one of the files, a file that names a checkpoint, a SavedModel, or
    a folder. In a folder the first of `states` that is there names the checkpoint; where no such
    file is, the only checkpoint is taken. Raises ModelError if there is none.
    """
    try:
        if (saved_model := saved_model_folder(path)) is not None:
            return _find_in_saved_model(saved_model)
        if path.is_dir():
            return _find_in_folder(path, states)
        if _PARTS.search(path.name):
            return _existing(path.with_name(_PARTS.sub("", path.name)), path)
        if has_index(path):
            return path
        if path.is_file() and (named := _NAMED.search(path.read_bytes())):
            return _resolve(path, named[1])
    except OSError as error:
        raise unreadable(path, error) from error
    return _existing(path, path)


def has_index(prefix: Path) -> bool:
    """Whether the files of a checkpoint have names that start with this."""
    return bool(prefix.name) and prefix.with_name(f"{prefix.name}.index").is_file()


def saved_model_folder(path: Path) -> Path | None:
    """The folder of a SavedModel, given by itself or by the file in it; None if it is none."""
    if path.is_dir():
        return path if any((path / name).exists() for name in SAVED_MODELS) else None
    return path.parent if path.name in SAVED_MODELS and path.exists() else None


def beside(prefix: Path, name: str) -> list[Path]:
    """The paths of a file that is kept beside a checkpoint, the one that counts most first.

    What lies beside a SavedModel's variables lies in the folder above them.
    """
    folder = prefix.parent if prefix.parent.name else prefix.parent.resolve()
    above = saved_model_folder(folder.parent) if folder.name == VARIABLES else None
    return [prefix.with_name(name), *([above / name] if above is not None else [])]


def _find_in_saved_model(folder: Path) -> Path:
    prefix = folder / VARIABLES / VARIABLES
    if not has_index(prefix):
        raise ModelError(
            f"{folder} is a SavedModel without variables: {prefix}.index does not exist; pass a "
            "training's checkpoint, or a SavedModel whose weights are variables."
        )
    return prefix


def _find_in_folder(folder: Path, states: Sequence[str]) -> Path:
    for name in states:
        state = folder / name
        if state.is_file():
            named = _NAMED.search(state.read_bytes())
            if not named:
                raise ModelError(
                    f"{state} names no checkpoint (model_checkpoint_path); pass an .index file of "
                    "its folder."
                )
            return _resolve(state, named[1])
    found = sorted(folder.glob("*.index"))
    unnamed = not any((folder / name).exists() for name in (BEST, LAST))
    if unnamed and len(found) == 1:
        return found[0].with_suffix("")
    if found:
        names = ", ".join(file.name for file in found)
        raise ModelError(
            f"{folder} has no file '{states[0]}' that says which checkpoint to take; pass one of "
            f"its indexes: {names}."
        )
    raise ModelError(
        f"{folder} holds no checkpoint (no .index file); pass the folder that the training code "
        "saved to (--checkpoint_dir)."
    )


def _resolve(state: Path, escaped: bytes) -> Path:
    """The checkpoint that a file names, by a path from its folder or from another machine's root.

    A folder that was moved still names its old path, so what lies beside the file goes first.
    """
    name = _ESCAPE.sub(_unescape, escaped).decode("utf-8", "replace")
    beside = state.with_name(re.split(r"[/\\]", name)[-1] or name)
    named = state.parent / name
    candidates = [beside, named] if Path(name).is_absolute() else [named, beside]
    for prefix in candidates:
        if has_index(prefix):
            return prefix
    raise ModelError(
        f"{state} names the checkpoint '{name}', but {beside}.index does not exist; copy its "
        "files there, or pass another .index file."
    )


def _unescape(match: re.Match[bytes]) -> bytes:
    """A byte of a text-format message: an octal number, or a character that stands for itself."""
    octal, character = match.groups()
    return bytes([int(octal, 8) & 0xFF]) if octal else bytes(character)


def _existing(prefix: Path, path: Path) -> Path:
    if not has_index(prefix):
        raise ModelError(
            f"{path} names no checkpoint: {prefix}.index does not exist; pass a checkpoint's "
            "folder, its .index file, or what the names of its files start with."
        )
    return prefix
