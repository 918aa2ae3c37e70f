"""Every error in the bytes of a converted file is caught, and its sentence names the cause.

None passes because of the rounding of a lower precision, and none is put down to it.
"""

from __future__ import annotations

import re

import pytest

from dsconv.convert.options import Precision
from tests.convert.conversions import require_toolkits
from tests.inspect.parity.sabotage.kinds import KINDS, Kind
from tests.inspect.parity.sabotage.spoiled import PRECISIONS, TARGETS, Spoiler

LEAST = 54


@pytest.fixture(scope="session")
def spoiler(tmp_path_factory: pytest.TempPathFactory) -> Spoiler:
    """Converts each model once."""
    return Spoiler(tmp_path_factory.mktemp("spoiled"))


def test_there_are_enough_errors() -> None:
    """Each has a name of its own."""
    assert len({kind.name for kind in KINDS}) == len(KINDS) >= LEAST
    assert sum(kind.of_weights for kind in KINDS) >= 39
    assert sum(not kind.of_weights for kind in KINDS) >= 15


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("target", TARGETS)
def test_an_error_is_caught_and_named(
    target: str, precision: Precision, kind: Kind, spoiler: Spoiler
) -> None:
    """The sentence holds the cause, whatever the file's precision."""
    require_toolkits(target)
    sentences = spoiler.sentences(kind, target, precision)
    assert any(re.search(kind.says, sentence) for sentence in sentences), sentences
    assert not any("rounding" in sentence for sentence in sentences)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("target", TARGETS)
def test_the_right_files_pass(target: str, precision: Precision, spoiler: Spoiler) -> None:
    """What the errors were put into has none."""
    require_toolkits(target)
    forms = {(kind.form, kind.source): kind for kind in KINDS if not kind.source}
    for kind in forms.values():
        assert not spoiler.judged(*spoiler.right(kind, target, precision)), kind.form
