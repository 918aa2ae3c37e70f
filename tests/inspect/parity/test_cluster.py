"""Clips on a real Dask cluster: the same figures, also when a worker is lost."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dsconv.errors import ModelError, ToolkitError
from dsconv.fixtures import demo_model
from dsconv.inspect.parity import cluster as cluster_module
from dsconv.inspect.parity.outcome import Tally
from dsconv.inspect.parity.validate import ValidationOptions, validate_models
from dsconv.inspect.parity.validation import Validation
from dsconv.speech.corpus import ClipSource, find_clips
from tests.inspect.parity.corpus import figures, write_corpus
from tests.inspect.parity.dask_cluster import DaskCluster
from tests.inspect.parity.waiting import SECONDS, HeldFile, waited_for
from tests.test_cli import assert_one_line_error, run

CLIPS = 20
HOW = ValidationOptions(beam=8)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """A scheduler and two workers."""
    pytest.importorskip("distributed", reason="Dask is not installed")
    with DaskCluster(tmp_path_factory.mktemp("dask")) as started:
        for name in ("first", "second"):
            started.start_worker(name)
        yield started


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[ClipSource]:
    return find_clips([write_corpus(tmp_path_factory.mktemp("corpus"), CLIPS)])


@pytest.fixture(scope="module")
def candidate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, so that its path says where it was opened."""
    return Path(shutil.copy(demo_model.MODEL, tmp_path_factory.mktemp("copy")))


@pytest.fixture(scope="module")
def serial(clips: list[ClipSource], candidate: Path) -> Validation:
    """The run in this process."""
    return validate_models(demo_model.MODEL, [candidate], clips, HOW)


def on_cluster(
    cluster: DaskCluster, candidate: Path, clips: list[ClipSource], **more: Any
) -> Validation:
    return validate_models(demo_model.MODEL, [candidate], clips, HOW, dask=cluster.address, **more)


def test_a_cluster_gives_the_same_to_the_bit(
    cluster: DaskCluster,
    clips: list[ClipSource],
    candidate: Path,
    serial: Validation,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Figures and names are those of the run in one process, from a relative path as well."""
    monkeypatch.chdir(candidate.parent)
    relative = Path(candidate.name)
    shares: list[float] = []
    validation = on_cluster(cluster, relative, clips, progress=shares.append)
    assert validation.candidates[0].model.path == candidate.name
    values = figures(validation)
    values["candidates"][0]["path"] = str(candidate)
    assert values == figures(serial)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    # A run that was begun here may go on there.
    journal = tmp_path / "journal"
    validate_models(demo_model.MODEL, [candidate], clips, HOW, resume=journal)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:8]))
    assert figures(on_cluster(cluster, candidate, clips, resume=journal)) == figures(serial)
    assert len(journal.read_bytes().splitlines()) == 1 + CLIPS


def test_a_lost_worker_loses_nothing(
    cluster: DaskCluster,
    clips: list[ClipSource],
    candidate: Path,
    serial: Validation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker is killed in the middle of a clip; another runs it, and each counts once."""
    counted: list[int] = []
    add = Tally.add

    def count(self: Tally, index: int, run: Any) -> bool:
        counted.append(index)
        return add(self, index, run)

    monkeypatch.setattr(Tally, "add", count)
    middle = CLIPS // 2
    recording = Path(shutil.copy(clips[middle].wav, tmp_path / "recording"))
    found: list[Validation] = []
    with HeldFile(tmp_path / clips[middle].wav.name) as held:
        mixed = list(clips)
        mixed[middle] = ClipSource(clips[middle].name, held.path, clips[middle].transcript)
        thread = threading.Thread(
            target=lambda: found.append(on_cluster(cluster, candidate, mixed))
        )
        thread.start()
        assert waited_for(held.is_read)
        name = busy_worker(cluster, middle)
        recording.replace(held.path)
        assert waited_for(lambda: len(counted) > 2)
        assert len(counted) < CLIPS
        cluster.kill_worker(name)
    thread.join(SECONDS)
    assert not thread.is_alive()
    cluster.start_worker(name)
    assert sorted(counted) == list(range(CLIPS))
    assert figures(found[0]) == figures(serial)


def busy_worker(cluster: DaskCluster, index: int) -> str:
    """The name of the worker that runs a clip."""
    distributed = pytest.importorskip("distributed")
    with distributed.Client(cluster.address, set_as_default=False) as client:
        (address,) = [
            worker
            for worker, keys in client.processing().items()
            if any(str(key).endswith(f"-{index}") for key in keys)
        ]
        return str(client.scheduler_info()["workers"][address]["name"])


def test_errors_name_the_worker(
    cluster: DaskCluster, clips: list[ClipSource], candidate: Path, tmp_path: Path
) -> None:
    """A file that it does not see, and a recording that it cannot read."""
    gone = tmp_path / "gone.wav"
    with pytest.raises(ModelError, match=r"^worker tcp://127.0.0.1:\d+ does not see .*gone.wav; "):
        on_cluster(cluster, candidate, [clips[0], ClipSource("gone", gone, None)])
    with pytest.raises(ModelError, match=r"does not see .*none.pb; put models and recordings"):
        on_cluster(cluster, tmp_path / "none.pb", clips)
    gone.write_bytes(b"RIFF")
    with pytest.raises(
        ModelError, match=r"^worker tcp://127.0.0.1:\d+: .*gone.wav is not a PCM WAV"
    ):
        on_cluster(cluster, candidate, [ClipSource("gone", gone, None), *clips])


def test_other_versions_are_refused(
    cluster: DaskCluster,
    clips: list[ClipSource],
    candidate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker with another dsconv would give other figures."""
    monkeypatch.setattr(cluster_module, "__version__", "9.9")
    with pytest.raises(ToolkitError, match=r"^worker tcp://.* has dsconv .*; install dsconv 9.9"):
        on_cluster(cluster, candidate, clips)


def test_no_workers(
    clips: list[ClipSource],
    candidate: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A cluster without workers is not waited for without end."""
    pytest.importorskip("distributed", reason="Dask is not installed")
    monkeypatch.setattr(cluster_module, "WITHOUT_WORKERS_SECONDS", 0.5)
    with DaskCluster(tmp_path) as empty, pytest.raises(ToolkitError, match="has no workers; start"):
        on_cluster(empty, candidate, clips)


def test_a_lost_scheduler_ends_the_run(
    clips: list[ClipSource],
    candidate: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The error says so, and nothing else is printed; nothing waits for ever."""
    pytest.importorskip("distributed", reason="Dask is not installed")
    errors: list[ToolkitError] = []

    def go() -> None:
        try:
            on_cluster(lost, candidate, [clips[0], ClipSource("held", held.path, None)])
        except ToolkitError as error:
            errors.append(error)

    monkeypatch.setattr(cluster_module, "CONNECT_SECONDS", 2.0)
    with DaskCluster(tmp_path) as lost, HeldFile(tmp_path / "held.wav") as held:
        lost.start_worker("only")
        thread = threading.Thread(target=go)
        thread.start()
        assert waited_for(held.is_read)
        lost.stop_scheduler()
        thread.join(SECONDS)
    assert [str(error)[:30] for error in errors] == ["the Dask scheduler is gone, or"]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nowhere", "", "foo://bar:1"])
def test_wrong_address(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that says how to start a scheduler."""
    pytest.importorskip("distributed", reason="Dask is not installed")
    monkeypatch.setattr(cluster_module, "CONNECT_SECONDS", 0.5)
    result = run("validate", demo_model.MODEL, demo_model.MODEL, "--dask", address)
    assert_one_line_error(result, 5, "no Dask scheduler answers at .*; start one with `dask sch")


def test_missing_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    """The install line is given."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = run("validate", demo_model.MODEL, demo_model.MODEL, "--dask", "tcp://127.0.0.1:9")
    assert_one_line_error(result, 5, r"Dask is not installed; .*`pip install 'dsconv\[dask\]'`")
