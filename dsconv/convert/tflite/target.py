"""TFLite, for LiteRT and for the original runtimes that people ship."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dsconv.convert.network_target import NetworkTarget
from dsconv.convert.options import Options
from dsconv.convert.tflite.form import TfliteForm
from dsconv.errors import ConversionError
from dsconv.formats.output import new_file
from dsconv.formats.table import TFLITE

if TYPE_CHECKING:
    from dsconv.acoustic.source import Source
    from dsconv.convert.tflite.builder import ModelBuilder


class TfliteTarget(NetworkTarget):
    """The network around a loop with one copy of the weights, or unrolled."""

    name = "tflite"
    label = "TFLite model"
    toolkit = TFLITE.toolkit
    suffix = TFLITE.suffix
    precision = "int8"

    def form(self, source: Source, options: Options) -> TfliteForm:
        """What to build. Raises ConversionError for what an unrolled LSTM cannot be."""
        form = super().form(source, options)
        # deepspeech-tflite 0.9.3 crashes in a loop of one step, which saves nothing either.
        one_step = form.steps == 1 and form.lengths == "frozen"
        lstm = options.lstm or ("unrolled" if one_step else "loop")
        form = TfliteForm(**vars(form), lstm=lstm)
        if form.lstm == "unrolled" and (form.dynamic or form.lengths == "input"):
            raise ConversionError(
                "an unrolled LSTM runs a fixed number of steps and all of them; pass --n-steps 16 "
                "and leave out --lengths input and --front-end, or leave out --lstm unrolled."
            )
        return form

    def build(self, form: TfliteForm) -> ModelBuilder:
        """The subgraphs and buffers."""
        from dsconv.convert.tflite.builder import ModelBuilder
        from dsconv.convert.tflite.network import add_network

        model = ModelBuilder()
        add_network(model, form)
        return model

    def write(
        self, model: ModelBuilder, properties: Mapping[str, str], output: Path, *, force: bool
    ) -> int:
        """Write the flatbuffer."""
        model.properties(properties)
        with new_file(output, force=force) as file:
            return model.write(file)

    def notes(self, form: TfliteForm) -> tuple[str, ...]:
        """Why the original runtimes cannot use the result, who would say nothing or crash."""
        metadata = form.network.metadata
        reasons = {
            "it takes whole clips": form.network.backward is not None,
            "it takes any number of frames, which stt alone runs; pass --n-steps 16": form.dynamic,
            "it takes lengths, which they do not feed": form.lengths == "input",
            "it was exported before 0.7, without a beam width": metadata.beam_width is None,
            "it makes no features of samples": form.network.front_end is None,
        }
        reason = next((reason for reason, applies in reasons.items() if applies), None)
        if reason is not None:
            runtimes = "deepspeech-tflite 0.9.3 and stt 1.4"
            return (f"the result is for LiteRT, not for {runtimes}: {reason}.",)
        if form.steps == 1 and form.lstm == "loop":
            return (
                "the result is not for deepspeech-tflite 0.9.3, which crashes in a loop of one "
                "step; leave out --lstm loop.",
            )
        return ()
