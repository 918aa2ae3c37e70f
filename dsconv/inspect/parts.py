"""The files of models that are more than one file: the folder that they are below, and they."""

from __future__ import annotations

import glob
from pathlib import Path

from dsconv.formats.checkpoint.locate import SAVED_MODELS, VARIABLES, find_checkpoint
from dsconv.formats.identify import FileFormat

_SAVED_MODEL_FOLDERS = (VARIABLES, "assets")


def model_files(path: Path, found: FileFormat) -> tuple[Path, list[Path]]:
    """The folder and the files of a checkpoint or a SavedModel; of any other model itself.

    Raises ModelError if a folder does not say which of its checkpoints it is about.
    """
    if found is FileFormat.CHECKPOINT:
        return checkpoint_files(find_checkpoint(path))
    if found is FileFormat.SAVED_MODEL:
        return _saved_model_files(path)
    return path.parent, [path]


def checkpoint_files(prefix: Path) -> tuple[Path, list[Path]]:
    """The index of a checkpoint and its data files, as far as they are there."""
    pattern = f"{glob.escape(prefix.name)}.data-?????-of-?????"
    index = prefix.with_name(f"{prefix.name}.index")
    return prefix.parent, [index, *sorted(prefix.parent.glob(pattern))]


def saved_model_parts(path: Path) -> tuple[Path, Path]:
    """The folder of a SavedModel and the file with its graphs, given either of them."""
    if path.is_dir():
        return path, path / SAVED_MODELS[0]
    return path.parent, path


def _saved_model_files(path: Path) -> tuple[Path, list[Path]]:
    folder, main = saved_model_parts(path)
    kept = (each for name in _SAVED_MODEL_FOLDERS for each in (folder / name).rglob("*"))
    return folder, [main, *sorted(each for each in kept if each.is_file())]
