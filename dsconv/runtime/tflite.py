"""Run a TFLite model in LiteRT (ai-edge-litert)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dsconv.acoustic.metadata import Metadata
from dsconv.errors import ModelError, ToolkitError
from dsconv.formats.toolkits import import_litert, import_litert_schema
from dsconv.runtime.model import (
    Interface,
    Tensors,
    TensorSpec,
    reason_of,
    self_description,
)
from dsconv.speech.settings import FeatureSettings, MfccSettings, SpectrogramSettings

_FEW_ELEMENTS = 1024
_PRECISIONS = {"int8": "int8", "float16": "fp16", "float32": "fp32"}


class TfliteModel:
    """A TFLite model; its tensors are found by the names that the exporters gave them."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        with _quiet_stderr():
            self._interpreter = _interpreter(data, path)
        self._inputs = {d["name"]: d for d in self._interpreter.get_input_details()}
        self._outputs = {d["name"]: d for d in self._interpreter.get_output_details()}
        # Metadata is made by ops of the graph, so it is there after the first call.
        self._zero_inputs()
        try:
            self._invoke()
        except ToolkitError as error:
            raise ModelError(f"{path} is damaged: {error}") from error
        self.interface = self._describe(data)

    def reset(self) -> None:
        """The states come in with each call."""

    def call(self, inputs: Tensors, outputs: list[str]) -> Tensors:
        """Run the model once; a dynamic input takes the shape of what it is fed."""
        resized = False
        for name, value in inputs.items():
            detail = self._inputs[name]
            if tuple(detail["shape"]) != value.shape:
                self._interpreter.resize_tensor_input(detail["index"], value.shape)
                resized = True
        if resized:
            self._allocate()
            self._inputs = {d["name"]: d for d in self._interpreter.get_input_details()}
            self._zero_inputs()
        for name, value in inputs.items():
            self._interpreter.set_tensor(self._inputs[name]["index"], value)
        self._invoke()
        return {name: self._value(name) for name in outputs}

    def _allocate(self) -> None:
        try:
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise ToolkitError(f"LiteRT failed: {reason_of(error)}") from error

    def _describe(self, data: bytes) -> Interface:
        inputs = tuple(_spec(detail) for detail in self._inputs.values())
        outputs = tuple(_spec(detail) for detail in self._outputs.values())
        model = import_litert_schema().ModelT.InitFromPackedBuf(data, 0)
        described = self_description(_properties(model))
        metadata = {
            name: _as_bytes(self._value(name).reshape(-1)[0])
            for name in self._outputs
            if name.startswith("metadata_")
        }
        if metadata:
            described["metadata"] = Metadata.from_values(metadata)
        if settings := _feature_settings(model, metadata):
            described["features_from"] = settings
        from ai_edge_litert import __version__

        return Interface.of(
            format="tflite",
            runtime=f"LiteRT {__version__}",
            precision=self._precision(),
            inputs=inputs,
            outputs=outputs,
            **described,
        )

    def _precision(self) -> str:
        """The precision of the largest constants; int8 as soon as there is an int8 matrix."""
        kinds = {
            np.dtype(detail["dtype"]).name
            for detail in self._interpreter.get_tensor_details()
            if np.prod(detail["shape"]) >= _FEW_ELEMENTS and len(detail["shape"]) == 2
        }
        return next((_PRECISIONS[kind] for kind in _PRECISIONS if kind in kinds), "fp32")

    def _value(self, name: str) -> Any:
        return self._interpreter.get_tensor(self._outputs[name]["index"])

    def _zero_inputs(self) -> None:
        for detail in self._inputs.values():
            zeros = np.zeros(detail["shape"], detail["dtype"])
            self._interpreter.set_tensor(detail["index"], zeros)

    def _invoke(self) -> None:
        try:
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise ToolkitError(f"LiteRT failed: {reason_of(error)}") from error


def open_tflite_model(path: Path) -> TfliteModel:
    """Open a TFLite model. Raises ToolkitError if LiteRT is missing or refuses the file."""
    return TfliteModel(path)


def _interpreter(data: bytes, path: Path) -> Any:
    litert = import_litert()
    try:
        interpreter = litert.Interpreter(model_content=data)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"{path}: LiteRT cannot open it: {reason_of(error)}") from error
    return interpreter


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Keep LiteRT's greetings, which it writes past Python, off the terminal."""
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _properties(model: Any) -> dict[str, str]:
    """The texts that stand beside the graph."""
    entries = {
        _text(entry.name): model.buffers[entry.buffer].data for entry in model.metadata or ()
    }
    return {
        name: bytes(data).decode("utf-8", "replace")
        for name, data in entries.items()
        if data is not None
    }


def _feature_settings(model: Any, metadata: dict[str, bytes]) -> FeatureSettings | None:
    """The parameters of the front end, from the options of the custom ops that compute it."""
    from flatbuffers import flexbuffers

    codes = [_text(code.customCode) for code in model.operatorCodes]
    options: dict[str, Any] = {}
    for operator in model.subgraphs[0].operators:
        name = codes[operator.opcodeIndex]
        if name in ("AudioSpectrogram", "Mfcc"):
            options[name] = flexbuffers.Loads(bytes(operator.customOptions))
    if len(options) != 2:
        return None
    spectrogram, mfcc = options["AudioSpectrogram"], options["Mfcc"]
    return FeatureSettings(
        SpectrogramSettings(
            spectrogram["window_size"],
            spectrogram["stride"],
            bool(spectrogram.get("magnitude_squared", False)),
        ),
        MfccSettings(
            float(metadata.get("metadata_sample_rate", b"16000")),
            mfcc.get("dct_coefficient_count", 13),
            mfcc.get("filterbank_channel_count", 40),
            float(mfcc.get("lower_frequency_limit", 20)),
            float(mfcc.get("upper_frequency_limit", 4000)),
        ),
    )


def _spec(detail: dict[str, Any]) -> TensorSpec:
    signature = detail["shape_signature"] if len(detail["shape_signature"]) else detail["shape"]
    name = np.dtype(detail["dtype"]).name
    return TensorSpec(detail["name"], name, tuple(int(size) for size in signature))


def _as_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _text(value: bytes | str | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""
