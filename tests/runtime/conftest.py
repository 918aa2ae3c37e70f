"""OpenVINO without its telemetry, for all tests of this process.

The import alone would count the use in the home folder and report it over the network, from a
process forked beside the threads of the other runtimes, which can hang.
"""

import sys
from typing import Any

_modules: dict[str, Any] = sys.modules
# As if it were not installed: OpenVINO then takes its own stand-in, which does nothing.
_modules.setdefault("openvino_telemetry", None)
