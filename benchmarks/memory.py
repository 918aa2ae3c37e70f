"""The memory of a process that runs one model: ``python -m benchmarks.memory LOADER FILE``.

Prints the resident memory in MB after the model is loaded and has run twice.
"""

import subprocess
import sys
from pathlib import Path

from benchmarks import loaders


def resident_mb(loader: str, path: Path) -> float:
    """Measure a model in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.memory", loader, str(path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    """Load, run, and report."""
    name, path = sys.argv[1:]
    call = getattr(loaders, name)(Path(path), 1)
    call()
    call()
    lines = Path("/proc/self/status").read_text().splitlines()
    resident = next(line for line in lines if line.startswith("VmRSS"))
    print(int(resident.split()[1]) / 1024)


if __name__ == "__main__":
    main()
