"""Broken launch files: each mistake is one line with file, line and the nearest known word."""

import pytest

from covary.nodes.launching.launch_file import resolve
from covary.nodes.launching.yaml_loader import InputError

BROKEN = {
    # text of the file: (line, part of the message)
    "": (1, "a launch file is one key 'launch:'"),
    "lunch: []": (1, "did you mean 'launch'?"),
    "launch: []\nmore: 1": (2, "unknown key 'more' beside 'launch'"),
    "launch: {}": (1, "expected a list of entities, not a mapping"),
    "launch:\n- nod: {}": (2, "unknown entity 'nod'; did you mean 'node'?"),
    "launch:\n- node": (2, "expected an entity such as 'node:'"),
    "launch:\n- node:\n  exec: sim_node": (3, "indent it to be a key of 'node'"),
    "launch:\n- node: {exec: sim_node}\n  log: {message: a}": (3, "one entity a list item"),
    "launch:\n- node: {exec: sim_node,\n    nmae: a}": (
        3,
        "unknown key 'nmae'; did you mean 'name'?",
    ),
    "launch:\n- node: {pkg: covary}": (2, "'node' lacks its 'exec'"),
    "launch:\n- node: sim_node": (2, "'node' wants keys"),
    "launch:\n- node: {exec: sim-node}": (2, "neither one of our nodes nor"),
    "launch:\n- node: {exec: sim_node, name: a b}": (2, "'a b' is no name"),
    "launch:\n- node: {exec: sim_node, name: summary}": (2, "a name of the run folder"),
    "launch:\n- node: {exec: sim_node, namespace: a//b}": (2, "is no namespace"),
    "launch:\n- node: {exec: sim_node, pkg: others}": (2, "exec: others.my_file:MyNode"),
    "launch:\n- node: {exec: sim_node, output: screen}": (2, "'output' of ROS 2 is not part"),
    "launch:\n- set_remap: {from: a, to: b}": (2, "'set_remap' of ROS 2 is not part"),
    "launch:\n- node: {exec: sim_node}\n- node: {exec: sim_node}": (
        3,
        "two nodes called '/sim_node'",
    ),
    "launch:\n- node: {exec: sim_node, exec: b}": (2, "key 'exec' is given twice"),
    "launch:\n- node: {exec: sim_node, respawn: yes}": (2, "neither true nor false"),
    "launch:\n- node: {exec: sim_node, respawn_delay: -1}": (2, "a number of seconds >= 0"),
    "launch:\n- node: {exec: sim_node, respawn_max_retries: 1.5}": (2, "a whole number >= -1"),
    "launch:\n- node: {exec: sim_node, on_exit: restart}": (2, "knows only 'shutdown'"),
    "launch:\n- node: {exec: sim_node, if: true, unless: true}": (2, "'if' and 'unless'"),
    "launch:\n- node: {exec: sim_node, if: ''}": (2, "neither true nor false"),
    "launch:\n- node: {exec: sim_node, param: {a: 1}}": (2, "a list of {name, value}"),
    "launch:\n- node: {exec: sim_node, param: [{a: 1}]}": (2, "unknown key 'a'"),
    "launch:\n- node: {exec: sim_node, param: [{name: a}]}": (2, "a parameter with no 'value'"),
    "launch:\n- node: {exec: sim_node, param: [{value: a}]}": (2, "a parameter with no 'name'"),
    "launch:\n- node: {exec: sim_node, param: [{name: a, value: 1, param: []}]}": (2, "with both"),
    "launch:\n- node:\n    exec: sim_node\n    param:\n    - {name: a.b, value: 1}\n"
    "    - name: a\n      value: {b: 2}": (6, "parameter 'a.b' is given twice (first in line 5)"),
    "launch:\n- node: {exec: sim_node, param: [{name: a, value: 1.5, type: int}]}": (
        2,
        "not of type",
    ),
    "launch:\n- node: {exec: sim_node, param: [{from: p.yaml}]}": (2, "write $(dirname)/p.yaml"),
    "launch:\n- node: {exec: sim_node, param: [{from: $(dirname)/p.yaml}]}": (
        2,
        "cannot read it",
    ),
    "launch:\n- node: {exec: sim_node, remap: [{form: a, to: b}]}": (2, "did you mean 'from'?"),
    "launch:\n- node: {exec: sim_node, remap: [{from: a}]}": (2, "'to' is missing"),
    "launch:\n- node: {exec: sim_node, remap: [{from: a, to: 'b c'}]}": (2, "'b c' is no topic"),
    "launch:\n- node: {exec: $(var nmae)}": (2, "no variable 'nmae' here"),
    "launch:\n- arg: {name: samples, default: 1}\n- log: {message: $(var sampels)}": (
        3,
        "did you mean 'samples'?",
    ),
    "launch:\n- log: {message: $(vra a)}": (
        2,
        "unknown substitution '$(vra)'; did you mean 'var'?",
    ),
    "launch:\n- log: {message: $(eval 1+1)}": (2, "a launch file runs no code"),
    "launch:\n- log: {message: $(command ls)}": (2, "a launch file runs no code"),
    "launch:\n- log: {message: $(env SURELY_NOT_SET)}": (2, "is not set and has no default"),
    "launch:\n- log: {message: $(find-pkg-share no_such_package)}": (
        2,
        "no package 'no_such_package'",
    ),
    "launch:\n- log: {message: $(var a}": (2, "lacks its ')'"),
    "launch:\n- log: {message: $(not maybe)}": (2, "'maybe' is neither true nor false"),
    "launch:\n- log: {message: $(equals a)}": (2, "takes two values"),
    "launch:\n- log: {message: a, level: inform}": (
        2,
        "unknown level 'inform'; did you mean 'info'?",
    ),
    "launch:\n- arg: {name: a}": (2, "argument 'a' is needed"),
    "launch:\n- arg:\n    name: a\n    default: mpi\n    choice: [{value: mppi}]": (
        4,
        "'mpi' is no choice of 'a'; did you mean 'mppi'?",
    ),
    "launch:\n- arg: {name: a, defualt: 1}": (2, "unknown key 'defualt'; did you mean 'default'?"),
    "launch:\n- include: {file: b.yaml}": (2, "write $(dirname)/b.yaml"),
    "launch:\n- include: {file: /no/such/b.yaml}": (2, "no file /no/such/b.yaml"),
    "launch:\n- include: {file: $(dirname)/a.yaml}": (2, "includes itself"),
    "launch:\n- timer: {period: soon, children: []}": (2, "'period' must be a number of seconds"),
    "launch:\n- executable: {cmd: 'a \"b'}": (2, "No closing quotation"),
    "launch:\n- group: {children: [], scopd: true}": (
        2,
        "unknown key 'scopd'; did you mean 'scoped'?",
    ),
    "launch:\n- node: {exec: sim_node": (2, "flow mapping"),
    "launch:\n- node:\n\texec: sim_node": (3, "a tab in the indentation"),
    "launch:\n- node: !!python/object:os.system {exec: a}": (2, "tag"),
    "launch: []\n---\nlaunch: []": (2, "a second document"),
    "launch:\n- *nowhere": (2, "undefined alias"),
    "launch:\n- ? [a]\n  : b": (2, "a key must be one word"),
    "launch:\n- node: {exec: sim_node, x-heartbeat_timout: 1}": (2, "mean 'x-heartbeat_timeout'?"),
}


@pytest.mark.parametrize("text", BROKEN)
def test_every_mistake_is_one_line_with_file_and_line(text, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    line, message = BROKEN[text]
    with pytest.raises(InputError) as caught:
        resolve(path)
    assert str(caught.value).startswith(f"{path}:{line}: "), str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"launch:\n- log: {message: \xff}")
    with pytest.raises(InputError, match="a.yaml:2: not UTF-8"):
        resolve(path)
    path.write_bytes(b"launch: []\n# \x00")
    with pytest.raises(InputError, match="a.yaml:2: "):
        resolve(path)
