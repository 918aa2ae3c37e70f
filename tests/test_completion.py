"""The Tab key in the shells: the lines that docs/cli.md gives, and what they complete."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import pages

SHELLS = ["bash", "zsh", "fish"]
LINES = dict(
    re.findall(r"^- (\w+),.*: `(.*)`$", (pages.DOCS / "cli.md").read_text("utf-8"), re.MULTILINE)
)


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH with a command ``dsconv`` of this checkout."""
    command = tmp_path / "dsconv"
    command.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(pages.ROOT)!r})\n"
        "from dsconv.cli import main\nmain(prog_name='dsconv')\n"
    )
    command.chmod(0o755)
    return f"{tmp_path}:{os.environ['PATH']}"


def answer(shell: str, path: str, typed: str) -> list[str]:
    """What dsconv offers for the last word of a line, asked as the shell asks it."""
    words = typed.split(" ")
    at = words[-1] if shell == "fish" else str(len(words) - 1)
    asked = {"_DSCONV_COMPLETE": f"{shell}_complete", "COMP_WORDS": typed, "COMP_CWORD": at}
    done = subprocess.run(
        ["dsconv"], env={"PATH": path} | asked, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return re.split(r"[,\s]+", done.stdout)


@pytest.mark.parametrize("shell", SHELLS)
def test_completions(shell: str, path: str) -> None:
    """Commands, options and choices."""
    assert {"inspect"} <= set(answer(shell, path, "dsconv in"))
    assert {"--precision"} <= set(answer(shell, path, "dsconv tflite --pre"))
    assert {"int8"} <= set(answer(shell, path, "dsconv tflite --precision i"))
    assert "fp32" not in answer(shell, path, "dsconv tflite --precision i")


@pytest.mark.parametrize("shell", SHELLS)
def test_the_documented_line(shell: str, path: str) -> None:
    """It asks dsconv for a script that asks dsconv for completions."""
    assert f"_DSCONV_COMPLETE={shell}_source dsconv" in LINES[shell]
    asked = {"PATH": path, "_DSCONV_COMPLETE": f"{shell}_source"}
    done = subprocess.run(["dsconv"], env=asked, capture_output=True, text=True, check=True)
    assert f"_DSCONV_COMPLETE={shell}_complete" in done.stdout


def test_the_line_in_bash_itself(path: str) -> None:
    """It takes the script and completes with it."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    for words, at, offered in (("dsconv in", 1, "inspect"), ("dsconv tflite --lstm l", 3, "loop")):
        program = (
            f"{LINES['bash']}\nCOMP_WORDS=({words}); COMP_CWORD={at}; _dsconv_completion dsconv"
        )
        program += "; printf '%s\\n' \"${COMPREPLY[@]}\""
        command = ["bash", "-c", program]
        environment = {"PATH": path}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.split() == [offered]
