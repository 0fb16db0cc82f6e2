"""YAML for launch files: the 1.2 core schema with line numbers; whatever is doubtful is an error.

PyYAML reads YAML 1.1, where ``off`` is false, ``1e-3`` a string and ``012`` ten. Here PyYAML only
splits the text into nodes; types follow the YAML 1.2 core schema
(https://yaml.org/spec/1.2.2/#103-core-schema). Duplicate keys, tags, several documents and aliases
that blow up are errors with a file and a line.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

import yaml

Scalar = None | bool | int | float | str

LARGEST_FILE = 1_000_000
"""Bytes; a launch file is a page or two."""
MOST_ELEMENTS = 20_000
"""Elements after every alias is written out, so ten lines of aliases cannot ask for a billion."""
DEEPEST = 50
"""Levels of nesting, so a file cannot exhaust the interpreter's stack."""

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITY = re.compile(r"[-+]?\.(?:inf|Inf|INF)")
_NAN = re.compile(r"\.(?:nan|NaN|NAN)")
_LONGEST_LINE = 1000
_LONGEST_WORD = 200  # likeness costs the product of two lengths
_MOST_DIGITS = 300  # longer is no number that anybody means, and Python refuses 4300


class InputError(Exception):
    """What a person wrote is wrong; the text is one line, ``file:line: what; did you mean ...?``.

    Attributes:
        file: The file it stands in, or where else it came from ("command line").
        line: Line number from 1, or 0 where there are no lines.
    """

    def __init__(self, message: str, file: str = "", line: int = 0) -> None:
        place = f"{file}:{line}: " if line else f"{file}: " if file else ""
        super().__init__(in_a_line(f"{place}{message}"))
        self.message, self.file, self.line = message, file, line


class MistakesError(InputError):
    """Several mistakes at once; the text has one line for each.

    Attributes:
        errors: The mistakes, at least one.
    """

    def __init__(self, errors: Sequence[InputError]) -> None:
        Exception.__init__(self, "\n".join(map(str, errors)))
        self.errors = tuple(errors)
        self.message, self.file, self.line = errors[0].message, errors[0].file, errors[0].line

    @classmethod
    def of(cls, errors: Sequence[InputError]) -> InputError:
        """One mistake as itself, several as this; those inside such an error count one by one."""
        each = [one for error in errors for one in getattr(error, "errors", (error,))]
        each = list(dict.fromkeys(each))
        return each[0] if len(each) == 1 else cls(each)


def in_a_line(text: str) -> str:
    """Text as one line that a terminal can show: no control characters, and no novel."""
    line = " ".join(text.splitlines())
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    if len(line) > _LONGEST_LINE:
        half = _LONGEST_LINE // 2
        line = f"{line[:half]} ... {line[-half:]}"
    return line


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of an error message: ``; did you mean 'samples'?``, or nothing when none is near."""
    found = _closest(word, known)
    return f"; did you mean '{found}'?" if found else ""


def nearest_path(path: Path, beside: Iterable[str]) -> str:
    """The same of a path by its last part, with names that lie beside it; whole, to be typed."""
    found = _closest(path.name, beside)
    return f"; did you mean '{path.with_name(found)}'?" if found else ""


def _closest(word: str, known: Iterable[str]) -> str:
    if len(word) > _LONGEST_WORD:
        return ""
    names = {name.lower(): name for name in known if len(name) <= _LONGEST_WORD}
    found = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return names[found[0]] if found else ""


@dataclass(frozen=True)
class Element:
    """One value of a YAML file with the place it stands at.

    Attributes:
        value: A scalar, a list of elements, or a dict of elements by key.
        file: Path of the file as the person wrote it.
        line: Line of its first character, from 1.
        text: A scalar's text as written (quotes taken off), None for a list or a mapping.
        plain: Whether a scalar stood without quotes.
        key_lines: A mapping's lines, by key.
    """

    value: "Scalar | list[Element] | dict[str, Element]"
    file: str
    line: int
    text: str | None = None
    plain: bool = True
    key_lines: dict[str, int] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What it is, in a person's words."""
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, list):
            return "a list"
        if self.value is None:
            return "nothing"
        return f"'{self.text}'"

    @property
    def items(self) -> "dict[str, Element]":
        """A mapping's values by key; nothing for what is no mapping."""
        return self.value if isinstance(self.value, dict) else {}

    def error(self, message: str, key: str | None = None) -> InputError:
        """An error at this element, or at one of its keys."""
        return InputError(message, self.file, self.key_lines.get(key or "", self.line))

    def python(self) -> Any:
        """The value as plain Python objects."""
        if isinstance(self.value, dict):
            return {key: item.python() for key, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.python() for item in self.value]
        return self.value


def scalar(text: str) -> Scalar:
    """A plain scalar's value in the core schema: ``off`` a string, ``012`` 12, ``1e-3`` 0.001.

    Raises:
        ValueError: A number of more digits than anybody means.
    """
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    number = next((p for p in (_INT, _OCTAL, _HEXADECIMAL, _FLOAT) if p.fullmatch(text)), None)
    if number is not None and len(text) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(text)} characters; quote it if it is a string")
    if number is _INT:
        return int(text)
    if number in (_OCTAL, _HEXADECIMAL):
        return int(text, 0)
    if number is _FLOAT:
        return float(text)
    if _INFINITY.fullmatch(text):
        return float(text.replace(".", "", 1))
    if _NAN.fullmatch(text):
        return float("nan")
    return text


def parse_value(text: str, file: str = "", line: int = 0) -> Any:
    """Types one value, as it stands after ``name:=`` or as a substitution left it.

    A list or mapping in flow style and a quoted string are read as YAML; everything else is one
    scalar, so a colon or a hash in it means nothing.

    Raises:
        InputError: Unbalanced brackets, duplicate keys and the like.
    """
    stripped = text.strip()
    if stripped[:1] in ("[", "{", "'", '"'):
        return _at(load_text(stripped, file, first_line=max(line, 1)), line).python()
    try:
        return scalar(stripped)
    except ValueError as error:
        raise InputError(str(error), file, line) from None


def _at(element: Element | None, line: int) -> Element:
    if element is None:
        raise InputError("empty value", "", line)
    return element


def load_file(path: Path, shown: str | None = None) -> Element | None:
    """Reads one YAML file.

    Args:
        path: The file.
        shown: How error messages call it (default: the path as given).

    Returns:
        Its root, or None for an empty file.

    Raises:
        InputError: It cannot be read, or is not strict YAML.
    """
    file = shown or str(path)
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise InputError(f"{size} bytes; a launch file has at most {LARGEST_FILE}", file, 1)
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read it: {error.strerror or error}", file) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"not UTF-8 (byte 0x{data[error.start]:02x})", file, line) from None
    return load_text(text, file)


@lru_cache(maxsize=32)
def load_text(text: str, file: str = "", first_line: int = 1) -> Element | None:
    """Reads YAML text; `file` and `first_line` say where it stands for error messages.

    The same text is split once: a launch reads each of its files several times. So nobody may
    change an element.

    Raises:
        InputError: It is not strict YAML.
    """
    reader = None
    try:
        reader = _Reader(text, file, first_line)
        root = reader.get_single_node()
        return None if root is None else reader.element(root)
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + first_line
        raise InputError(f"character U+{error.character:04X}", file, line) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = (mark.line if mark else 0) + first_line
        raise InputError(_in_words(error), file, line) from None
    except RecursionError:
        raise InputError(f"nested more than {DEEPEST} deep", file, first_line) from None
    finally:
        if reader is not None:
            reader.dispose()


def _in_words(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or str(error)
    if "'\\t'" in problem:
        return "a tab in the indentation; YAML wants spaces"
    if "but found another document" in problem:
        return "a second document ('---'); a launch file is one"
    return f"{error.context}: {problem}" if error.context else problem


class _Reader(yaml.SafeLoader):
    """Splits text into PyYAML's nodes without giving any a type, and turns those into elements."""

    yaml_implicit_resolvers: dict = {}

    def __init__(self, text: str, file: str, first_line: int) -> None:
        super().__init__(text)
        self.file, self.first_line = file, first_line
        self.elements = 0
        self.depth = 0

    def compose_node(self, parent, index):
        """Composes one node; tags, and more levels than anybody writes, are errors."""
        event = self.peek_event()
        if getattr(event, "tag", None) is not None:
            self._stop(f"tag '{event.tag}'; quote a string to keep it one", event.start_mark)
        if self.depth >= DEEPEST:
            self._stop(f"nested more than {DEEPEST} deep", event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def _stop(self, message: str, mark: yaml.Mark) -> NoReturn:
        raise InputError(message, self.file, mark.line + self.first_line)

    def element(self, node: yaml.Node, depth: int = 0) -> Element:
        """The element of a node, aliases written out (and counted)."""
        mark = node.start_mark
        line = mark.line + self.first_line
        self.elements += 1
        if self.elements > MOST_ELEMENTS:
            self._stop(f"its aliases expand to more than {MOST_ELEMENTS} elements", mark)
        if depth > DEEPEST:
            self._stop(f"nested more than {DEEPEST} deep (an alias inside its own anchor?)", mark)
        if isinstance(node, yaml.ScalarNode):
            plain = node.style is None
            try:
                value = scalar(node.value) if plain else node.value
            except ValueError as error:
                self._stop(str(error), mark)
            return Element(value, self.file, line, node.value, plain)
        if isinstance(node, yaml.SequenceNode):
            return Element([self.element(n, depth + 1) for n in node.value], self.file, line)
        items: dict[str, Element] = {}
        key_lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._stop("a key must be one word", key_node.start_mark)
            key = key_node.value
            if key in items:
                again = f"key '{key}' is given twice (first in line {key_lines[key]})"
                self._stop(again, key_node.start_mark)
            key_lines[key] = key_node.start_mark.line + self.first_line
            items[key] = self.element(value_node, depth + 1)
        return Element(items, self.file, line, key_lines=key_lines)


class _Dumper(yaml.SafeDumper):
    """Writes YAML that this loader reads back as the same values."""

    yaml_implicit_resolvers: dict = {}

    def ignore_aliases(self, data: Any) -> bool:
        """Writes everything out: a resolved launch file is for reading."""
        return True


# The dumper quotes a string that any of these would take for something else.
for _tag, _patterns in (
    ("null", (_NULL,)),
    ("bool", (_BOOL,)),
    ("int", (_INT, _OCTAL, _HEXADECIMAL)),
    ("float", (_FLOAT, _INFINITY, _NAN)),
):
    for _pattern in _patterns:
        _Dumper.add_implicit_resolver(
            f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern.pattern})\Z"), None
        )


def dump(value: Any) -> str:
    """Plain Python objects as YAML text that `load_text` reads back equal."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
