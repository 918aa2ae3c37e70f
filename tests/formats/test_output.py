"""An output appears whole or not at all."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsconv.errors import OutputError
from dsconv.formats.output import MANIFEST, new_file, new_files


def test_a_finished_file_is_renamed_into_place(tmp_path: Path) -> None:
    """Until the end there is only a partial file; then there is only the file."""
    path = tmp_path / "a"
    with new_file(path) as file:
        file.write(b"x")
        assert not path.exists()
    assert path.read_bytes() == b"x"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    """What was there before a failed attempt is there after it, and nothing else."""
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), new_file(path, force=True) as file:
        file.write(b"new")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "says"), [("no/such/a", "is not a folder; create it"), (".", "is a folder")]
)
def test_places_that_take_no_file(name: str, says: str, tmp_path: Path) -> None:
    """A wrong path is refused before any work."""
    with pytest.raises(OutputError, match=says), new_file(tmp_path / name):
        pytest.fail("the block must not run")


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"this system mounts no tmpfs: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_nothing(full_disk: Path, small_model: Path) -> None:
    """The error says so with exit code 6, and the partial file is gone."""
    model = full_disk / "output_graph.pb"
    model.write_bytes(small_model.read_bytes()[:1])
    target = full_disk / "a.pbmm"
    command = [sys.executable, "-m", "dsconv", "pbmm", str(small_model), "-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 6
    assert "cannot be written (No space left on device)" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(full_disk.iterdir()) == [model]


def test_a_limit_on_file_size_leaves_nothing(small_model: Path, tmp_path: Path) -> None:
    """The same where a quota ends the file, for users without root."""
    command = [sys.executable, "-m", "dsconv", "pbmm", str(small_model)]
    command += ["-o", str(tmp_path / "a.pbmm")]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert done.returncode == 6
    assert "cannot be written" in done.stderr
    assert list(tmp_path.iterdir()) == []


def package(path: Path, text: str) -> Path:
    """A folder that is taken for one file."""
    path.mkdir()
    (path / MANIFEST).write_text(text)
    return path


def test_a_package_takes_the_place_of_another(tmp_path: Path) -> None:
    """With force; without it the old one is named and stays."""
    path = package(tmp_path / "a.mlpackage", "old")
    (path / "more").write_text("left over")
    with pytest.raises(OutputError, match="exists; pass --force"), new_files([path]):
        pass
    with new_files([path], force=True) as folder:
        package(folder / path.name, "new")
    assert [entry.name for entry in path.iterdir()] == [MANIFEST]
    assert (path / MANIFEST).read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_package_stays_if_the_new_one_is_missing(tmp_path: Path) -> None:
    """What was moved out of the way comes back."""
    path = package(tmp_path / "a.mlpackage", "old")
    with pytest.raises(OutputError), new_files([path], force=True):
        pass
    assert (path / MANIFEST).read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_no_package_is_never_replaced(tmp_path: Path) -> None:
    """Even with force."""
    path = tmp_path / "a.mlpackage"
    path.mkdir()
    with pytest.raises(OutputError, match="is a folder"), new_files([path], force=True):
        pass
