"""Processes of their own for the toolkits, where their memory, noise and crashes stay."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from dsconv import errors
from dsconv.errors import DsconvError, ToolkitError

_QUIET = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TQDM_DISABLE": "1",
}
_KINDS = ("ConversionError", "ModelError", "OutputError", "ToolkitError")


class WorkerError(Exception):
    """Where an error arose in the other process: its traceback, or what it printed."""


def run_module(label: str, module: str, *paths: Path) -> None:
    """Run a module of Python with paths as its arguments, and wait.

    Raises the error that it reports, ToolkitError if it dies without a word; the cause is what the
    process had to say.
    """
    # A folder of dsconv's, so that nothing in the user's folder is taken for a module.
    folder = paths[-1].resolve().parent
    environment = os.environ | _QUIET | {"PYTHONPATH": os.pathsep.join(_import_path())}
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "ignore", "-m", module, *(str(path.resolve()) for path in paths)],
        capture_output=True,
        cwd=folder,
        env=environment,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise _error(label, done) from WorkerError(_traceback(done))


def _import_path() -> list[str]:
    """Where this process imports from, as absolute folders."""
    return list(dict.fromkeys(str(Path(entry or ".").resolve()) for entry in sys.path))


def _error(label: str, done: subprocess.CompletedProcess[str]) -> DsconvError:
    report = _report(done.stdout)
    kind = report.get("kind")
    if kind in _KINDS:
        error: DsconvError = getattr(errors, kind)(report["message"])
        return error
    if done.returncode < 0:
        return ToolkitError(
            f"{label} was ended by signal {-done.returncode}, as when memory runs out; convert on "
            "a machine with more."
        )
    lines = done.stderr.strip().splitlines()
    return ToolkitError(f"{label} failed: {lines[-1] if lines else done.returncode}")


def _report(stdout: str) -> dict[str, str]:
    """What the process reports in its last line; empty if that is something else."""
    lines = stdout.strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _traceback(done: subprocess.CompletedProcess[str]) -> str:
    return _report(done.stdout).get("traceback") or done.stderr
