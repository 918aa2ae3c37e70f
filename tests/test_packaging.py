"""The built wheel holds what a user needs, and the metadata is sound."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dsconv.fixtures import demo_model

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_wheel_holds_the_demo_model_and_its_speech(wheel: Path) -> None:
    """The package data travels with the code, the tests do not."""
    names = set(zipfile.ZipFile(wheel).namelist())
    data = "dsconv/fixtures/data/"
    assert {data + "output_graph.pb", data + "alphabet.txt"} <= names
    assert {data + clip.wav.name for clip in demo_model.clips()} <= names
    assert not any(name.startswith(("tests/", "tools/", "benchmarks/")) for name in names)


def test_wheel_works_by_itself(wheel: Path, tmp_path: Path) -> None:
    """The wheel, without the checkout, runs the demo."""
    program = f"import sys; sys.path[0] = {str(wheel.with_suffix('.d'))!r}\n"
    zipfile.ZipFile(wheel).extractall(wheel.with_suffix(".d"))
    program += "import dsconv; print(dsconv.__file__); from dsconv.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "demo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert str(wheel.with_suffix(".d")) in done.stdout
    assert (tmp_path / "dsconv-demo" / "output_graph.pbmm").exists()


def test_constraints_are_plain_pins() -> None:
    """Every line is name==version, and none an address."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 20
    for line in pins:
        assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*==[0-9][0-9a-z.]*", line), line
