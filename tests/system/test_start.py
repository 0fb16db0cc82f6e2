"""The second start of a whole launch compiles nothing, in lockstep and in every process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from launches import SMALL, WHOLE, launch

import covary

PACKAGE = Path(covary.__file__).resolve().parent
SLOW = pytest.mark.slow

# Every Python that starts here writes down what numba compiles (and not what it takes from disk).
SITE = """
import os
from numba.core import event

class Compiled(event.Listener):
    def on_start(self, happened):
        with open(os.environ["COVARY_COMPILED"], "a") as file:
            print(os.getpid(), happened.data["dispatcher"], file=file)

    def on_end(self, happened):
        pass

event.register("numba:compile", Compiled())
with open(os.environ["COVARY_COMPILED"], "a") as file:
    print("started", os.getpid(), file=file)
"""


def cache(folder):
    """Every file of a Numba cache with its size and time of writing."""
    files = [*folder.rglob("*.nbi"), *folder.rglob("*.nbc")]
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in files}


def watched(place, *words, **more):
    """Runs a launch; how many Pythons started, and what they compiled."""
    (place / "sitecustomize.py").write_text(SITE)
    notes = place / "compiled.txt"
    notes.write_text("")
    path = os.pathsep.join([str(place), *filter(None, [os.environ.get("PYTHONPATH")])])
    launch(place, *words, PYTHONPATH=path, COVARY_COMPILED=str(notes), **more)
    lines = notes.read_text().splitlines()
    compiled = [line for line in lines if not line.startswith("started")]
    return len(lines) - len(compiled), compiled


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n == "push" else SLOW) for n in WHOLE]
)
def test_a_second_launch_compiles_nothing(tmp_path, name):
    words = (name, *SMALL, "episodes:=1", "--lockstep")
    launch(tmp_path, *words, here=True)  # whatever was missing is on disk now
    starts, compiled = watched(tmp_path, *words)
    if compiled:  # two processes that compile at once may lose an entry of Numba's index
        starts, compiled = watched(tmp_path, *words)
    assert starts >= 1  # mujoco starts a Python of its own to ask for the version of glfw
    assert compiled == []


@SLOW
@pytest.mark.parametrize("model", ["numba", "mujoco"])
def test_a_second_start_of_every_process_compiles_nothing(tmp_path, model):
    tiny = ("samples:=16", "horizon:=6", "knots:=3", "iterations:=1", "episodes:=1")
    words = ("push", *tiny, f"model:={model}")
    launch(tmp_path, *words, "--lockstep", here=True)
    before = cache(PACKAGE / "sim")
    starts, compiled = watched(tmp_path, *words)
    assert starts >= 5  # the launcher and four nodes
    assert compiled == []
    assert cache(PACKAGE / "sim") == before


@SLOW
def test_an_empty_cache_is_filled_once(tmp_path):
    """The first start compiles (so the watching works), the second one finds it all."""
    words = ("point_mass", *SMALL, "episodes:=1", "realtime:=false")
    folder = tmp_path / "cache"
    folder.mkdir()
    _, compiled = watched(tmp_path, *words, NUMBA_CACHE_DIR=str(folder), timeout=300)
    assert any("rollout" in line for line in compiled)
    filled = cache(folder)
    assert filled
    _, compiled = watched(tmp_path, *words, NUMBA_CACHE_DIR=str(folder))
    assert compiled == [] and cache(folder) == filled


FIRST_TICKS = """
import sys
from covary.nodes.bus.local_bus import LocalBus, LocalGraph
from covary.nodes.run import build

graph = LocalGraph()
planner = {"plugin": "mppi", "samples": 16, "horizon": 6, "knots": 3, "iterations": 1}
parameters = {
    "sim": {"task": sys.argv[1]},
    "planner": {"task": sys.argv[1], "planner": planner},
    "control": {"task": sys.argv[1]},
    "recorder": {"folder": sys.argv[2]},
}
nodes = []
for name in parameters if sys.argv[3] == "together" else ("sim",):
    spec = {"exec": f"{name}_node", "name": name, "params": parameters[name], "realtime": False}
    nodes.append(build(spec, LocalBus(graph, name)))
    nodes[-1].configure()
loaded = set(sys.modules)
for node in reversed(nodes):
    node.start()
if len(nodes) == 1:
    for _ in range(nodes[0].ticks_per_period):
        nodes[0].step()
    nodes[0].end_of_period()
while len(nodes) > 1 and nodes[0].tick < 100:
    assert graph.step()
print(sorted(set(sys.modules) - loaded))
"""


@pytest.mark.parametrize(
    ("task", "nodes"),
    [
        ("push", "together"),
        pytest.param("push", "sim alone", marks=SLOW),
        pytest.param("point_mass", "together", marks=SLOW),
        ("point_mass", "sim alone"),
    ],
)
def test_the_first_ticks_import_nothing(tmp_path, task, nodes):
    """Slow work is done before the nodes are active: a kernel loads 250 modules of Numba's."""
    command = [sys.executable, "-P", "-c", FIRST_TICKS, task, str(tmp_path / "bags"), nodes]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout == "[]\n", done.stderr
