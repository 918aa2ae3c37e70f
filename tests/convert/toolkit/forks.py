"""Toolkits' processes that are forked from one which has imported TensorFlow and its converters.

Each import takes seconds, and is the same every time. Real processes are run by `test_process`, by
`tests/test_migrate.py` and, of Core ML Tools, by `test_convert.test_a_convolution`. POSIX only.

As a program it reads a request per line: module, arguments, folder, environment, and the files for
what is printed; it answers each with an exit code.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = "dsconv.convert.toolkit."
# The others need no TensorFlow, and start soon by themselves.
MODULES = tuple(FOLDER + name for name in ("coreml", "onnx", "reference", "tflite"))


class Forks:
    """Runs modules as `subprocess.run` would run ``python -m``, in `folder` for scratch files."""

    def __init__(self, folder: Path) -> None:
        self._printed = folder / "stdout", folder / "stderr"
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            text=True,
        )

    def run(
        self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run ``... -m MODULE ARGUMENTS`` and wait."""
        module, *arguments = command[command.index("-m") + 1 :]
        asked = [module, arguments, str(cwd), dict(env), [str(path) for path in self._printed]]
        assert self._process.stdin and self._process.stdout
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        code = int(self._process.stdout.readline())
        printed = (path.read_text("utf-8", "replace") for path in self._printed)
        return subprocess.CompletedProcess(command, code, *printed)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def serve() -> None:
    """Fork for each request on the standard input."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    load()
    for line in sys.stdin:
        module, arguments, folder, environment, printed = json.loads(line)
        child = os.fork()
        if not child:
            os.chdir(folder)
            os.environ.update(environment)
            for number, path in enumerate(printed, 1):
                os.dup2(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY), number)
            work(module, arguments)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


def load() -> None:
    """Import what takes long, in the order in which the modules do."""
    from dsconv.formats.toolkits import import_coremltools, import_tf2onnx

    import_tf2onnx()
    import_coremltools(with_tensorflow=True)


def work(module: str, arguments: list[str]) -> None:
    """Run a module in this process and end it, without what TensorFlow would do at the end."""
    code: Any = 0
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as error:
        code = error.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    serve()
