"""The ``param:`` lists of launch files and the parameter files they name, as one nested dict."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from .description import leaves, merge
from .substitution import Scope, as_text, evaluate, evaluate_text
from .yaml_loader import Element, InputError, load_file, nearest

_KEYS = ("name", "value", "param", "from", "allow_substs", "type")
_TYPES: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str}


def parameters_of(element: Element, node: str, scope: Scope) -> dict[str, Any]:
    """The parameters of one node: files and entries in order, later ones over earlier ones.

    Args:
        element: The value of its ``param``.
        node: Its full name, for parameter files.
        scope: For substitutions.

    Raises:
        InputError: Anything but ``{name, value}``, ``{name, param: [...]}`` and ``{from: file}``,
            or one name written twice.
    """
    return _merged(element, node, scope, "", {})


def _merged(
    element: Element, node: str, scope: Scope, prefix: str, lines: dict[str, int]
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for item in _items(element):
        if "from" in item.items:
            if prefix:
                raise item.error("'from' stands in a node's own 'param', not inside another")
            result = merge(result, _from_file(item, node, scope))
        else:
            result = merge(result, _entry(item, node, scope, prefix, lines))
    return result


def _items(element: Element) -> list[Element]:
    """The entries of a ``param`` list, their keys checked."""
    if not isinstance(element.value, list):
        raise element.error(f"'param' is a list of {{name, value}}, not {element.kind}")
    for item in element.value:
        if not isinstance(item.value, dict):
            raise item.error(f"a parameter is {{name, value}}, not {item.kind}")
        for key in item.value:
            if key not in _KEYS:
                raise item.error(f"unknown key '{key}'{nearest(key, _KEYS)} (in 'param')", key)
        forms = [key for key in ("value", "param", "from") if key in item.value]
        if len(forms) != 1:
            what = f"both '{forms[0]}' and '{forms[1]}'" if forms else "no 'value'"
            raise item.error(f"a parameter with {what}")
        if "name" in item.value and forms == ["from"]:
            raise item.error("a parameter with both 'name' and 'from'")
        if "name" not in item.value and forms != ["from"]:
            raise item.error("a parameter with no 'name'")
        for key, form in (("allow_substs", "from"), ("type", "value")):
            if key in item.value and forms != [form]:
                raise item.error(f"'{key}' goes with '{form}' only", key)
    return element.value


def _entry(
    item: Element, node: str, scope: Scope, prefix: str, lines: dict[str, int]
) -> dict[str, Any]:
    items = item.items
    name = evaluate_text(items["name"], scope)
    words = name.split(".")
    if not all(words):
        raise items["name"].error(f"'{name}' is no parameter name")
    if "param" in items:
        value: Any = _merged(items["param"], node, scope, f"{prefix}{name}.", lines)
    else:
        value = evaluate(items["value"], scope)
        if "type" in items:
            value = _typed(value, items, scope)
        full = prefix + name
        written = [leaf for leaf, _ in leaves(value, f"{full}.")] if isinstance(value, dict) else []
        for leaf in written or [full]:
            if leaf in lines:
                raise item.error(f"parameter '{leaf}' is given twice (first in line {lines[leaf]})")
            lines[leaf] = item.line
    for word in reversed(words):
        value = {word: value}
    return value


def _typed(value: Any, items: dict[str, Element], scope: Scope) -> Any:
    name = evaluate_text(items["type"], scope)
    if name not in _TYPES:
        hint = nearest(name, _TYPES) or f"; one of {', '.join(_TYPES)}"
        raise items["type"].error(f"unknown type '{name}'{hint}")
    kind = _TYPES[name]
    if kind is str and not isinstance(value, dict | list):
        return evaluate_text(items["value"], scope)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise items["value"].error(f"'{as_text(value)}' is not of type {name}")
    return value


def _from_file(item: Element, node: str, scope: Scope) -> dict[str, Any]:
    """What a ROS 2 parameter file (``/**: ros__parameters: {...}``) holds for one node."""
    items = item.items
    text = evaluate_text(items["from"], scope)
    path = Path(text)
    if not path.is_absolute():
        raise items["from"].error(f"'{text}' is relative; write $(dirname)/{text}")
    try:
        root = load_file(path)
    except InputError as error:
        if error.line:
            raise
        raise items["from"].error(f"{path}: {error.message}") from None
    substitute = "allow_substs" in items and evaluate(items["allow_substs"], scope) is True
    if root is None or not isinstance(root.value, dict):
        raise InputError("a parameter file is {node name: {ros__parameters: {...}}}", text, 1)
    found: dict[str, Any] = {}
    matched = False
    for name, block in root.value.items():
        body = block.value if isinstance(block.value, dict) else {}
        for key in body:
            if key != "ros__parameters":
                message = f"unknown key '{key}'{nearest(key, ['ros__parameters'])}"
                raise block.error(f"{message} (under a node's name)", key)
        parameters = body.get("ros__parameters")
        if parameters is None or not isinstance(parameters.value, dict):
            raise block.error(f"'{name}' lacks its 'ros__parameters:' with names and values")
        if _means(name, node):
            matched = True
            values = evaluate(parameters, scope) if substitute else parameters.python()
            for key, value in values.items():
                for word in reversed(key.split(".")):
                    value = {word: value}
                found = merge(found, value)
    if not matched:
        known = ", ".join(root.value) or "nothing"
        raise items["from"].error(f"{path.name} has nothing for '{node}' (it has {known})")
    return found


def _means(pattern: str, node: str) -> bool:
    """Whether a parameter file's name (``sim``, ``/left/sim``, ``/**``) means the node."""
    full = pattern if pattern.startswith("/") else f"/{pattern}"
    if "**" in full:
        return fnmatchcase(node, full.replace("/**/", "/*/").replace("**", "*")) or (
            full.startswith("/**/") and fnmatchcase(node, full.replace("/**/", "/"))
        )
    return full.count("/") == node.count("/") and fnmatchcase(node, full)
