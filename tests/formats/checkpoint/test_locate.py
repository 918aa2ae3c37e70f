"""A checkpoint is found by its folder, by any of its files, or by what their names start with."""

from pathlib import Path

import pytest

from dsconv.errors import ModelError
from dsconv.formats.checkpoint.locate import BEST, LAST, find_checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the best and the last checkpoint of a training."""
    for name in ("best_dev-150", "train-200"):
        (tmp_path / f"{name}.index").touch()
    name_in(tmp_path / LAST, "train-200")
    name_in(tmp_path / BEST, "best_dev-150")
    return tmp_path


def name_in(state: Path, text: str) -> None:
    lines = f'model_checkpoint_path: "{text}"\nall_model_checkpoint_paths: "train-100"\n'
    state.write_text(lines, "utf-8")


@pytest.mark.parametrize(
    ("states", "name"),
    [((BEST, LAST), "best_dev-150"), ((LAST,), "train-200"), ((LAST, BEST), "train-200")],
)
def test_folder(states: tuple[str, ...], name: str, folder: Path) -> None:
    """The first of the files that name a checkpoint counts."""
    assert find_checkpoint(folder, states) == folder / name


def test_folder_without_a_best_one(folder: Path) -> None:
    """The last one is taken, as the exporter does."""
    (folder / BEST).unlink()
    assert find_checkpoint(folder) == folder / "train-200"


@pytest.mark.parametrize(
    "name",
    [
        "train-200",
        "train-200.index",
        "train-200.meta",
        "train-200.data-00000-of-00001",
        "checkpoint",
    ],
)
def test_files(name: str, folder: Path) -> None:
    """Whichever file of a checkpoint is passed."""
    assert find_checkpoint(folder / name) == folder / "train-200"


@pytest.mark.parametrize(
    "text", ["/gone/train-200", r"C:\\training\\train-200", "sub/train-200", r"train\055200"]
)
def test_a_folder_that_was_moved(text: str, folder: Path) -> None:
    """The old place of a checkpoint says its name; its files lie beside the file that says it."""
    name_in(folder / LAST, text)
    assert find_checkpoint(folder, (LAST,)) == folder / "train-200"


def test_a_folder_that_was_copied(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What lies in the folder goes before what its absolute path still leads to."""
    old = tmp_path_factory.mktemp("old")
    (old / "train-200.index").touch()
    name_in(folder / LAST, f"{old}/train-200")
    assert find_checkpoint(folder, (LAST,)) == folder / "train-200"
    (folder / "train-200.index").unlink()
    assert find_checkpoint(folder, (LAST,)) == old / "train-200"


def test_a_path_below_the_folder(folder: Path) -> None:
    """A relative path counts from the folder."""
    (folder / "sub").mkdir()
    (folder / "sub" / "train-200.index").touch()
    name_in(folder / LAST, "sub/train-200")
    assert find_checkpoint(folder, (LAST,)) == folder / "sub" / "train-200"


def test_the_only_checkpoint_of_a_folder(tmp_path: Path) -> None:
    """Where no file names one, there must be only one."""
    (tmp_path / "a.b-1.index").touch()
    assert find_checkpoint(tmp_path) == tmp_path / "a.b-1"
    (tmp_path / "a.b-2.index").touch()
    with pytest.raises(ModelError, match=r"one of its indexes: a.b-1.index, a.b-2.index"):
        find_checkpoint(tmp_path)


def test_what_was_asked_for_is_not_replaced(folder: Path) -> None:
    """The only checkpoint of a folder is not taken for the best one if it is the last."""
    (folder / BEST).unlink()
    (folder / "best_dev-150.index").unlink()
    with pytest.raises(ModelError, match="no file 'best_dev_checkpoint'"):
        find_checkpoint(folder, (BEST,))


def test_what_is_missing_is_named(folder: Path) -> None:
    """Folders, files and prefixes that lead to no checkpoint."""
    (folder / "train-200.index").unlink()
    with pytest.raises(ModelError, match=r"names the checkpoint 'train-200', but .*train-200"):
        find_checkpoint(folder, (LAST,))
    with pytest.raises(ModelError, match=r"train-200.index does not exist"):
        find_checkpoint(folder / "train-200.meta")
    with pytest.raises(ModelError, match=r"other names no checkpoint"):
        find_checkpoint(folder / "other")
    (folder / LAST).write_text("nothing")
    with pytest.raises(ModelError, match=r"checkpoint names no checkpoint"):
        find_checkpoint(folder, (LAST,))
    (folder / "empty").mkdir()
    with pytest.raises(ModelError, match=r"empty holds no checkpoint"):
        find_checkpoint(folder / "empty")
