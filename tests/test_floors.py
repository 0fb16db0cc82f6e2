"""The laws of the house: who may import whom, and how every file and folder looks."""

import ast
import gc
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

MAY_IMPORT = {
    "symmetry": set(),
    "nodes": set(),
    "sim": {"symmetry", "nodes"},
    "perception": {"sim", "symmetry", "nodes"},
    "planners": {"sim", "symmetry", "nodes"},
    "control": {"sim", "symmetry", "nodes"},
    "commands": {"sim", "symmetry", "nodes", "perception", "planners", "control"},
}
"""Room -> the other rooms that it may import."""

HEAVY = {"torch", "escnn", "stable_baselines3", "onnxruntime"}
"""What no file of these rooms imports when it is itself imported: a planner must not pay for it."""

LEARNING = (
    *("symmetry/layers/*.py", "control/policies/*.py", "control/imitation/*.py"),
    *("sim/torch_*.py", "sim/state_features.py", "perception/*/*.py"),
)
"""The exception, as patterns: files that only training, exports and models on tensors load may
import torch."""

STATE_LAUNCH = (
    "nodes/run.py",
    "*/*_node.py",
    "nodes/recorder.py",
    "planners/*.py",
    "planners/*/*.py",
    "sim/tasks/*.py",
    "sim/gym/*.py",
)
"""What the processes of a state-based launch import, as patterns of files."""

FORBIDDEN_NAMES = {"utils", "util", "common", "core", "base", "helpers", "helper", "misc"}
ROOM_LINES, OTHER_LINES = 420, 600


def room_files() -> list[Path]:
    """Every Python file that ships, setup.py excepted."""
    return [ROOT / "__init__.py"] + [
        file for room in MAY_IMPORT for file in sorted((ROOT / room).rglob("*.py"))
    ]


def other_files() -> list[Path]:
    """Every Python file that does not ship."""
    folders = ("tests", "benchmarks", "docs")
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]
    return [ROOT / "setup.py", *files]


def name(file: Path) -> str:
    """The file as people write it: relative to the root."""
    return file.relative_to(ROOT).as_posix()


@cache
def tree(file: Path) -> ast.Module:
    """The file's syntax tree."""
    return ast.parse(file.read_text(encoding="utf-8"), name(file))


@pytest.fixture(scope="module", autouse=True)
def no_collection_of_garbage():
    """Trees are millions of objects, of which none is garbage before the last test has ended."""
    gc.disable()
    yield
    tree.cache_clear()
    gc.enable()


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Walks what runs when the module is imported: no function bodies, no `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from at_import(child)


def own_module(file: Path) -> tuple[str, ...]:
    """The file's place: ("planners", "mppi"); a package's __init__ has the package's."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def imported(file: Path, nodes: Iterator[ast.AST]) -> Iterator[tuple[str, ...]]:
    """Places of ours that the import statements among `nodes` name: ("sim", "task", "Task")."""
    package = file.relative_to(ROOT).parts[:-1]
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.level:
            start = package[: len(package) - (node.level - 1)]
            stem = start + tuple((node.module or "").split(".") if node.module else ())
            yield from (stem + (alias.name,) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "covary":
            stem = tuple(node.module.split(".")[1:])
            yield from (stem + (alias.name,) for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "covary":
                    yield tuple(alias.name.split(".")[1:])


def foreign(nodes: Iterator[ast.AST]) -> set[str]:
    """Top-level names of the packages imported from outside, the standard library's left out."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"covary"}


def test_each_room_imports_only_what_it_may():
    broken = []
    for file in room_files():
        room = file.relative_to(ROOT).parts[0]
        for place in imported(file, ast.walk(tree(file))):
            target = place[0] if place else ""
            if target != room and target not in MAY_IMPORT.get(room, set()):
                broken.append(f"{name(file)} imports {'.'.join(place)}")
    assert not broken


def test_imports_between_rooms_are_relative():
    broken = [
        f"{name(file)}:{node.lineno}"
        for file in room_files()
        for node in ast.walk(tree(file))
        if (isinstance(node, ast.Import) and any(a.name.startswith("covary") for a in node.names))
        or (isinstance(node, ast.ImportFrom) and not node.level and node.module
            and node.module.split(".")[0] == "covary")
    ]  # fmt: skip
    assert not broken


def test_no_import_circle():
    files = {own_module(file): file for file in room_files()}
    graph = {}
    for module, file in files.items():
        places = imported(file, at_import(tree(file)))
        # A place may name a module or something in it.
        graph[module] = {p if p in files else p[:-1] for p in places} & set(files) - {module}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(".".join(module) for module in error.args[1]))


def test_no_room_imports_torch_when_it_is_imported():
    learning = {file for pattern in LEARNING for file in ROOT.glob(pattern)}
    broken, heavy = [], set()  # modules whose import loads torch, by themselves or through others
    for file in room_files():
        if found := foreign(at_import(tree(file))) & HEAVY:
            heavy.add(own_module(file))
            if file not in learning or found != {"torch"}:
                broken.append(f"{name(file)} imports {sorted(found)}")
    grown = True
    while grown:
        grown = False
        for file in room_files():
            places = imported(file, at_import(tree(file)))
            loaded = {place for p in places for place in (p, p[:-1])} & heavy
            if loaded and own_module(file) not in heavy:
                heavy.add(own_module(file))
                grown = True
                if file not in learning:
                    broken.append(f"{name(file)} imports {sorted('.'.join(m) for m in loaded)}")
    assert not broken


def test_a_state_launch_imports_neither_torch_nor_gymnasium():
    files = {file for pattern in STATE_LAUNCH for file in ROOT.glob(pattern)}
    modules = sorted(".".join(("covary", *own_module(file))) for file in files & set(room_files()))
    assert modules
    code = f"""
import importlib, sys
for module in {modules}:
    importlib.import_module(module)
    for heavy in {sorted(HEAVY | {"gymnasium"})}:
        assert heavy not in sys.modules, f"{{module}} imported {{heavy}}"
"""
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_what_is_imported_is_declared():
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    declared = {d.lower() for d in re.findall(r'"([A-Za-z0-9_-]+)(?:[<>=][^"]*)?"', setup)}
    declared.add("escnn")  # beside the extra `learn`, with --no-deps
    distributions = packages_distributions()
    broken = set()
    for file in room_files():
        for package in foreign(ast.walk(tree(file))):
            names = {d.lower() for d in distributions.get(package, [package])}
            if not names & declared:
                broken.add(f"{name(file)} imports {package}")
    assert not broken


def test_line_one_is_a_one_sentence_docstring():
    broken = []
    for file in room_files() + other_files():
        first = file.read_text(encoding="utf-8").split("\n", 1)[0]
        whole = re.fullmatch(r'r?"""([^"].*[.?!])"""', first)
        # The sentence may be followed by a longer text: then line 1 ends without the quotes.
        opening = re.fullmatch(r'r?"""([^"].*[.?!:])', first)
        if not (whole or opening):
            broken.append(f"{name(file)}: {first[:60]}")
    assert not broken


def test_a_package_file_is_one_docstring():
    files = [file for file in room_files() if file.name == "__init__.py"]
    broken = [name(file) for file in files if len(tree(file).body) != 1]
    assert not broken


def test_every_folder_with_code_is_a_package():
    folders = {file.parent for file in room_files()}
    assert not [name(folder) for folder in folders if not (folder / "__init__.py").exists()]


def test_file_names_say_something():
    broken = [
        name(file)
        for file in room_files() + other_files()
        if FORBIDDEN_NAMES & set(file.relative_to(ROOT).with_suffix("").parts)
    ]
    assert not broken


def test_no_file_is_two_things():
    broken = []
    limits = dict.fromkeys(room_files(), ROOM_LINES) | dict.fromkeys(other_files(), OTHER_LINES)
    for file, limit in limits.items():
        lines = len(file.read_text(encoding="utf-8").splitlines())
        if lines > limit:
            broken.append(f"{name(file)}: {lines} lines")
    assert not broken


def test_no_licence_headers():
    texts = {name(file): file.read_text(encoding="utf-8") for file in room_files()}
    assert not [file for file, text in texts.items() if re.search(r"(?i)licen[cs]e.*version", text)]


def test_launch_files_hold_no_python():
    assert not list((ROOT / "launch").rglob("*.py"))


def test_tests_import_covary_and_have_no_packages():
    assert not list((ROOT / "tests").rglob("__init__.py"))
    # Only what may be such an import is parsed: to parse all tests takes as long as all rooms do.
    suspect = re.compile(rf"^\s*(from\s+\.|(from|import)\b.*\b({'|'.join(MAY_IMPORT)})\b)", re.M)
    broken = []
    for file in (ROOT / "tests").rglob("*.py"):
        if not suspect.search(re.sub(r"\bcovary\.[\w.]+", "", file.read_text(encoding="utf-8"))):
            continue
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.ImportFrom) and node.level:
                broken.append(f"{name(file)}: a relative import loads a second copy of a class")
        if rooms := foreign(ast.walk(tree(file))) & set(MAY_IMPORT):
            broken.append(f"{name(file)} imports {sorted(rooms)} without covary.")
    assert not broken


def test_tests_have_different_file_names():
    # pytest imports them by their bare names, as they lie in no package.
    names = [file.name for file in (ROOT / "tests").rglob("*.py") if file.name != "conftest.py"]
    assert sorted(names) == sorted(set(names))


def is_jitted(function: ast.FunctionDef) -> bool:
    """Whether one of Numba's decorators stands on the function."""
    return any(re.search(r"\bn?jit\b", ast.unparse(d)) for d in function.decorator_list)


def is_cached(function: ast.FunctionDef) -> bool:
    """Whether Numba keeps on disk what it compiles of the function."""
    decorators = " ".join(ast.unparse(d) for d in function.decorator_list)
    return is_jitted(function) and "cache=True" in decorators


def test_a_cached_kernel_calls_nothing_of_another_file():
    # Numba's disk cache watches one file only: an edit elsewhere would silently run the old code.
    broken = []
    for file in room_files():
        ours = set()
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.ImportFrom) and node.level:
                ours |= {alias.asname or alias.name for alias in node.names}
        for node in ast.walk(tree(file)):
            if not (isinstance(node, ast.FunctionDef) and is_cached(node)):
                continue
            used = {n.id for statement in node.body for n in ast.walk(statement)
                    if isinstance(n, ast.Name)}  # fmt: skip
            if used & ours:
                broken.append(f"{name(file)}: {node.name} uses {sorted(used & ours)}")
    assert not broken


def test_no_global_random_state_and_no_environment_set_on_import():
    broken = []
    for file in room_files():
        for node in ast.walk(tree(file)):
            # Only a function that is an attribute can match; to write out every call takes seconds.
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            text = ast.unparse(node.func) if called else ""
            if re.fullmatch(r"(np|numpy)\.random\.(seed|rand|randn|normal|uniform|randint)", text):
                broken.append(f"{name(file)}:{node.lineno}: {text}")
        for node in at_import(tree(file)):
            if isinstance(node, ast.Assign) and "os.environ[" in ast.unparse(node.targets[0]):
                broken.append(f"{name(file)}:{node.lineno}: sets the environment when imported")
    assert not broken
