"""What all tests of TFLite files need."""

import pytest

from tests.convert.conversions import require_toolkits


@pytest.fixture(scope="session", autouse=True)
def _litert() -> None:
    """LiteRT reads and runs the files; without it the tests are skipped, saying so."""
    require_toolkits("tflite")
