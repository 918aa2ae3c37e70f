"""The side of a toolkit's process: do the work, and tell the parent what went wrong.

The last line of the standard output is JSON if it failed; all else that is printed is noise.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from dsconv.errors import ConversionError, DsconvError, ToolkitError
from dsconv.formats.graphdef.graph import Graph
from dsconv.runtime.model import reason_of

Work = Callable[..., None]

_MOST_NAMED = 5


def run(label: str, work: Work) -> None:
    """Call `work` with the paths that the process was given; exit with an error's code."""
    try:
        work(*map(Path, sys.argv[1:]))
    except DsconvError as error:
        _report(error)
    except Exception as error:  # The toolkits' exceptions have no common base.
        _report(ToolkitError(f"{label} failed: {reason_of(error)}"))


def unsupported(label: str, graph: Graph, ops: Iterable[str]) -> ConversionError:
    """The error for a graph with ops that a toolkit does not convert; it names their nodes."""
    unknown = set(ops)
    found = [f"'{node.name}' ({node.op})" for node in graph if node.op in unknown]
    # What a toolkit makes of a node may have another op than the graph.
    known = {node.op for node in graph}
    found += [f"({op})" for op in sorted(unknown - known)]
    if len(found) > _MOST_NAMED:
        found[_MOST_NAMED:] = [f"{len(found) - _MOST_NAMED} more"]
    return ConversionError(
        f"{label} does not convert {', '.join(found)}; cut that off with --outputs or --inputs, or "
        "choose another target."
    )


def _report(error: DsconvError) -> None:
    values = {
        "kind": type(error).__name__,
        "message": " ".join(str(error).split()),
        "traceback": traceback.format_exc(),
    }
    sys.stderr.flush()
    print(f"\n{json.dumps(values)}", flush=True)
    sys.exit(error.exit_code)
