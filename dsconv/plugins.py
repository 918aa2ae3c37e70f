"""All that a plug-in is written with; docs/plugins.md shows one.

A package names an object of type `Plugin` in its entry point group ``dsconv.plugins``.
"""

from dsconv.acoustic.metadata import Metadata
from dsconv.acoustic.source import Source
from dsconv.acoustic.weights import lstm_bias, values
from dsconv.convert.network_target import NetworkTarget
from dsconv.convert.options import Options
from dsconv.convert.plan import Conversion, Plan
from dsconv.convert.target import Target
from dsconv.errors import ConversionError, ModelError, OutputError, ToolkitError
from dsconv.formats.digest import Digest
from dsconv.formats.extensions import FormatPlugin, Plugin
from dsconv.formats.format import Format
from dsconv.formats.output import new_file, new_files
from dsconv.formats.toolkits import Toolkit
from dsconv.inspect.converted import ConvertedFile, inspection_of
from dsconv.inspect.report import Inspection, TensorInfo, WeightInfo
from dsconv.inspect.runtimes import NO_ORIGINAL_RUNTIME
from dsconv.runtime.model import Interface, Model, TensorSpec, self_description

__all__ = [
    "NO_ORIGINAL_RUNTIME",
    "Conversion",
    "ConversionError",
    "ConvertedFile",
    "Digest",
    "Format",
    "FormatPlugin",
    "Inspection",
    "Interface",
    "Metadata",
    "Model",
    "ModelError",
    "NetworkTarget",
    "Options",
    "OutputError",
    "Plan",
    "Plugin",
    "Source",
    "Target",
    "TensorInfo",
    "TensorSpec",
    "Toolkit",
    "ToolkitError",
    "WeightInfo",
    "inspection_of",
    "lstm_bias",
    "new_file",
    "new_files",
    "self_description",
    "values",
]
