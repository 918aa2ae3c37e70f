"""Spoiled files, and what the judge says of them."""

from __future__ import annotations

import shutil
from functools import cached_property
from pathlib import Path
from typing import Any

from dsconv.acoustic.export import ExportSettings, export_chunks
from dsconv.acoustic.source import Source
from dsconv.convert.options import Precision
from dsconv.errors import DsconvError
from dsconv.fixtures import demo_model
from dsconv.fixtures.random_model import random_weights
from dsconv.fixtures.write import write_random_model
from dsconv.formats.storage import write_chunks
from dsconv.inspect.parity.judge import judge_of
from dsconv.runtime.registry import open_model
from dsconv.runtime.threads import one_thread
from dsconv.speech.alphabet import Alphabet
from tests.convert.conversions import convert
from tests.inspect.parity.sabotage.kinds import Kind

TARGETS = ("tflite", "onnx", "openvino", "coreml")
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
CELLS = 32

_FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "len": {"lengths": "input"},
    "front": {"front_end": True},
}


class Spoiler:
    """Converts each model once, and judges what is spoiled of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sources: dict[Path, Source] = {}
        self._files: dict[tuple[Path, str, str, str], Path] = {}

    def sentences(self, kind: Kind, target: str, precision: Precision) -> list[str]:
        """What is said of an error in a file; an error of the file itself is what is said."""
        source, right = self.right(kind, target, precision)
        output = right.with_name(f"spoiled-{right.name}")
        if output.is_dir():
            shutil.rmtree(output)
        kind.spoil(target, right, source.network, output)
        return self.judged(source, output)

    def judged(self, source: Source, path: Path) -> list[str]:
        """The errors of a file."""
        features = open_model(source).interface.feature_settings
        try:
            with one_thread():
                judge = judge_of(source.network, Source(path), open_model(path), features)
                return [judge] if isinstance(judge, str) else list(judge.judge().errors)
        except DsconvError as error:
            return [str(error)]

    def right(self, kind: Kind, target: str, precision: Precision) -> tuple[Source, Path]:
        """The graph that an error is in, and the right file of it."""
        model = self._model(kind, precision)
        if model not in self._sources:
            self._sources[model] = Source(model)
        key = (model, target, precision, kind.form)
        if key not in self._files:
            output = self.folder / target / precision / f"{model.stem}-{kind.form}"
            output.parent.mkdir(parents=True, exist_ok=True)
            asked = {"precision": precision, **_FORMS[kind.form]}
            self._files[key] = convert(target, model, output, **asked)
        return self._sources[model], self._files[key]

    def _model(self, kind: Kind, precision: Precision) -> Path:
        """A model of random weights in float32, else the demo model."""
        if kind.source == "norm":
            return self._normalized
        return self._random if precision == "fp32" else demo_model.MODEL

    @cached_property
    def _random(self) -> Path:
        (path,) = write_random_model(self.folder / "random", n_hidden=CELLS)
        return path.rename(path.with_name("random.pb"))

    @cached_property
    def _normalized(self) -> Path:
        alphabet = Alphabet.from_file(demo_model.ALPHABET)
        settings = ExportSettings(alphabet, n_steps=16, layer_norm=True)
        path = self.folder / "normalized.pb"
        with path.open("wb") as file:
            write_chunks(file, export_chunks(random_weights(CELLS, settings, 0), settings))
        return path
