"""TFLite files run where there is no delegate, as in the interpreters of the last DeepSpeech."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.formats.graphdef.steps import DYNAMIC
from dsconv.formats.toolkits import import_litert
from dsconv.runtime.tflite import TfliteModel
from tests.convert.calls import OUTPUTS, answers, random_call
from tests.convert.conversions import convert
from tests.runtime.speech import distance

FORMS = ("loop", "unrolled")


@pytest.mark.parametrize(
    "asked", [*({"lstm": form} for form in FORMS), {"steps": DYNAMIC, "lengths": "input"}], ids=str
)
def test_no_delegate_is_needed(asked: dict[str, Any], small_model: Path, tmp_path: Path) -> None:
    """The last DeepSpeech has no XNNPACK; the plain kernels say the same."""
    path = convert("tflite", small_model, tmp_path / "a", precision="fp32", **asked)
    litert = import_litert()
    plain = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = litert.Interpreter(str(path), experimental_op_resolver_type=plain)
    numbers = {found["name"]: found["index"] for found in interpreter.get_input_details()}
    interpreter.resize_tensor_input(numbers["input_node"], [1, 16, 19, 26])
    interpreter.allocate_tensors()
    call = random_call(16, 16)
    fed = {**call.tensors, "input_samples": np.zeros(512, np.float32)}
    for name, number in numbers.items():
        interpreter.set_tensor(number, fed[name])
    interpreter.invoke()
    found = {one["name"]: one["index"] for one in interpreter.get_output_details()}
    for name, expected in zip(OUTPUTS, answers(TfliteModel(path), call), strict=True):
        assert distance(interpreter.get_tensor(found[name]), expected) < 1e-5
