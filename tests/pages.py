"""What pages of the documentation show: their blocks, run in order in one folder; links; tables."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = (*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md")))

# Times differ from run to run, versions and the last digits of arithmetic from machine to machine,
# and nothing else does.
_SECONDS = re.compile(r"\b\d+\.\d\d( s\b|(?=\s|$))", re.MULTILINE)
_VERSION = re.compile(r"numpy \d+\.\d+\.\d+")
_DIFFERENCE = re.compile(r"\b\d\.\de-\d\d(?= of)")

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# The original clients, for which there are tests of their own, and what sets dsconv up.
CLIENTS = ("deepspeech", "stt")
OTHER_PROGRAMS = (*CLIENTS, "make", "pip")

ENVIRONMENT = {
    "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONPATH": str(ROOT),
}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: ``console``, ``sh``, ``python``, ``text``, ..."""

    language: str
    text: str


def blocks(page: Path, *languages: str) -> list[Block]:
    """The blocks of a page, in order; of some languages if these are given."""
    found = [Block(*match) for match in _BLOCK.findall(page.read_text("utf-8"))]
    return [block for block in found if not languages or block.language in languages]


def _sessions(block: Block) -> list[tuple[str, str]]:
    """Each command of a console block, with the output that is shown for it."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    return [(part.split("\n", 1)[0], part.split("\n", 1)[1]) for part in parts]


def comparable(text: str) -> str:
    """An output without what differs from run to run."""
    text = _DIFFERENCE.sub("DIFFERENCE", _SECONDS.sub("SECONDS", text))
    return _VERSION.sub("numpy VERSION", text)


def shows(shown: str, printed: str) -> bool:
    """Whether an output is what a page shows of it; a line of three dots stands for any lines."""
    kept = [
        re.escape(part) for part in re.split(r"^\.\.\.\n", comparable(shown), flags=re.MULTILINE)
    ]
    return re.fullmatch(r"(?:.*\n)*?".join(kept), comparable(printed)) is not None


def run_page(page: Path, folder: Path, before: str = "") -> int:
    """Run the blocks of a page as a person would, from top to bottom; returns how many there were.

    Commands must succeed. What a console block shows is the whole output, but for lines of three
    dots; Python prints the text block that follows it, or nothing. `before` is put before Python.
    """
    shown = blocks(page)
    for block, after in zip(shown, [*shown[1:], None], strict=True):
        if block.language == "console":
            for command, output in _sessions(block):
                done = run_dsconv(folder, command)
                assert shows(output, done.stdout), (command, done.stdout)
        elif block.language == "sh":
            for line in block.text.splitlines():
                if shlex.split(line)[0] not in OTHER_PROGRAMS:
                    done = run_dsconv(folder, line)
                    assert done.returncode == 0, (line, done.stdout)
        elif block.language == "python":
            done = run_python(folder, before + block.text)
            assert done.returncode == 0, done.stderr
            follows = after is not None and after.language == "text"
            assert done.stdout == (after.text if after is not None and follows else "")
        else:
            assert block.language == "text"
    return len(shown)


def inline_commands(page: Path) -> list[str]:
    """The commands of dsconv in the text of a page."""
    text = _BLOCK.sub("", page.read_text("utf-8"))
    return [" ".join(found.split()) for found in re.findall(r"`(dsconv [^`]+)`", text)]


def run_dsconv(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a line of a page that starts with ``dsconv`` in a folder; errors go to the output."""
    name, *words = shlex.split(command)
    assert name == "dsconv", command
    return _run(folder, ["-m", name, *words], subprocess.STDOUT)


def run_python(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program of a page in a folder."""
    return _run(folder, ["-c", program], subprocess.PIPE)


def _run(folder: Path, arguments: list[str], errors: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        check=False,
    )


def tables(page: Path) -> list[list[dict[str, str]]]:
    """The tables of a page; a row has its cells by the headings."""
    found = []
    for lines in re.findall(r"(?:^\|.*\n)+", page.read_text("utf-8"), re.MULTILINE):
        head, _, *body = [
            [cell.strip() for cell in line.strip("|").split("|")] for line in lines.splitlines()
        ]
        found.append([dict(zip(head, cells, strict=True)) for cells in body])
    return found


def anchors(page: Path) -> set[str]:
    """What links can name in a page: its headings, as GitHub makes anchors of them."""
    text = _BLOCK.sub("", page.read_text("utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def links(page: Path) -> list[tuple[Path, str]]:
    """The relative links of a page: the file, and the anchor in it or nothing."""
    text = _BLOCK.sub("", page.read_text("utf-8"))
    found = re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]+))?\)", text)
    return [(page.parent / path if path else page, anchor) for path, anchor in found]
