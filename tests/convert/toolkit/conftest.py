"""The toolkits' processes, forked from one that has imported them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.convert.toolkit.forks import MODULES, Forks


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """The process that forks, until all tests have run."""
    found = Forks(tmp_path_factory.mktemp("forks"))
    yield found
    found.close()


@pytest.fixture(autouse=True)
def _forked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that import TensorFlow are forked, unless a test is marked `processes`."""
    if request.node.get_closest_marker("processes") or not hasattr(os, "fork"):
        return
    whole = subprocess.run

    def run(command: Any, **options: Any) -> Any:
        if not set(MODULES) & set(command):
            return whole(command, **options)
        forks: Forks = request.getfixturevalue("forks")
        return forks.run(command, cwd=options["cwd"], env=options["env"])

    monkeypatch.setattr(subprocess, "run", run)
