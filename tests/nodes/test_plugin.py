"""Plugins: files of a room by short name, an outsider's by module and class, and helpful errors."""

import pytest

from covary.nodes import plugin

OUTSIDER = """
class Mine:
    pass

def not_a_class():
    pass
"""


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """A working folder, on the path as in every node process."""
    (tmp_path / "their_planner.py").write_text(OUTSIDER)
    (tmp_path / "their_broken.py").write_text("import no_such_package_at_all\n")
    (tmp_path / "their_exit.py").write_text("raise SystemExit(0)\n")
    (tmp_path / "their_syntax.py").write_text("def f(:\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_short_names():
    assert plugin.load("mppi", "planners").__name__ == "MPPI"
    assert plugin.load("point_mass", "sim.tasks").__name__ == "PointMass"
    assert plugin.load_node("sim_node").__name__ == "SimNode"
    assert plugin.load_node("recorder_node").__name__ == "RecorderNode"


def test_an_outsider(outside):
    assert plugin.load("their_planner:Mine", "planners").__name__ == "Mine"
    assert plugin.load_node("their_planner:Mine").__name__ == "Mine"


@pytest.mark.parametrize(
    ("spec", "room", "words"),
    [
        ("mpi", "planners", "did you mean mppi?"),
        ("pointmass", "sim.tasks", "did you mean point_mass?"),
        (
            "quite_another",
            "planners",
            "known: cem, cma_es, covo, dial, expert, ",
        ),
        ("their_planner:Mien", "planners", "has no class 'Mien'; did you mean Mine?"),
        ("their_planner:not_a_class", "planners", "has no class 'not_a_class'; known: Mine"),
        ("their_planer:Mine", "planners", "no module 'their_planer'; did you mean their_planner?"),
        ("xyzzy.a:B", "planners", "no module 'xyzzy'; it is looked for in /"),
        ("their_broken:A", "planners", "cannot be imported (No module named 'no_such_package"),
        ("their_syntax:A", "planners", "cannot be imported (SyntaxError"),
        ("their_exit:A", "planners", "cannot be imported (SystemExit: 0)"),
        ("a b:C", "planners", "not written my_package.my_file:MyClass"),
        (":C", "planners", "not written my_package.my_file:MyClass"),
        ("their_planner:", "planners", "not written my_package.my_file:MyClass"),
        ("", "planners", "no planners file is called ''"),
        ("../evil", "planners", "no planners file is called '../evil'"),
    ],
)
def test_what_is_refused_and_how(outside, spec, room, words):
    with pytest.raises(plugin.PluginError) as caught:
        plugin.load(spec, room)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_no_such_node():
    with pytest.raises(plugin.PluginError, match="did you mean sim_node"):
        plugin.load_node("sim_nod")
