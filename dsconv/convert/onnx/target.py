"""ONNX: for ONNX Runtime and everything else that reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dsconv.convert.form import Form
from dsconv.convert.network_target import NetworkTarget
from dsconv.formats.output import new_files
from dsconv.formats.storage import disk_size
from dsconv.formats.table import ONNX

if TYPE_CHECKING:
    from dsconv.convert.onnx.builder import GraphBuilder


class OnnxTarget(NetworkTarget):
    """The network around one LSTM node. The weights stand beside it if they are above 2 GB."""

    name = "onnx"
    label = "ONNX model"
    toolkit = ONNX.toolkit
    suffix = ONNX.suffix
    lengths = "input"

    def build(self, form: Form) -> GraphBuilder:
        """The nodes, and how to make the weights."""
        from dsconv.convert.onnx.builder import GraphBuilder
        from dsconv.convert.onnx.network import add_network

        builder = GraphBuilder(form.network.names.all)
        add_network(builder, form)
        return builder

    def write(
        self, model: GraphBuilder, properties: Mapping[str, str], output: Path, *, force: bool
    ) -> int:
        """Write the file and let the toolkit's own checker look at it."""
        from dsconv.convert.onnx.checker import check_file
        from dsconv.convert.onnx.file import external_data_path, is_external, write_model

        paths = [output]
        if is_external(model.initializers):
            paths.append(external_data_path(output))
        with new_files(paths, force=force) as folder:
            written = folder / output.name
            write_model(written, model.model("acoustic", properties), model.initializers)
            check_file(written)
            return disk_size(*(folder / path.name for path in paths))
