"""A Dask cluster on this machine: a scheduler and workers, a process each."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

START_SECONDS = 60


class DaskCluster:
    """A scheduler, and workers that come and go. `folder` is where they write."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        file = folder / "scheduler.json"
        self._scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file)
        )
        self.address = self._address(file)

    def __enter__(self) -> DaskCluster:
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self.workers.values(), self._scheduler):
            process.kill()
            process.wait()

    def start_worker(self, name: str, threads: int = 1) -> None:
        """Start a worker in the place of the one of that name, if there was one."""
        folder = str(self._folder)
        how = ["--no-nanny", "--nthreads", str(threads), "--local-directory", folder]
        self.workers[name] = self._start("worker", self.address, "--name", name, *how)

    def kill_worker(self, name: str) -> None:
        """End a worker without a word."""
        process = self.workers.pop(name)
        process.kill()
        process.wait()

    def stop_scheduler(self) -> None:
        """End the scheduler without a word."""
        self._scheduler.kill()
        self._scheduler.wait()

    def _start(self, what: str, *arguments: str) -> subprocess.Popen[bytes]:
        module = f"distributed.cli.dask_{what}"
        command = [sys.executable, "-m", module, "--dashboard-address", "127.0.0.1:0", *arguments]
        with (self._folder / f"{what}.log").open("ab") as log:
            return subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log)

    def _address(self, file: Path) -> str:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if file.exists() and (text := file.read_text()):
                values: dict[str, Any] = json.loads(text)
                return str(values["address"])
            time.sleep(0.05)
        raise AssertionError("the scheduler does not start")
