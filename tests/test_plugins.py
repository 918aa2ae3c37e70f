"""A package of its own adds a target, an inspector and a runner: the one of docs/plugins.md."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dsconv.fixtures import demo_model

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "plugins.md"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of processes that see the package, which is built and installed by pip."""
    source = tmp_path_factory.mktemp("source")
    blocks = re.findall(r"`([\w/]+\.\w+)`:\n\n```\w+\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    assert len(blocks) == 5
    for name, text in blocks:
        path = source / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    folder = tmp_path_factory.mktemp("installed")
    install(source, folder)
    return sees(folder)


def sees(folder: Path) -> dict[str, str]:
    """The environment of processes that see the packages in a folder."""
    path = os.pathsep.join([str(folder), str(ROOT)])
    return os.environ | {"PYTHONPATH": path, "COLUMNS": "80", "NO_COLOR": "1"}


def install(source: Path, folder: Path) -> None:
    """Install a package or a wheel into a folder; what it depends on is there already."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    command += ["--no-build-isolation", "--disable-pip-version-check", "--target", str(folder)]
    subprocess.run([*command, str(source)], check=True, capture_output=True, text=True)


def run(environment: dict[str, str], *words: object) -> subprocess.CompletedProcess[str]:
    """A command of dsconv in a process that sees the plug-in."""
    command = [sys.executable, "-m", "dsconv", *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def converted(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo model as the plug-in writes it."""
    output = tmp_path_factory.mktemp("converted") / "model.npz"
    done = run(environment, "npz", demo_model.MODEL, "-o", output)
    assert done.returncode == 0, done.stderr
    assert re.search(r"model\.npz: [\d,]+ bytes", done.stdout)
    assert "pass: probabilities" in done.stdout
    return output


def test_the_target_is_a_command(environment: dict[str, str], converted: Path) -> None:
    """With the shared options, in the list of commands, refusing as the others do."""
    assert " npz " in run(environment, "--help").stdout
    shown = run(environment, "npz", "--help").stdout
    assert "--n-steps" in shown
    assert "--validate / --no-validate" in shown
    again = run(environment, "npz", demo_model.MODEL, "-o", converted)
    assert (again.returncode, "exists; pass --force" in again.stderr) == (6, True)
    refused = run(environment, "npz", demo_model.MODEL, "--precision", "int8", "-o", "x.npz")
    assert refused.returncode == 4
    assert "npz is fp32" in refused.stderr
    asked = run(
        environment,
        "npz",
        demo_model.MODEL,
        "--n-steps",
        "-1",
        "--json",
        "--force",
        "-o",
        converted,
    )
    assert json.loads(asked.stdout)["parity"]["passed"]


def test_its_files_are_inspected(environment: dict[str, str], converted: Path) -> None:
    """In the schema of all files."""
    found = json.loads(run(environment, "inspect", converted, "--json").stdout)["files"][0]
    assert found["format"] == "npz"
    identity = found["identity"]
    assert (identity["n_hidden"], identity["classes"], identity["sample_rate"]) == (128, 29, 16000)
    assert found["parameters"] == 248_221
    text = run(environment, "inspect", converted).stdout
    assert "NumPy arrays (npz)" in text
    assert "exported by  dsconv-npz" in text


def test_its_files_run(environment: dict[str, str], converted: Path) -> None:
    """They are transcribed and validated, the latter against a sabotaged one too."""
    clip = demo_model.clips()[1]
    said = run(environment, "transcribe", converted, clip.wav, "-q")
    assert said.stdout.strip() == clip.transcript
    checked = run(environment, "validate", demo_model.MODEL, converted, "--audio", clip.wav)
    assert checked.returncode == 0, checked.stderr
    assert "PASS" in checked.stdout
    broken = converted.with_name("broken.npz")
    code = (
        "import numpy as np; a = dict(np.load({0!r})); a['bias'] = a['bias'] + np.float32(0.1); "
        "np.savez({1!r}, **a)"
    )
    subprocess.run([sys.executable, "-c", code.format(str(converted), str(broken))], check=True)
    assert (
        run(environment, "validate", demo_model.MODEL, broken, "--audio", clip.wav).returncode == 1
    )


def test_it_stands_in_all_and_formats(environment: dict[str, str], tmp_path: Path) -> None:
    """As the others do."""
    listed = json.loads(run(environment, "formats", "--json").stdout)["targets"]
    assert listed[-1] == {
        "target": "npz",
        "label": "NumPy arrays",
        "installed": True,
        "install": None,
    }
    done = run(environment, "all", demo_model.MODEL, "-o", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    (result,) = [t for t in json.loads(done.stdout)["targets"] if t["target"] == "npz"]
    assert (result["status"], result["verdict"]) == ("converted", "pass")


def test_without_it_nothing_knows_its_files(converted: Path) -> None:
    """The same commands say what the file is to dsconv alone."""
    alone = os.environ | {"PYTHONPATH": str(ROOT)}
    assert run(alone, "npz", demo_model.MODEL).returncode == 2
    inspected = run(alone, "inspect", converted)
    assert (inspected.returncode, "is a ZIP archive" in inspected.stderr) == (3, True)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (
            "raise RuntimeError('no luck')",
            "the plug-in 'bad' of dsconv-bad cannot be loaded (no luck)",
        ),
        ("PLUGIN = 7", "is a int and not a dsconv.plugins.Plugin; update or uninstall dsconv-bad"),
    ],
)
def test_a_broken_plug_in_is_named(code: str, says: str, tmp_path: Path) -> None:
    """What dsconv has itself goes on; what needs plug-ins says which one is broken."""
    (tmp_path / "dsconv_bad").mkdir()
    (tmp_path / "dsconv_bad" / "__init__.py").write_text(code)
    described = tmp_path / "dsconv_bad-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: dsconv-bad\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text("[dsconv.plugins]\nbad = dsconv_bad:PLUGIN\n")
    environment = sees(tmp_path)
    assert run(environment, "inspect", demo_model.MODEL).returncode == 0
    listed = run(environment, "formats")
    assert listed.returncode == 5
    assert says in listed.stderr
    assert len(listed.stderr.splitlines()) == 1
    helped = run(environment, "--help")
    assert (helped.returncode, says in helped.stderr) == (0, True)
