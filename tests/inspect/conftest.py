"""The browser that shows pages and drawings."""

import os
from collections.abc import Iterator

import pytest

from tests.browser import Browser, find_chromium


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A tab of headless Chromium."""
    program = find_chromium()
    if program is None or os.name == "nt":
        pytest.skip("no Chromium; run `apt-get install chromium`, or set DSCONV_CHROMIUM")
    with Browser(program, tmp_path_factory.mktemp("chromium")) as found:
        yield found
