"""TensorFlow's messages for writing, as protobuf's classes: ``messages.NodeDef(name="a")``.

They are made of the schema when they are used, without TensorFlow; protobuf is loaded for the first
one that is asked for.
"""

from typing import Any

from dsconv.formats.graphdef import schema
from dsconv.formats.protobuf.schema import TypedMessage, message_class


def __getattr__(name: str) -> Any:
    """The message class of that name."""
    found = getattr(schema, name, None)
    if not (isinstance(found, type) and issubclass(found, TypedMessage)):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = message_class(found)
    return globals()[name]
