"""What the README shows is what happens: its console blocks are run, in order, in one folder."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dsconv.inspect.parity.text import tolerance_rows

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")

# Times differ from run to run, versions and the last digits of arithmetic from machine to machine,
# and nothing else does.
_SECONDS = re.compile(r"\b\d+\.\d\d( s\b|(?=\s|$))", re.MULTILINE)
_VERSION = re.compile(r"numpy \d+\.\d+\.\d+")
_DIFFERENCE = re.compile(r"\b\d\.\de-\d\d(?= of)")


def console_blocks() -> list[str]:
    return re.findall(r"^```console\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def sessions() -> list[tuple[str, str]]:
    """Each command of the console blocks, with the output that is shown for it."""
    parts = [
        part for block in console_blocks() for part in re.split(r"^\$ ", block, flags=re.M)[1:]
    ]
    return [(part.split("\n", 1)[0], part.split("\n", 1)[1]) for part in parts]


def comparable(text: str) -> str:
    text = _DIFFERENCE.sub("DIFFERENCE", _SECONDS.sub("SECONDS", text))
    return _VERSION.sub("numpy VERSION", text)


def test_commands_give_the_output_that_is_shown(tmp_path: Path) -> None:
    """Every command runs; where output is shown, it is the whole output."""
    assert len(sessions()) >= 5
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "LANG": "C.UTF-8"}
    for command, shown in sessions():
        words = shlex.split(command)
        assert words[0] == "dsconv", command
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert comparable(done.stdout) == comparable(shown), command


def test_the_python_runs(tmp_path: Path) -> None:
    """Each line of the Python block, in a folder with the demo model."""
    (block,) = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    lines = block.strip().splitlines()
    shown = "\n".join(f"print({line})" if "(" in line else line for line in lines)
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{shown}"
    for command in ([sys.executable, "-m", "dsconv", "fixture"], [sys.executable, "-c", program]):
        done = subprocess.run(
            command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "128",
        "True",
        "don't trust a number that nobody measured",
    ]


def test_every_command_is_documented() -> None:
    """Each command stands in the README's table."""
    from dsconv.cli import main

    for name in main.commands:
        assert f"| `dsconv {name}" in README, name


def test_the_tolerance_table_is_the_codes() -> None:
    """The documented tolerances are those that are used."""
    for name, probabilities, states in tolerance_rows():
        assert f"| {name} | {probabilities} | {states} |" in README


def test_the_test_command_is_named() -> None:
    """CI takes its command from here."""
    assert re.search(r"^make test$", README, re.MULTILINE)
    assert re.search(r"^make demo$", README, re.MULTILINE)


@pytest.mark.parametrize("code", range(7))
def test_exit_codes_are_documented(code: int) -> None:
    """Each exit code has its row."""
    assert re.search(rf"^\| {code} \|", README, re.MULTILINE)
