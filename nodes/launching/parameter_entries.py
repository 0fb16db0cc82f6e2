"""The ``param:`` lists of launch files and the parameter files they name, as one nested dict."""

from fnmatch import fnmatchcase
from typing import Any

from .description import leaves, merge
from .key_values import TYPES, absolute, flag, is_file, nearest_file, read, type_name
from .launch_grammar import items_of, parameter_entry
from .substitution import evaluate, evaluate_text, origin_of
from .variables import Origin, Scope, as_text
from .yaml_loader import Element, InputError, load_file, nearest


def parameters_of(
    element: Element, node: str, scope: Scope
) -> tuple[dict[str, Any], dict[str, Origin]]:
    """The parameters of one node: files and entries in order, later ones over earlier ones.

    Args:
        element: The value of its ``param``.
        node: Its full name, for parameter files.
        scope: For substitutions.

    Returns:
        The parameters, and where each stands: ``param a.b`` for a value, ``name a.b`` for a name.

    Raises:
        InputError: Anything but ``{name, value}``, ``{name, param: [...]}`` and ``{from: file}``,
            or one name written twice.
    """
    reader = _Reader(node, scope)
    return reader.list(element, ""), reader.places


class _Reader:
    """Reads the parameters of one node and notes where they stand."""

    def __init__(self, node: str, scope: Scope) -> None:
        self.node = node
        self.scope = scope
        self.places: dict[str, Origin] = {}
        self.lines: dict[str, int] = {}

    def list(self, element: Element, prefix: str) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for item in items_of(element, "param"):
            if "from" in parameter_entry(item):
                if prefix:
                    raise item.error("'from' stands in a node's own 'param', not inside another")
                found = self.from_file(item)
            else:
                found = self.entry(item, prefix)
            result = merge(result, found)
        return result

    def entry(self, item: Element, prefix: str) -> dict[str, Any]:
        items = item.items
        name = evaluate_text(items["name"], self.scope)
        words = name.split(".")
        if not all(words):
            raise items["name"].error(f"'{name}' is no parameter name")
        full = prefix + name
        self.places[f"name {full}"] = origin_of(items["name"], self.scope)
        if "param" in items:
            self.places[f"param {full}"] = Origin(item.file, item.line)
            value: Any = self.list(items["param"], f"{full}.")
        else:
            value = evaluate(items["value"], self.scope)
            if "type" in items:
                value = self.typed(value, items)
            block = isinstance(value, dict)
            written = [leaf for leaf, _ in leaves(value, f"{full}.")] if block else []
            for leaf in written or [full]:
                if leaf in self.lines:
                    again = f"parameter '{leaf}' is given twice (first in line {self.lines[leaf]})"
                    raise item.error(again)
                self.lines[leaf] = item.line
            self.note(items["value"], full, self.scope)
        for word in reversed(words):
            value = {word: value}
        return value

    def note(self, element: Element, name: str, scope: Scope | None) -> None:
        """Notes where a value stands, and each key in it; without a scope, as it is written."""
        here = Origin(element.file, element.line)
        self.places[f"param {name}"] = origin_of(element, scope) if scope else here
        for key, inner in element.items.items():
            line = element.key_lines.get(key, inner.line)
            self.places[f"name {name}.{key}"] = Origin(element.file, line)
            self.note(inner, f"{name}.{key}", scope)

    def typed(self, value: Any, items: dict[str, Element]) -> Any:
        name = read(type_name, "type", items["type"], self.scope)
        kind = TYPES[name]
        if kind is str and not isinstance(value, dict | list):
            return evaluate_text(items["value"], self.scope)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if type(value) is not kind:
            where = origin_of(items["value"], self.scope)
            raise where.error(f"'value': '{as_text(value)}' is not of type {name}")
        return value

    def from_file(self, item: Element) -> dict[str, Any]:
        """What a ROS 2 parameter file (``/**: ros__parameters: {...}``) holds for the node."""
        items = item.items
        path = read(absolute, "from", items["from"], self.scope)
        if not is_file(path):
            message = f"'from': {path}: cannot read it, there is no such file{nearest_file(path)}"
            raise origin_of(items["from"], self.scope).error(message)
        try:
            root = load_file(path)
        except InputError as error:
            if error.line:
                raise
            raise items["from"].error(f"{path}: {error.message}") from None
        key = "allow_substs"
        substitute = key in items and read(flag, key, items[key], self.scope)
        if root is None or not isinstance(root.value, dict):
            form = "a parameter file is {node name: {ros__parameters: {...}}}"
            raise InputError(form, str(path), root.line if root else 1)
        found: dict[str, Any] = {}
        matched = False
        for name, block in root.value.items():
            parameters = _under_a_name(name, block, root)
            if not means(name, self.node):
                continue
            matched = True
            values = evaluate(parameters, self.scope) if substitute else parameters.python()
            for key, value in values.items():
                if not all(key.split(".")):
                    raise parameters.error(f"'{key}' is no parameter name", key)
                line = parameters.key_lines[key]
                self.places[f"name {key}"] = Origin(parameters.file, line)
                self.note(parameters.items[key], key, self.scope if substitute else None)
                for word in reversed(key.split(".")):
                    value = {word: value}
                found = merge(found, value)
        if not matched:
            known = ", ".join(root.value) or "nothing"
            raise items["from"].error(f"{path.name} has nothing for '{self.node}' (it has {known})")
        return found


def _under_a_name(name: str, block: Element, root: Element) -> Element:
    """The parameters under one name of a parameter file, its keys checked."""
    for key in block.items:
        if key != "ros__parameters":
            message = f"unknown key '{key}'{nearest(key, ['ros__parameters'])}"
            raise block.error(f"{message} (under a node's name)", key)
    parameters = block.items.get("ros__parameters")
    if parameters is None or not isinstance(parameters.value, dict):
        raise root.error(f"'{name}' lacks its 'ros__parameters:' with names and values", name)
    return parameters


def means(pattern: str, node: str) -> bool:
    """Whether a parameter file's name (``sim``, ``/left/sim``, ``/**``) means the node.

    ``*`` is one word of a name, ``**`` any number of them.
    """
    words = node.split("/")[1:]
    at = {0}  # how many words may be used up so far
    for part in pattern.removeprefix("/").split("/"):
        if part == "**":
            at = set(range(min(at), len(words) + 1))
        else:
            at = {i + 1 for i in at if i < len(words) and fnmatchcase(words[i], part)}
        if not at:
            return False
    return len(words) in at
