"""Launch files: a strict subset of ROS 2's YAML launch, resolved to descriptions of processes.

What ROS 2 would read differently is an error here, with two exceptions: what an included file
sets stays inside it, and a parameter's value may be a mapping. Keys that ROS 2 lacks start with
``x-``.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .description import RESERVED_NAMES, Argument, LaunchDescription, NodeDescription
from .hosts import ARGUMENTS
from .launch_grammar import (
    CONDITIONS,
    LEVELS,
    Entity,
    choices,
    declared,
    entities,
    read_root,
    records,
)
from .parameter_entries import parameters_of
from .substitution import (
    Scope,
    SubstitutionError,
    Variable,
    as_text,
    boolean,
    evaluate,
    evaluate_text,
)
from .yaml_loader import Element, InputError, nearest, parse_value

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAMESPACE = re.compile(r"/?(?:[A-Za-z_][A-Za-z0-9_]*)(?:/[A-Za-z_][A-Za-z0-9_]*)*")
_EXECUTABLE = re.compile(r"[A-Za-z_]\w*|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_MOST_INCLUDES = 20


def find(name: str) -> Path:
    """The launch file a person means: a path, or a bare name for one of ours (``push``).

    Raises:
        InputError: There is no such file.
    """
    ours = Path(__file__).resolve().parents[2] / "launch"
    given = Path(name).expanduser()
    bare = given.name == name
    path = ours / (name if given.suffix in (".yaml", ".yml") else f"{name}.yaml") if bare else given
    if bare and not path.is_file() and given.is_file():
        path = given
    if not path.is_file():
        known = [file.stem for file in sorted(ours.glob("*.yaml"))]
        hint = nearest(given.stem, known) or f"; ours are {', '.join(known)}" if bare else ""
        hint += f"; ./{name} is a folder" if given.is_dir() else ""
        raise InputError(f"no launch file '{name}'{hint}", "command line")
    return path


def read_assignments(words: list[str]) -> dict[str, Variable]:
    """The ``name:=value`` words of a command line, typed by the same rules as the files.

    Raises:
        InputError: A word of another form, or a name twice.
    """
    given: dict[str, Variable] = {}
    for word in words:
        name, assigned, text = word.partition(":=")
        if not assigned or not name:
            meant = not assigned and word.find("=") > 0
            hint = f"; did you mean '{word.replace('=', ':=', 1)}'?" if meant else ""
            raise InputError(f"'{word}' is not of the form name:=value{hint}", "command line")
        if name in given:
            raise InputError(f"'{name}' is given twice", "command line")
        value = parse_value(text, f"command line: {name}")
        given[name] = Variable(value if isinstance(value, str) else text.strip(), value)
    return given


def arguments(path: Path) -> tuple[Argument, ...]:
    """What a launch file can be given (for ``--show-args``): its own arguments, then its includes'.

    As in ROS 2, an argument of an included file can be given from outside unless the include
    sets it. Included files whose name hangs on an argument are not looked into.

    Raises:
        InputError: The file is not a launch file.
    """
    return tuple(_arguments(path, (path.resolve(),)).values())


def _arguments(path: Path, stack: tuple[Path, ...]) -> dict[str, Argument]:
    root = read_root(path)
    found: dict[str, Argument] = {}
    for argument in declared(root):
        found.setdefault(argument.name, argument)  # of several with conditions: the first
    for entity in entities(root):
        if entity.kind != "include":
            continue
        try:
            inner = Path(evaluate_text(entity.items["file"], Scope(path.resolve().parent)))
        except InputError:
            continue
        if not inner.is_file() or inner.resolve() in stack:
            continue  # resolving it will say so, with its line
        items = records(entity.items["arg"], ("name", "value")) if "arg" in entity.items else ()
        fixed = {item["name"].text for item in items}
        for name, argument in _arguments(inner, (*stack, inner.resolve())).items():
            if name not in fixed:
                found.setdefault(name, argument)
    return found


def resolve(
    path: Path,
    given: Mapping[str, Variable] | None = None,
    environment: Mapping[str, str] | None = None,
) -> LaunchDescription:
    """Reads a launch file and puts everything in: arguments, conditions, includes, substitutions.

    Args:
        path: The launch file.
        given: Values of its arguments, from `read_assignments`.
        environment: For ``$(env)``; default: this process's.

    Raises:
        InputError: Whatever is wrong, with file, line and the nearest known word.
    """
    given = given or {}
    root = read_root(path)
    known = {argument.name: argument for argument in arguments(path)}
    everywhere = [argument.name for argument in ARGUMENTS]
    for name in given:
        if name not in known and name not in everywhere:
            words = (*known, *everywhere)
            hint = nearest(name, words) or f"; it has {', '.join(known) or 'none'}"
            raise InputError(f"{path} has no argument '{name}'{hint}", "command line")
    scope = Scope(path.resolve().parent)
    if environment is not None:
        scope.environment.clear()
        scope.environment.update(environment)
    resolver = _Resolver(dict(given))
    resolver.file(root, _Place(scope, top=True), (path.resolve(),))
    _refuse_twins(resolver.nodes)
    values = {name: resolver.values[name] for name in known if name in resolver.values}
    values |= {name: variable.value for name, variable in given.items() if name not in known}
    return LaunchDescription(
        path, tuple(known.values()), values, tuple(resolver.nodes), tuple(resolver.logs)
    )


def _refuse_twins(nodes: list[NodeDescription]) -> None:
    seen: dict[str, NodeDescription] = {}
    for node in nodes:
        if node.full_name in seen:
            first = seen[node.full_name]
            where = f"first in {first.file}:{first.line}"
            raise node.error(f"two nodes called '{node.full_name}' ({where}); give one a 'name'")
        seen[node.full_name] = node


@dataclass
class _Place:
    """Where the resolver stands: what is visible, and what a node here is wrapped in."""

    scope: Scope
    namespace: str = ""
    delay: float = 0.0
    top: bool = False

    def inner(self, **changes: Any) -> "_Place":
        return replace(self, **{"scope": self.scope.inner(), **changes})


class _Resolver:
    """Walks entities in order and gathers what they describe."""

    def __init__(self, given: dict[str, Variable]) -> None:
        self.given = given
        self.values: dict[str, Any] = {}
        self.nodes: list[NodeDescription] = []
        self.logs: list[tuple[str, str]] = []
        self.original: dict[str, str] | None = None

    def file(self, root: Element, place: _Place, stack: tuple[Path, ...]) -> None:
        """Everything in one launch file."""
        self.stack = stack
        if self.original is None:
            self.original = dict(place.scope.environment)
        self.entities(root, place)

    def entities(self, element: Element, place: _Place) -> None:
        for entity in list(entities(element)):
            if self._holds(entity, place.scope):
                getattr(self, f"_{entity.kind}")(entity, place)

    def _holds(self, entity: Entity, scope: Scope) -> bool:
        for key in CONDITIONS:
            if key in entity.items:
                return self._flag(entity, key, scope) == (key == "if")
        return True

    # Values of keys.

    def _text(self, entity: Entity, key: str, scope: Scope) -> str:
        return evaluate_text(entity.items[key], scope)

    def _text_or(self, entity: Entity, key: str, scope: Scope, otherwise: str) -> str:
        return self._text(entity, key, scope) if key in entity.items else otherwise

    def _records(self, entity: Entity, key: str, keys: tuple[str, ...]) -> Iterator[dict]:
        return records(entity.items[key], keys) if key in entity.items else iter(())

    def _flag(self, entity: Entity, key: str, scope: Scope) -> bool:
        try:
            return boolean(self._text(entity, key, scope))
        except SubstitutionError as error:
            raise entity.items[key].error(f"'{key}': {error}") from None

    def _number(self, entity: Entity, key: str, scope: Scope, least: float, whole=False) -> Any:
        value = evaluate(entity.items[key], scope)
        kind = int if whole else int | float
        if isinstance(value, bool) or not isinstance(value, kind) or not least <= value < 1e9:
            wanted = "a whole number" if whole else "a number of seconds"
            message = f"'{key}' must be {wanted} >= {least:g}, not '{as_text(value)}'"
            raise entity.items[key].error(message)
        return value if whole else float(value)

    def _name(self, entity: Entity, scope: Scope, key: str = "name") -> str:
        name = self._text(entity, key, scope)
        if not _NAME.fullmatch(name):
            raise entity.items[key].error(f"'{name}' is no name (letters, digits and _)")
        return name

    # Entities.

    def _arg(self, entity: Entity, place: _Place) -> None:
        name = self._name(entity, place.scope)
        inherited = name in place.scope.variables
        if name in self.given and (place.top or not inherited):
            variable, where = self.given[name], ("command line", 0)
        elif inherited:
            variable = place.scope.variables[name]
            where = (entity.element.file, entity.element.line)
        elif "default" in entity.items:
            element = entity.items["default"]
            value = evaluate(element, place.scope)
            plain = element.text is not None and "$" not in element.text
            variable = Variable(element.text, value) if plain else Variable.of(value)  # type: ignore[arg-type]
            where = (element.file, element.line)
        else:
            what = self._text_or(entity, "description", place.scope, "")
            raise entity.element.error(f"argument '{name}' is needed: {name}:=... {what}".rstrip())
        allowed = list(choices(entity))
        if allowed and variable.text not in allowed:
            hint = nearest(variable.text, allowed) or f"; one of {', '.join(allowed)}"
            raise InputError(f"'{variable.text}' is no choice of '{name}'{hint}", *where)
        place.scope.variables[name] = variable
        self.values.setdefault(name, variable.value)

    def _let(self, entity: Entity, place: _Place) -> None:
        value = evaluate(entity.items["value"], place.scope)
        place.scope.variables[self._name(entity, place.scope)] = Variable.of(value)

    def _group(self, entity: Entity, place: _Place) -> None:
        scoped = "scoped" not in entity.items or self._flag(entity, "scoped", place.scope)
        self.entities(entity.children, place.inner() if scoped else place)

    def _push_ros_namespace(self, entity: Entity, place: _Place) -> None:
        place.namespace = self._joined(entity, place)

    def _joined(self, entity: Entity, place: _Place) -> str:
        text = self._text(entity, "namespace", place.scope)
        if text in ("", "/"):
            return place.namespace if not text else ""
        if not _NAMESPACE.fullmatch(text):
            raise entity.items["namespace"].error(f"'{text}' is no namespace (such as left/arm)")
        return text if text.startswith("/") else f"{place.namespace}/{text}"

    def _set_env(self, entity: Entity, place: _Place) -> None:
        name = self._text(entity, "name", place.scope)
        place.scope.environment[name] = self._text(entity, "value", place.scope)

    def _timer(self, entity: Entity, place: _Place) -> None:
        period = self._number(entity, "period", place.scope, 0)
        self.entities(entity.children, place.inner(delay=place.delay + period))

    def _log(self, entity: Entity, place: _Place) -> None:
        level = self._text_or(entity, "level", place.scope, "info").lower()
        if level not in LEVELS:
            hint = nearest(level, LEVELS) or f"; one of {', '.join(LEVELS)}"
            raise entity.items["level"].error(f"unknown level '{level}'{hint}")
        self.logs.append((level, self._text(entity, "message", place.scope)))

    def _include(self, entity: Entity, place: _Place) -> None:
        element = entity.items["file"]
        text = self._text(entity, "file", place.scope)
        path = Path(text)
        if not path.is_absolute():
            raise element.error(f"'{text}' is relative; write $(dirname)/{text}")
        if not path.is_file():
            raise element.error(f"no file {path}")
        if path.resolve() in self.stack or len(self.stack) > _MOST_INCLUDES:
            raise element.error(f"{path} includes itself")
        root = read_root(path)
        known = {argument.name for argument in declared(root)}
        inside = place.inner(scope=place.scope.inner(path.resolve().parent), top=False)
        for item in self._records(entity, "arg", ("name", "value")):
            name = item["name"].text or ""
            if name not in known:
                message = f"{path.name} has no argument '{name}'{nearest(name, known)}"
                raise item["name"].error(message)
            inside.scope.variables[name] = Variable.of(evaluate(item["value"], place.scope))
        outer = self.stack
        self.file(root, inside, (*outer, path.resolve()))
        self.stack = outer

    # Processes.

    def _node(self, entity: Entity, place: _Place) -> None:
        scope = place.scope
        executable = self._text(entity, "exec", scope)
        if not _EXECUTABLE.fullmatch(executable):
            raise entity.items["exec"].error(
                f"'{executable}' is neither one of our nodes nor my_package.my_file:MyNode"
            )
        package = self._text_or(entity, "pkg", scope, "covary")
        if package != "covary" and executable.split(".")[0].split(":")[0] != package:
            raise entity.items["pkg"].error(
                f"nodes of '{package}' are written exec: {package}.my_file:MyNode"
            )
        name = executable.split(":")[-1]
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        if "name" in entity.items:
            name = self._name(entity, scope)
        namespace = self._joined(entity, place) if "namespace" in entity.items else place.namespace
        described = self._process(entity, place, name)
        for key in ("heartbeat_timeout", "start_timeout"):
            if f"x-{key}" in entity.items:
                described[key] = self._number(entity, f"x-{key}", scope, 0)
        full_name = f"{namespace}/{name}"
        node = NodeDescription(executable=executable, namespace=namespace, **described)
        param = entity.items.get("param")
        remaps = {}
        for item in self._records(entity, "remap", ("from", "to")):
            source = evaluate_text(item["from"], scope)
            if source in remaps:
                raise item["from"].error(f"'{source}' is remapped twice")
            remaps[source] = evaluate_text(item["to"], scope)
            for key, topic in (("from", source), ("to", remaps[source])):
                if not _NAMESPACE.fullmatch(topic):  # a topic is written as a namespace is
                    raise item[key].error(f"'{topic}' is no topic (such as /left/state)")
        parameters = parameters_of(param, full_name, scope) if param else {}
        self.nodes.append(replace(node, parameters=parameters, remaps=remaps))

    def _executable(self, entity: Entity, place: _Place) -> None:
        text = self._text(entity, "cmd", place.scope)
        try:
            command = tuple(shlex.split(text))
        except ValueError as error:
            raise entity.items["cmd"].error(f"'cmd': {error}") from None
        if not command:
            raise entity.items["cmd"].error("'cmd' is empty")
        name = re.sub(r"\W", "_", Path(command[0]).name)
        if "name" in entity.items:
            name = self._name(entity, place.scope)
        described = self._process(entity, place, name)
        namespace = place.namespace
        self.nodes.append(NodeDescription(command=command, namespace=namespace, **described))

    def _process(self, entity: Entity, place: _Place, name: str) -> dict[str, Any]:
        """What nodes and executables share."""
        scope, items = place.scope, entity.items
        if name in RESERVED_NAMES:
            raise entity.element.error(f"'{name}' is a name of the run folder; choose another")
        assert self.original is not None
        changed = {
            key: value
            for key, value in scope.environment.items()
            if self.original.get(key) != value
        }
        for item in self._records(entity, "env", ("name", "value")):
            changed[evaluate_text(item["name"], scope)] = evaluate_text(item["value"], scope)
        described: dict[str, Any] = {
            "name": name,
            "environment": changed,
            "delay": place.delay,
            "file": entity.element.file,
            "line": entity.element.line,
        }
        for key in ("respawn_delay", "sigterm_timeout", "sigkill_timeout"):
            if key in items:
                described[key] = self._number(entity, key, scope, 0)
        if "respawn" in items:
            described["respawn"] = self._flag(entity, "respawn", scope)
        if "x-required" in items:
            described["required"] = self._flag(entity, "x-required", scope)
        if "respawn_max_retries" in items:
            key = "respawn_max_retries"
            described[key] = self._number(entity, key, scope, -1, whole=True)
        if "on_exit" in items:
            if self._text(entity, "on_exit", scope) != "shutdown":
                raise items["on_exit"].error("'on_exit' knows only 'shutdown'")
            described["shutdown_on_exit"] = True
        return described
