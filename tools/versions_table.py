"""Write the table of docs/versions.md from the one in dsconv/acoustic/versions.py.

python -m tools.versions_table
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from dsconv.acoustic.versions import VERSIONS, Version, label_of

PAGE = Path(__file__).parents[1] / "docs" / "versions.md"

_COLUMNS = (
    "exported by",
    "states",
    "scores",
    "forget bias",
    "features",
    "alphabet",
    "converts to",
    "its `.pb` is opened by",
    "its `.pbmm` is opened by",
)


def table() -> str:
    """The table in Markdown; versions whose graphs nothing tells apart share a row."""
    rows = [_row(versions) for versions in told_apart()]
    lines = [_COLUMNS, ["---"] * len(_COLUMNS), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines).replace("| --- ", "|---")


def told_apart() -> list[tuple[Version, ...]]:
    """The versions, those together that write graphs of the same version."""
    groups = groupby(VERSIONS, key=lambda version: version.graph_version or version.number)
    return [tuple(group) for _, group in groups]


def _row(versions: Sequence[Version]) -> list[str]:
    version = versions[0]
    opened = _runtimes(version)
    return [
        label_of(versions),
        f"{version.states}: it reads a clip forward and backward"
        if version.whole_clip
        else version.states,
        "probabilities" if version.softmax else "logits",
        f"{version.forget_bias:g}",
        _features(version),
        "in the graph" if version.has_alphabet else "assumed",
        "all",
        opened,
        opened if version.open_packages else "none",
    ]


def _features(version: Version) -> str:
    early = version.early
    if early is None:
        limit = f"{version.filter_limit:g} Hz" if version.filter_limit else "half the sample rate"
        return f"in the graph, up to {limit}"
    every = "every second of " if early.every == 2 else ""
    taper = ", Hamming" if early.hamming else ""
    whitened = ", whitened over the clip" if version.whole_clip else ""
    return f"outside: {every}{early.window_ms}/{early.step_ms} ms{taper}{whitened}"


def _runtimes(version: Version) -> str:
    names = ", ".join(runtime.name for runtime in version.runtimes)
    return names.replace(", deepspeech ", ", ") or "none was tried"


def page(text: str) -> str:
    """The page with the table of today."""
    return re.sub(r"^\| exported by .*?\n(?=\n)", table(), text, flags=re.DOTALL | re.MULTILINE)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
