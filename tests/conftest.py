"""Folders and programs that some tests need, and small graphs that most of them use."""

import json
import os
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dsconv.fixtures.write import write_random_model
from dsconv.formats.graphdef.graph import Graph, open_graph

SECONDS_FOR_A_RUNTIME = 120


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of the original exports."""
    folder = os.environ.get("DSCONV_MODELS")
    if not folder:
        pytest.skip("DSCONV_MODELS names no folder of original exports")
    return Path(folder)


Transcribe = Callable[..., list[str]]


@pytest.fixture(scope="session")
def transcribe_originally() -> Transcribe:
    """Transcribe WAVs with a model in an original runtime: (runtime, model, *wavs) -> texts."""
    folder = os.environ.get("DSCONV_RUNTIMES")
    if not folder:
        pytest.skip("DSCONV_RUNTIMES names no folder of original runtimes")
    program = Path(folder, "transcribe")

    def transcribe(runtime: str, model: Path, *wavs: Path) -> list[str]:
        command = [str(program), runtime, str(model), *map(str, wavs)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS_FOR_A_RUNTIME, check=False
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["text"] for line in done.stdout.splitlines()]

    return transcribe


@pytest.fixture(scope="session")
def tensorflow() -> Any:
    """TensorFlow, the reference, without its greetings."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("tensorflow", reason="TensorFlow is not installed")


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with the exporter's graph and few random weights, some large enough to map."""
    (path,) = write_random_model(tmp_path_factory.mktemp("small"), n_hidden=32)
    return path


@pytest.fixture
def small_graph(small_model: Path) -> Graph:
    """The graph of `small_model`."""
    return open_graph(small_model)
