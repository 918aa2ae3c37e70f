"""The command line: its commands, in the order in which the help lists them. No logic.

Commands import the library when they run, so that ``--help`` and ``--version`` start at once and no
command loads what it does not use.
"""

from __future__ import annotations

import click

from dsconv.commands import convert, demo, freeze, inspection, speech
from dsconv.commands.command import Group
from dsconv.version import __version__


@click.group(
    cls=Group,
    plugin_names=convert.plugin_names,
    plugin_command=convert.plugin_command,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="dsconv", message="%(prog)s %(version)s")
def main() -> None:
    """Deploy DeepSpeech and Coqui STT acoustic models today.

    An error is one line that says what is wrong and what to do.

    \b
    Exit codes:
      0  done
      1  a result differs from what it was made from
      2  wrong usage
      3  the input is damaged, or not a model that dsconv knows
      4  the model cannot be converted in this way
      5  a toolkit or runtime is missing or failed
      6  the output cannot be written
    """


for command in (
    convert.pbmm,
    convert.pb,
    convert.tflite,
    convert.coreml,
    convert.openvino,
    convert.onnx,
    convert.to_all,
    convert.formats,
    inspection.inspect,
    speech.transcribe,
    speech.validate,
    freeze.freeze,
    demo.fixture,
    demo.demo,
):
    main.add_command(command)
