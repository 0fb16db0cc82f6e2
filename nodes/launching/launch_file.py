"""Launch files: a strict subset of ROS 2's YAML launch, resolved to descriptions of processes.

What ROS 2 would read differently is an error here, with two exceptions: what an included file
sets stays inside it, and a parameter's value may be a mapping. Keys that ROS 2 lacks start with
``x-``.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .description import Argument, LaunchDescription, NodeDescription
from .grammar_check import read_root
from .hosts import ARGUMENTS
from .key_values import (
    file,
    flag,
    is_file,
    level,
    name,
    nearest_file,
    read,
    seconds,
    text,
    variable_name,
)
from .launch_grammar import CONDITIONS, Entity, choices, declared, entities, records
from .process_entries import Place, described_executable, described_node, joined
from .substitution import evaluate_text, variable_of
from .variables import Origin, Scope, Variable
from .yaml_loader import Element, InputError, MistakesError, load_file, nearest, parse_value

_DEEPEST_INCLUDE = 20
_MOST_INCLUDES = 200
"""Included files, each as often as it is included: ten files could include each other 2^9 times."""
_MOST_NODES = 1000
_MOST_MISTAKES = 100
_LONGEST_SHOWN = 60
_OF_LAUNCHER = ("realtime", *(argument.name for argument in ARGUMENTS))
"""Arguments that no node need use."""


def find(name: str, folder: str = "launch", what: str = "launch file") -> Path:
    """The launch file a person means: a path, or a bare name for one of ours (``push``).

    Args:
        name: As it was typed.
        folder: Where ours lie, from the package's root; recipes of training lie elsewhere.
        what: What a person calls such a file.

    Raises:
        InputError: There is no such file.
    """
    ours = Path(__file__).resolve().parents[2] / folder
    try:
        given = Path(name).expanduser()
    except RuntimeError:  # no such person
        given = Path(name)
    bare = given.name == name
    path = ours / (name if given.suffix in (".yaml", ".yml") else f"{name}.yaml") if bare else given
    if bare and not is_file(path) and is_file(given):
        path = given
    if not is_file(path):
        known = [file.stem for file in sorted(ours.glob("*.yaml"))]
        hint = nearest_file(given)
        if bare and not hint:
            hint = nearest(given.stem, known) or f"; ours are {', '.join(known)}"
        raise InputError(f"no {what} '{name}'{hint}", "command line")
    return path


def read_assignments(words: list[str]) -> dict[str, Variable]:
    """The ``name:=value`` words of a command line, typed by the same rules as the files.

    A word ``@FILE`` stands for what a YAML file says, a mapping of names to values; what is typed
    beside it stands above it.

    Raises:
        InputError: A word of another form, a name twice, or a file that holds something else.
    """
    given: dict[str, Variable] = {}
    below: dict[str, Variable] = {}
    for word in words:
        if word.startswith("@"):
            for name, variable in _argument_file(word[1:]).items():
                if name in below:
                    raise variable.origin.error(f"'{name}' is given in another file too")
                below[name] = variable
            continue
        name, assigned, text = word.partition(":=")
        if not assigned or not name:
            meant = not assigned and word.find("=") > 0
            hint = f"; did you mean '{word.replace('=', ':=', 1)}'?" if meant else ""
            raise InputError(f"'{word}' is not of the form name:=value{hint}", "command line")
        if name in given:
            raise InputError(f"'{name}' is given twice", "command line")
        value = parse_value(text, f"command line: {name}")
        shown = word if len(word) < _LONGEST_SHOWN else f"{word[:_LONGEST_SHOWN]}..."
        origin = Origin(variable=name, typed=shown)
        given[name] = Variable(value if isinstance(value, str) else text.strip(), value, origin)
    return below | given


def _argument_file(name: str) -> dict[str, Variable]:
    """What ``@FILE`` says.

    Raises:
        InputError: There is no such file, or it is no mapping.
    """
    try:
        path = Path(name).expanduser()
    except RuntimeError:  # no such person
        path = Path(name)
    if not is_file(path):
        raise InputError(f"no argument file '{name}'{nearest_file(path)}", "command line")
    root = load_file(path, name)
    if root is not None and not isinstance(root.value, dict):
        raise root.error("an argument file is a mapping, such as planner: mppi")
    items, lines = (root.items, root.key_lines) if root is not None else ({}, {})
    return {
        word: Variable.of(item.python(), Origin(name, lines[word], word))
        for word, item in items.items()
    }


def arguments(path: Path) -> tuple[Argument, ...]:
    """What a launch file can be given (for ``--show-args``): its own arguments, then its includes'.

    As in ROS 2, an argument of an included file can be given from outside unless the include
    sets it. Included files whose name hangs on an argument are not looked into.

    Raises:
        InputError: The file is not a launch file.
    """
    return tuple(_arguments(path, read_root(path), {}).values())


def _elsewhere(word: str) -> str:
    """The end of an error message: which of our launch files have such an argument, if any has."""
    ours = sorted((Path(__file__).resolve().parents[2] / "launch").glob("*.yaml"))
    having = [file.stem for file in ours if any(word == a.name for a in arguments(file))]
    return f"; those that have it: {', '.join(having)}" if having else ""


def _arguments(
    path: Path, root: Element, seen: dict[Path, dict[str, Argument]], depth: int = 0
) -> dict[str, Argument]:
    found: dict[str, Argument] = {}
    seen[path.resolve()] = found  # a file that includes itself is for the resolver to refuse
    for argument in declared(root):
        found.setdefault(argument.name, argument)  # of several with conditions: the first
    for entity in _includes(root) if depth <= _DEEPEST_INCLUDE else ():
        try:
            inner = Path(evaluate_text(entity.items["file"], Scope(path.resolve().parent)))
        except InputError:
            continue
        if not is_file(inner):
            continue  # resolving it will say so, with its line
        items = records(entity.items["arg"], "arg") if "arg" in entity.items else ()
        fixed = {item["name"].text for item in items}
        inside = seen.get(inner.resolve())
        if inside is None:
            inside = _arguments(inner, read_root(inner), seen, depth + 1)
        for argument in list(inside.values()):
            if argument.name not in fixed:
                found.setdefault(argument.name, argument)
    return found


def _includes(element: Element) -> Iterator[Entity]:
    """The includes in a list of entities and in its groups."""
    for entity in entities(element):
        if "children" in entity.items:
            yield from _includes(entity.children)
        if entity.kind == "include":
            yield entity


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
    known = _arguments(path, root, {})
    everywhere = tuple(argument.name for argument in ARGUMENTS)
    words = (*known, *everywhere)
    errors = []
    for word in given:
        if word not in words:
            hint = _elsewhere(word) or nearest(word, words)
            hint = hint or f"; it has {', '.join(known) or 'none'}"
            origin, said = given[word].origin, f"{path} has no argument '{word}'{hint}"
            place = (origin.file, origin.line) if origin.file else ("command line", 0)
            errors.append(InputError(said, *place))
    if errors:
        raise MistakesError.of(errors)
    scope = Scope(path.resolve().parent)
    if environment is not None:
        scope.environment.clear()
        scope.environment.update(environment)
    resolver = _Resolver(dict(given))
    resolver.file(root, Place(scope, dict(scope.environment), top=True), (path.resolve(),))
    if resolver.errors:
        raise MistakesError.of(resolver.errors)
    _refuse_twins(resolver.nodes)
    values = {word: resolver.values[word] for word in known if word in resolver.values}
    origins = {word: resolver.origins[word] for word in values}
    for word in _OF_LAUNCHER:  # for the launcher itself, whoever gave it a value
        if word not in known and word in resolver.values:  # an include
            values[word], origins[word] = resolver.values[word], resolver.origins[word]
        elif word not in known and word in given:
            values[word], origins[word] = given[word].value, given[word].origin
    nodes, logs = tuple(resolver.nodes), tuple(resolver.logs)
    return LaunchDescription(path, tuple(known.values()), values, nodes, logs, origins)


def without_effect(launch: LaunchDescription, given: Mapping[str, Variable]) -> list[InputError]:
    """A warning for each word of the command line without which the same would be launched.

    Such as ``fallback:=cem`` without a policy. One that says what is the default is none.
    """
    found = []
    for word, variable in given.items():
        try:
            without = resolve(launch.file, {k: v for k, v in given.items() if k != word})
        except InputError:
            continue  # it is needed
        same = (without.nodes, without.logs) == (launch.nodes, launch.logs)
        if same and without.values.get(word) != launch.values[word] and word not in _OF_LAUNCHER:
            found.append(InputError(f"{variable.origin.typed}: nothing here uses it"))
    return found


def _refuse_twins(nodes: list[NodeDescription]) -> None:
    seen: dict[str, NodeDescription] = {}
    errors = []
    again: dict[Origin, list[str]] = {}  # by the include that brought them
    for node in nodes:
        first = seen.setdefault(node.full_name, node)
        if first is node:
            continue
        if "include" in node.places:
            again.setdefault(node.places["include"], []).append(node.full_name)
            continue
        where = f"first in {first.file}:{first.line}"
        message = f"two nodes called '{node.full_name}' ({where}); give one another 'name'"
        errors.append(node.place("name").error(message))
    for place, names in again.items():
        first = seen[names[0]]
        said = (
            f"two nodes called {', '.join(map(repr, names))} (first in {first.file}:{first.line})"
        )
        errors.append(place.error(f"{said}; put this include into a namespace of its own"))
    if errors:
        raise MistakesError.of(errors)


class _Resolver:
    """Walks entities in order and gathers what they describe."""

    def __init__(self, given: dict[str, Variable]) -> None:
        self.given = given
        self.values: dict[str, Any] = {}
        self.origins: dict[str, Origin] = {}
        self.nodes: list[NodeDescription] = []
        self.logs: list[tuple[str, str]] = []
        self.errors: list[InputError] = []
        self.included = 0
        self.includer: Element | None = None
        self.outermost: Element | None = None  # the include in the file that was asked for

    def file(self, root: Element, place: Place, stack: tuple[Path, ...]) -> None:
        """Everything in one launch file."""
        self.stack = stack
        self.entities(root, place)

    def entities(self, element: Element, place: Place) -> None:
        for entity in entities(element):
            try:
                if self._holds(entity, place.scope):
                    getattr(self, f"_{entity.kind}")(entity, place)
            except InputError as error:
                self.errors.append(error)
                # On these nothing else hangs: the others are looked at too, while there is room.
                alone = entity.kind in ("node", "executable", "log")
                full = len(self.nodes) >= _MOST_NODES or len(self.errors) >= _MOST_MISTAKES
                if full or not alone:
                    raise MistakesError.of(self.errors) from None

    def _holds(self, entity: Entity, scope: Scope) -> bool:
        for key in CONDITIONS:
            if key in entity.items:
                return read(flag, key, entity.items[key], scope) == (key == "if")
        return True

    def _arg(self, entity: Entity, place: Place) -> None:
        items, scope = entity.items, place.scope
        called = read(name, "name", items["name"], scope)
        inherited = called in scope.variables
        if called in self.given and (place.top or not inherited):
            variable = self.given[called]
        elif inherited:
            variable = scope.variables[called]
        elif "default" in items:
            variable = variable_of(items["default"], scope, called)
        else:
            raise self._needed(entity, called, scope.variables)
        allowed = list(choices(entity))
        if allowed and variable.text not in allowed:
            hint = nearest(variable.text, allowed) or f"; one of {', '.join(allowed)}"
            message = f"'{variable.text}' is no choice of '{called}'{hint}"
            if variable.origin.typed:
                raise InputError(f"{variable.origin.typed}: {message}", "command line")
            raise variable.origin.error(message)
        scope.variables[called] = variable
        self.values.setdefault(called, variable.value)
        self.origins.setdefault(called, variable.origin)

    def _needed(self, entity: Entity, called: str, visible: Iterable[str]) -> InputError:
        """An argument has neither a value nor a default: of an included file, includers' fault."""
        what = entity.items["description"].text if "description" in entity.items else ""
        said = f" ({what})" if what else ""
        if self.includer is None:
            return entity.element.error(f"argument '{called}' is needed: {called}:=...{said}")
        here = f"{entity.element.file}:{entity.element.line}"
        hint = nearest(called, visible)
        return self.includer.error(f"'arg': '{called}' is needed{said} by {here}{hint}")

    def _let(self, entity: Entity, place: Place) -> None:
        called = read(name, "name", entity.items["name"], place.scope)
        value = variable_of(entity.items["value"], place.scope, called)
        place.scope.variables[called] = value

    def _group(self, entity: Entity, place: Place) -> None:
        key = "scoped"
        scoped = key not in entity.items or read(flag, key, entity.items[key], place.scope)
        self.entities(entity.children, place.inner() if scoped else place)

    def _push_ros_namespace(self, entity: Entity, place: Place) -> None:
        place.namespace = joined(entity, place)

    def _set_env(self, entity: Entity, place: Place) -> None:
        called = read(variable_name, "name", entity.items["name"], place.scope)
        place.scope.environment[called] = read(text, "value", entity.items["value"], place.scope)

    def _timer(self, entity: Entity, place: Place) -> None:
        period = read(seconds, "period", entity.items["period"], place.scope)
        self.entities(entity.children, place.inner(delay=place.delay + period))

    def _log(self, entity: Entity, place: Place) -> None:
        items, serious = entity.items, "info"
        if "level" in items:
            serious = read(level, "level", items["level"], place.scope)
        self.logs.append((serious, read(text, "message", items["message"], place.scope)))

    def _include(self, entity: Entity, place: Place) -> None:
        element = entity.items["file"]
        path = read(file, "file", element, place.scope)
        if path.resolve() in self.stack:
            chain = " -> ".join(part.name for part in (*self.stack, path.resolve()))
            raise element.error(f"'file': {path} includes itself ({chain})")
        self.included += 1
        if len(self.stack) > _DEEPEST_INCLUDE or self.included > _MOST_INCLUDES:
            most = f"{_MOST_INCLUDES} includes, or {_DEEPEST_INCLUDE} inside each other"
            raise element.error(f"'file': more than {most}")
        root = read_root(path)
        known = {argument.name for argument in declared(root)}
        inside = place.inner(scope=place.scope.inner(path.resolve().parent), top=False)
        given: set[str] = set()
        items = records(entity.items["arg"], "arg") if "arg" in entity.items else ()
        for item in items:
            called = evaluate_text(item["name"], place.scope)
            if called not in known:
                hint = nearest(called, known) or f"; it has {', '.join(sorted(known)) or 'none'}"
                raise item["name"].error(f"{path.name} has no argument '{called}'{hint}")
            if called in given:
                raise item["name"].error(f"argument '{called}' is given twice")
            given.add(called)
            inside.scope.variables[called] = variable_of(item["value"], place.scope, called)
        outer = self.stack, self.includer, self.outermost
        self.includer = entity.element
        self.outermost = self.outermost or entity.element
        self.file(root, inside, (*self.stack, path.resolve()))
        self.stack, self.includer, self.outermost = outer

    def _node(self, entity: Entity, place: Place) -> None:
        self._add(described_node(entity, place))

    def _executable(self, entity: Entity, place: Place) -> None:
        self._add(described_executable(entity, place))

    def _add(self, node: NodeDescription) -> None:
        if len(self.nodes) >= _MOST_NODES:
            raise node.error(f"more than {_MOST_NODES} nodes")
        if self.outermost is not None:
            here = Origin(self.outermost.file, self.outermost.line)
            node = replace(node, places={**node.places, "include": here})
        self.nodes.append(node)
