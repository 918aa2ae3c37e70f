"""The built wheel holds what a user needs, and the metadata is sound."""

import json
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import Distribution, distribution, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from dsconv.fixtures import demo_model
from tests.test_plugins import install

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


@pytest.fixture(scope="module")
def demo(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What the demo prints that the wheel runs without the checkout, and where it writes."""
    folder = tmp_path_factory.mktemp("demo")
    program = f"import sys; sys.path[0] = {str(wheel.with_suffix('.d'))!r}\n"
    zipfile.ZipFile(wheel).extractall(wheel.with_suffix(".d"))
    program += "import dsconv; print(dsconv.__file__); from dsconv.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "demo"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, folder / "dsconv-demo"


def test_wheel_works_by_itself(demo: tuple[str, Path], wheel: Path) -> None:
    """The wheel, without the checkout, runs the demo: each command, then the files' real sizes."""
    printed, folder = demo
    assert str(wheel.with_suffix(".d")) in printed
    commands = "fixture pbmm pb inspect tflite coreml openvino onnx validate"
    for command in commands.split():
        assert f"+ dsconv {command} " in printed
    for name in ("output_graph.pb", "output_graph.pbmm", "from_pbmm.pb", "output_graph.tflite"):
        assert f"{(folder / name).stat().st_size:,}" in printed


def test_every_clip_says_its_text(demo: tuple[str, Path]) -> None:
    """The demo shows what the package transcribes."""
    lines = [line for line in demo[0].splitlines() if ".wav: " in line]
    assert lines == [f"  {clip.wav.name}: {clip.transcript}" for clip in demo_model.clips()]


@pytest.fixture(scope="module")
def bare_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds the wheel and the base dependencies alone."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    printed = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    packages = Path(printed.stdout.strip())
    install(wheel, packages)
    for package in base_dependencies():
        for file in package.files or ():
            if ".." not in file.parts:
                copy = packages / file
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), copy)
    return python


def base_dependencies() -> list[Distribution]:
    """What dsconv needs without any extra, and what that needs, as it is installed here."""
    found: dict[str, Distribution] = {}
    expected = ["dsconv"]
    while expected:
        for line in requires(expected.pop()) or ():
            requirement = Requirement(line)
            marker = requirement.marker
            if requirement.name in found or (marker and not marker.evaluate({"extra": ""})):
                continue
            found[requirement.name] = distribution(requirement.name)
            expected.append(requirement.name)
    return list(found.values())


def test_wheel_alone_converts_without_a_toolkit(bare_python: Path, tmp_path: Path) -> None:
    """With the base dependencies alone: graphs, packages, TFLite, and what is in them."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(bare_python), "-I", "-m", "dsconv", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    for words in (
        ("fixture",),
        ("pbmm",),
        ("pb", "-o", "from_pbmm.pb"),
        ("tflite", "--no-validate"),
        ("inspect", "output_graph.pb", "output_graph.pbmm", "output_graph.tflite"),
        ("inspect", "output_graph.tflite", "--json"),
        ("formats",),
    ):
        done = run(*words)
        assert (done.returncode, done.stderr) == (0, ""), words
    assert (tmp_path / "output_graph.tflite").stat().st_size > 200_000
    installed = json.loads(run("formats", "--json").stdout)["targets"]
    assert {one["target"] for one in installed if one["installed"]} == {"pb", "pbmm"}
    refused = run("onnx")
    assert (refused.returncode, refused.stderr.count("\n")) == (5, 1)
    assert "pip install 'dsconv[onnx]'" in refused.stderr


def test_constraints_are_plain_pins() -> None:
    """Every line is name==version, and none an address."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 20
    for line in pins:
        assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*==[0-9][0-9a-z.]*", line), line
