"""The files of checkpoints and SavedModels: the folder that they are below, and they."""

from __future__ import annotations

import glob
from pathlib import Path

from dsconv.formats.checkpoint.locate import SAVED_MODELS, VARIABLES, find_checkpoint

_SAVED_MODEL_FOLDERS = (VARIABLES, "assets")


def checkpoint_files(path: Path) -> tuple[Path, list[Path]]:
    """The index of a checkpoint and its data files, as far as they are there.

    Raises ModelError if a folder does not say which of its checkpoints it is about.
    """
    prefix = find_checkpoint(path)
    pattern = f"{glob.escape(prefix.name)}.data-?????-of-?????"
    index = prefix.with_name(f"{prefix.name}.index")
    return prefix.parent, [index, *sorted(prefix.parent.glob(pattern))]


def saved_model_paths(path: Path) -> tuple[Path, Path]:
    """The folder of a SavedModel and the file with its graphs, given either of them."""
    if path.is_dir():
        return path, path / SAVED_MODELS[0]
    return path.parent, path


def saved_model_files(path: Path) -> tuple[Path, list[Path]]:
    """The file with the graphs of a SavedModel, and those with its values and assets."""
    folder, main = saved_model_paths(path)
    kept = (each for name in _SAVED_MODEL_FOLDERS for each in (folder / name).rglob("*"))
    return folder, [main, *sorted(each for each in kept if each.is_file())]
