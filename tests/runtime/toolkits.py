"""What dsconv asks of the toolkits."""

from __future__ import annotations

from typing import Any

import pytest


def results_of(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[Any]:
    """A list that gets what a toolkit's function or class returns, whenever it is called."""
    whole, found = getattr(owner, name), []

    def noted(*arguments: Any, **named: Any) -> Any:
        found.append(whole(*arguments, **named))
        return found[-1]

    monkeypatch.setattr(owner, name, noted)
    return found
