"""dsconv: deploy DeepSpeech and Coqui STT acoustic models today.

import dsconv

dsconv.inspect_model("output_graph.pb")
dsconv.convert_model("output_graph.pb", "tflite")
dsconv.transcribe("output_graph.tflite", ["speech.wav"])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from dsconv.version import __version__

if TYPE_CHECKING:
    from dsconv.acoustic.overrides import Overrides as Overrides
    from dsconv.api import convert_model as convert_model
    from dsconv.api import convert_to_all as convert_to_all
    from dsconv.api import freeze_checkpoint as freeze_checkpoint
    from dsconv.api import inspect_model as inspect_model
    from dsconv.api import transcribe as transcribe
    from dsconv.api import validate_models as validate_models
    from dsconv.convert.coreml.options import CoreMlOptions as CoreMlOptions
    from dsconv.convert.options import Options as Options
    from dsconv.workflows.freeze_options import FreezeOptions as FreezeOptions
    from dsconv.workflows.speech_check import SpeechCheck as SpeechCheck


_PUBLIC = {
    "CoreMlOptions": "dsconv.convert.coreml.options",
    "FreezeOptions": "dsconv.workflows.freeze_options",
    "Options": "dsconv.convert.options",
    "Overrides": "dsconv.acoustic.overrides",
    "SpeechCheck": "dsconv.workflows.speech_check",
    "convert_model": "dsconv.api",
    "convert_to_all": "dsconv.api",
    "freeze_checkpoint": "dsconv.api",
    "inspect_model": "dsconv.api",
    "transcribe": "dsconv.api",
    "validate_models": "dsconv.api",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> object:
    """The functions and options, from the modules that have them when they are first asked for."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'dsconv' has no attribute '{name}'")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
