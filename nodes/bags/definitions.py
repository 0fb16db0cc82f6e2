"""Message types from the definition texts in a bag, within limits: a bag may hold any text.

rosbags turns a definition into Python that it compiles. Names reach that code only through its
grammar (letters, digits and `_`); what is checked here is that the code stays small and ends.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

LARGEST_DEFINITION = 256 * 1024
"""Most bytes of one type's definition text, nested types included."""
MOST_LINES = 5000
"""Most lines of one; ROS 2's longest messages have some hundred."""
MOST_FIELDS = 2000
"""Most fields of all types in one; an array of texts or messages counts once for each element."""
DEEPEST = 30
"""Most messages inside one another."""
LARGEST_LISTS = 4 * 2**20
"""Most bytes of a message that holds lists of texts or messages, whose every element is an object
of Python's. Arrays of numbers are as large as they are."""

TIMES = ("builtin_interfaces/msg/Time", "builtin_interfaces/msg/Duration")
"""Types that are read as one number; a definition that makes them something else is refused."""

_TIME = [("sec", (Nodetype.BASE, ("int32", 0))), ("nanosec", (Nodetype.BASE, ("uint32", 0)))]


class DefinitionError(ValueError):
    """A definition that is none, or is beyond the limits; the text is one line."""


class Definitions:
    """Decodes messages by the definitions that lie beside them.

    Args:
        texts: Type name to (encoding, definition text).
    """

    def __init__(self, texts: Mapping[str, tuple[str, bytes]]) -> None:
        self._texts = texts

    def decode(self, payload: bytes, type_name: str) -> Any:
        """The message in CDR bytes.

        Raises:
            DefinitionError: No usable definition, or bytes that are no such message.
        """
        encoding, text = self._texts.get(type_name, ("", b""))
        if encoding != "ros2msg":
            raise DefinitionError(f"{type_name!r} has no ros2msg definition")
        store, lists = _compiled(type_name, text)
        if lists and len(payload) > LARGEST_LISTS:
            raise DefinitionError(
                f"{len(payload)} bytes of {type_name}; with lists in it {LARGEST_LISTS} at most"
            )
        try:
            return store.deserialize_cdr(payload, type_name)
        except Exception as error:  # rosbags raises whatever its parsers do on malformed bytes
            said = _line(error)
            raise DefinitionError(f"{len(payload)} bytes are no {type_name}: {said}") from None


@lru_cache(maxsize=100)
def _compiled(type_name: str, text: bytes) -> tuple[Any, bool]:
    """A type store with one type and what is in it, and whether that holds lists.

    A store each, as two types of a bag may have met different versions of a third; kept, as the
    bags of a run have the same types and compiling one takes some milliseconds.
    """
    lines = text.count(b"\n")
    if len(text) > LARGEST_DEFINITION or lines > MOST_LINES:
        raise DefinitionError(
            f"the definition of {type_name!r} has {len(text)} bytes in {lines} lines; "
            f"{LARGEST_DEFINITION} in {MOST_LINES} are read at most"
        )
    try:
        types = get_types_from_msg(text.decode(), type_name)
        if type_name not in types:
            raise DefinitionError("it defines something else")
        for name in TIMES:
            if name in types and types[name][1] != _TIME:
                raise DefinitionError(f"{name} is not int32 sec, uint32 nanosec")
        fields = {name: [desc for _, desc in listed] for name, (_, listed) in types.items()}
        _Size(fields).check(type_name)
        store = get_typestore(Stores.EMPTY)
        store.register(types)
        store.get_msgdef(type_name)
    except Exception as error:  # rosbags raises whatever its parsers do on a malformed text
        raise DefinitionError(f"the definition of {type_name!r}: {_line(error)}") from None
    return store, any(_is_list(desc) for listed in fields.values() for desc in listed)


class _Size:
    """Follows a type into its fields and counts what code it will make."""

    def __init__(self, fields: Mapping[str, list]) -> None:
        self._fields, self._left, self._checked = fields, MOST_FIELDS, set()

    def check(self, name: str, above: tuple[str, ...] = ()) -> None:
        if name in above or len(above) > DEEPEST:
            raise DefinitionError(f"{name} is inside itself, or more than {DEEPEST} types deep")
        if name not in self._fields:
            raise DefinitionError(f"{name} is not defined")
        if name in self._checked:
            return
        for kind, detail in self._fields[name]:
            count = 1
            if kind in (Nodetype.ARRAY, Nodetype.SEQUENCE):
                (kind_inside, detail_inside), length = detail
                # Elements without a byte could be as many as they like.
                if length < 0 or (kind == Nodetype.ARRAY and not length):
                    raise DefinitionError(f"{name} has an array of {length}")
                plain = kind_inside == Nodetype.BASE and detail_inside[0] != "string"
                count = length if kind == Nodetype.ARRAY and not plain else 1
                kind, detail = kind_inside, detail_inside
            self._left -= count
            if self._left < 0:
                raise DefinitionError(f"more than {MOST_FIELDS} fields")
            if kind == Nodetype.NAME:
                self.check(detail, (*above, name))
        self._checked.add(name)


def _is_list(desc: tuple) -> bool:
    """Whether a field is a sequence of texts or messages."""
    kind, detail = desc
    if kind != Nodetype.SEQUENCE:
        return False
    inner, what = detail[0]
    return inner == Nodetype.NAME or what[0] == "string"


def _line(error: Exception) -> str:
    # A parser quotes the whole text that it could not read.
    said = str(error).split("\n", 1)[0][:200]
    return said if said else type(error).__name__
