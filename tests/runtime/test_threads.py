"""One thread, where the last digits must not depend on the number of cores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.fixtures.write import write_random_model
from dsconv.runtime.registry import open_model
from dsconv.runtime.stream import Stream
from dsconv.runtime.threads import one_thread, thread_limit
from dsconv.speech.features import FloatArray
from tests.runtime.toolkits import results_of

threadpoolctl = pytest.importorskip("threadpoolctl")


def numpy_threads() -> set[int]:
    """How many threads numpy's products use now."""
    return {pool["num_threads"] for pool in threadpoolctl.threadpool_info()}


def test_the_limit_holds_inside() -> None:
    """For numpy and for models that are opened; what was before comes back."""
    with threadpoolctl.threadpool_limits(limits=2):
        before = numpy_threads()
        with one_thread():
            assert (thread_limit(), numpy_threads()) == (1, {1})
        assert (thread_limit(), numpy_threads()) == (None, before)


def test_digits_do_not_depend_on_the_machine(tmp_path: Path) -> None:
    """A model whose products differ between one thread and two gives the same bits."""
    (path,) = write_random_model(tmp_path, n_hidden=494)
    windows = np.random.default_rng(0).normal(size=(16, 19, 26)).astype(np.float32)

    def run() -> FloatArray:
        return Stream(open_model(path)).run(windows).probabilities

    found = []
    for threads in (1, 2):
        with threadpoolctl.threadpool_limits(limits=threads), one_thread():
            found.append(run())
    assert found[0].tobytes() == found[1].tobytes()


def test_onnx_runtime_keeps_to_it(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that is opened inside has one thread, one outside as many as it likes."""
    onnxruntime = pytest.importorskip("onnxruntime")
    sessions = results_of(monkeypatch, onnxruntime, "InferenceSession")
    path = convert_file(TARGETS["onnx"], small_model, tmp_path / "a.onnx").output

    def threads() -> int:
        open_model(path)
        return int(sessions.pop().get_session_options().intra_op_num_threads)

    with one_thread():
        assert threads() == 1
    assert threads() == 0


def test_openvino_keeps_to_it(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that is compiled inside has one thread."""
    openvino = pytest.importorskip("openvino")
    compiled = results_of(monkeypatch, openvino.Core, "compile_model")
    path = convert_file(TARGETS["openvino"], small_model, tmp_path / "a.xml").output
    with one_thread():
        open_model(path)
    assert compiled[-1].get_property("INFERENCE_NUM_THREADS") == 1


@pytest.mark.tensorflow
def test_tensorflow_keeps_to_it(
    small_model: Path, tensorflow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that is opened inside has one thread for an op, and one for ops."""
    asked: list[Any] = []
    whole = tensorflow.compat.v1.Session

    def session(*, graph: Any, config: Any) -> Any:
        asked.append(config)
        return whole(graph=graph, config=config)

    monkeypatch.setattr(tensorflow.compat.v1, "Session", session)
    with one_thread():
        open_model(small_model, tensorflow=True)
    (config,) = asked
    assert (config.intra_op_parallelism_threads, config.inter_op_parallelism_threads) == (1, 1)
