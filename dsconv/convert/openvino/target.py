"""OpenVINO IR, for Intel's CPUs, GPUs and NPUs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dsconv.convert.form import Form
from dsconv.convert.network_target import NetworkTarget
from dsconv.convert.options import Options
from dsconv.errors import OutputError, ToolkitError
from dsconv.formats.output import new_files
from dsconv.formats.storage import disk_size
from dsconv.formats.table import OPENVINO

if TYPE_CHECKING:
    from dsconv.convert.openvino.builder import ModelBuilder


class OpenVinoTarget(NetworkTarget):
    """The network in the form that the CPU plugin runs fastest."""

    name = "openvino"
    label = "OpenVINO IR"
    toolkit = OPENVINO.toolkit
    suffix = OPENVINO.suffix
    states = ("io", "internal")

    def outputs(self, output: Path, options: Options) -> tuple[Path, ...]:  # noqa: ARG002
        """The .xml and the .bin of the weights beside it."""
        if output.suffix != self.suffix:
            raise OutputError(
                f"{output} is not a name for an OpenVINO IR; choose one that ends in "
                f"{self.suffix}, beside which the .bin of the weights will stand."
            )
        return output, output.with_suffix(".bin")

    def build(self, form: Form) -> ModelBuilder:
        """The ops."""
        from dsconv.convert.openvino.builder import ModelBuilder
        from dsconv.convert.openvino.network import add_network

        builder = ModelBuilder()
        add_network(builder, form)
        return builder

    def write(
        self, model: ModelBuilder, properties: Mapping[str, str], output: Path, *, force: bool
    ) -> int:
        """Write the IR by the toolkit's own function."""
        paths = (output, output.with_suffix(".bin"))
        with new_files(paths, force=force) as folder:
            try:
                model.save("acoustic", properties, folder / output.name)
            except RuntimeError as error:
                reason = " ".join(str(error).split())
                raise ToolkitError(f"OpenVINO could not write the result: {reason}") from error
            return disk_size(*(folder / path.name for path in paths))

    def notes(self, form: Form) -> tuple[str, ...]:
        """What differs from the graph's own inputs and outputs, as users of `mo` know it."""
        names = form.network.names
        if form.front_end:
            return ()
        notes = []
        if form.lengths == "frozen" and names.lengths:
            recipe = f"{names.lengths}->[{form.steps}]"
            notes.append(
                f"{names.lengths} is frozen, all frames of a call are valid"
                + ("." if form.dynamic else f": {recipe}.")
            )
        if form.states == "internal":
            notes.append(
                "the states stay inside; reset_state() of the infer request starts a clip."
            )
        return tuple(notes)
