"""Folders and programs that some tests need, small graphs that most use, and what is slow."""

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dsconv.fixtures.write import write_demo_model, write_random_model
from dsconv.formats.graphdef.graph import Graph, open_graph

SECONDS_FOR_A_RUNTIME = 120


TESTS = Path(__file__).parent
# Whoever imports TensorFlow first: oneDNN's layer norm has another epsilon than the graph.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

SLOW = (
    "test_readme.py",
    "workflows/test_demo.py",
    "convert/toolkit/block_lstm/test_toolkits.py",
    "convert/toolkit/test_both_routes.py",
    "convert/toolkit/test_convert.py",
    "convert/toolkit/test_cases.py",
    "convert/test_original_runtime.py",
    "runtime/coreml/test_converted.py",
    "inspect/parity/test_validate.py",
    "test_cli_speech.py",
    "test_packaging.py",
    "test_plugins.py",
    "convert/coreml/",
    "test_format_pages.py",
    "runtime/coreml/test_network.py",
    "inspect/parity/test_cluster.py",
    "inspect/parity/test_sabotage.py",
    "inspect/parity/sabotage/",
    "test_no_false_alarm.py",
    "test_guides.py",
    "convert/test_early.py",
    "test_damage.py",
    "runtime/coreml/test_sabotage.py",
    "inspect/parity/test_corpus.py",
    "convert/test_front_end.py",
    "convert/test_bidirectional.py",
    "test_migrate.py",
    "inspect/test_coreml.py",
    "convert/tflite/test_original_runtimes.py",
    "test_versions.py",
    "convert/test_precisions.py",
    "test_completion.py",
    "test_api.py",
    "workflows/test_all_page.py",
)
"""Files and folders that take more than ten seconds together or start many processes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow or needs TensorFlow, and begin with that, so that both cores end at once.

    Files stay whole, in the order of `SLOW`.
    """
    for item in items:
        if _slowness(item) < len(SLOW):
            item.add_marker("slow")
        if "tensorflow" in getattr(item, "fixturenames", ()) or item.get_closest_marker(
            "tensorflow"
        ):
            item.add_marker("toolkit")
    items.sort(key=_slowness)


def _slowness(item: pytest.Item) -> int:
    """The index of a test's file in `SLOW`, the same for all that are quick."""
    path = item.path.relative_to(TESTS).as_posix()
    found = (index for index, start in enumerate(SLOW) if path.startswith(start))
    return next(found, len(SLOW))


@pytest.fixture(autouse=True)
def _no_toolkit_unless_marked(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that imports TensorFlow or starts a toolkit's process must be marked `toolkit`."""
    if request.node.get_closest_marker("toolkit"):
        yield
        return
    before = sys.modules.get("tensorflow")
    _watched.append(request.node.nodeid)
    yield
    _watched.clear()
    if before is None and sys.modules.get("tensorflow") is not None:
        pytest.fail("this test imports TensorFlow; mark it `toolkit`")


_watched: list[str] = []


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse toolkits' processes while `_watched` names a test."""
    if event == "subprocess.Popen" and _watched and "dsconv.convert.toolkit." in str(arguments[1]):
        raise AssertionError(f"{_watched[0]} starts a toolkit's process; mark it `toolkit`")


sys.addaudithook(_watch)


def _folder(variable: str, what: str) -> Path:
    """The folder that a variable names; without it the test is skipped."""
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} names no folder of {what}")
    return Path(folder)


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of the original exports."""
    return _folder("DSCONV_MODELS", "original exports")


@pytest.fixture(scope="session")
def cases() -> Path:
    """The folder of models that people reported, with what should come of each."""
    return _folder("DSCONV_CASES", "cases")


@pytest.fixture(scope="session")
def scorers() -> Path:
    """The folder of the original decoders' language models."""
    return _folder("DSCONV_SCORERS", "scorers")


Transcribe = Callable[..., list[str]]


@pytest.fixture(scope="session")
def transcribe_originally() -> Transcribe:
    """Transcribe WAVs with a model in an original runtime: (runtime, model, *wavs) -> texts."""
    program = _folder("DSCONV_RUNTIMES", "original runtimes") / "transcribe"

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


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with nothing but the demo model, which is the current one."""
    monkeypatch.chdir(tmp_path)
    model, *others = write_demo_model(tmp_path)
    for path in others:
        path.unlink()
    assert model.name == "output_graph.pb"
    return tmp_path


@pytest.fixture
def small(tmp_path: Path, small_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with nothing but the small random model, which is the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "output_graph.pb").write_bytes(small_model.read_bytes())
    return tmp_path
