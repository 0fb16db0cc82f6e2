"""`covary param` against a planner on a local bus."""

import contextlib
from types import SimpleNamespace

import pytest

from covary.commands import param
from covary.commands.main import main
from covary.nodes.bus.local_bus import LocalBus, LocalGraph
from covary.nodes.bus.wire import Token
from covary.nodes.run import build


@pytest.fixture
def planner(monkeypatch):
    graph = LocalGraph()
    block = {"plugin": "mppi", "samples": 64, "horizon": 8, "knots": 4}
    spec = {"exec": "planner_node", "name": "planner", "realtime": False}
    spec["params"] = {"task": "point_mass", "planner": block}
    node = build(spec, LocalBus(graph, "planner"))
    node.configure()
    bus = LocalBus(graph, "command")
    tokens = [Token("SS", "", "planner", name, "") for name in graph.services]
    joined = SimpleNamespace(call=bus.call, close=bus.close, graph=lambda: tokens)
    monkeypatch.setattr(param, "join", lambda run: joined)
    return node


@pytest.fixture
def covary(monkeypatch, capsys):
    def run(*words):
        monkeypatch.setattr("sys.argv", ["covary", "param", *words])
        code = 0
        with contextlib.suppress(SystemExit):
            try:
                main()
            except SystemExit as end:
                code = end.code or 0
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_it_lists_gets_and_sets(planner, covary):
    code, out, _ = covary("list", "planner")
    assert code == 0 and "samples" in out and "64" in out and "Rollouts in each" in out
    assert covary("get", "planner", "samples") == (0, "64\n", "")
    assert covary("set", "/planner", "samples", "128") == (0, "", "")
    assert covary("set", "planner", "noise", "1e-1") == (0, "", "")
    parameters = planner.planner.parameters
    assert (parameters.samples, parameters.noise) == (128, 0.1)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("set", "planner", "samples", "3"), 1, "less than one orbit"),
        (("set", "planner", "samples", "many"), 1, "is not a whole number"),
        (("set", "planner", "sampels", "3"), 2, "no parameter 'sampels'; did you mean 'samples'?"),
        (("set", "planner", "samples", "[1, 2]"), 2, "no number, text, true or false"),
        (("get", "planer", "samples"), 2, "no node 'planer' with parameters; did you mean '/plann"),
    ],
)
def test_what_is_refused_is_one_line(planner, covary, words, code, said):
    found, out, err = covary(*words)
    assert (found, out) == (code, "") and said in err and err.count("\n") == 1
