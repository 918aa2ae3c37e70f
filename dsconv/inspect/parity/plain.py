"""Dataclasses as JSON and back, with every number as it was to the last bit."""

from __future__ import annotations

import base64
import types
import zlib
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """A dataclass, or what one holds, as the values of JSON; arrays of bytes are packed."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.ndarray):
        packed = base64.b64encode(zlib.compress(np.ascontiguousarray(value, np.uint8).tobytes()))
        return {"shape": list(value.shape), "bytes": packed.decode()}
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, Sequence):
        return [to_plain(item) for item in value]
    if isinstance(value, (bool, int, float)):
        return value
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def from_plain(kind: type[T], value: Any) -> T:
    """What `to_plain` made of a value of this type.

    Raises ValueError, TypeError or KeyError for anything else.
    """
    built: T = _built(kind, value)
    return built


def _built(kind: Any, value: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (types.UnionType, Union):
        (some,) = (each for each in arguments if each is not type(None))
        return None if value is None else _built(some, value)
    if origin is np.ndarray:
        data = zlib.decompress(base64.b64decode(value["bytes"], validate=True))
        return np.frombuffer(data, np.uint8).reshape(value["shape"])
    if origin is tuple:
        return tuple(_built(each, item) for each, item in zip(arguments, value, strict=True))
    if origin is not None and issubclass(origin, Sequence):
        return [_built(arguments[0], item) for item in value]
    if is_dataclass(kind):
        return _dataclass(kind, value)
    if issubclass(kind, Enum):
        return kind(value)
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _dataclass(kind: Any, value: Any) -> Any:
    hints = _hints(kind)
    if set(value) != set(hints):
        raise ValueError(f"other fields than those of {kind}")
    return kind(**{name: _built(hints[name], item) for name, item in value.items()})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
