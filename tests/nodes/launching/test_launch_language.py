"""The launch language in its corners: scopes, includes, parameter files, places of values."""

import textwrap
from dataclasses import replace

import pytest

from covary.nodes.launching.description import to_yaml
from covary.nodes.launching.launch_file import arguments, find, read_assignments, resolve
from covary.nodes.launching.parameter_entries import means
from covary.nodes.launching.yaml_loader import InputError


@pytest.fixture
def write(tmp_path):
    def _write(text, name="a.yaml"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return path

    return _write


def launched(path, *words, **more):
    return resolve(path, read_assignments(list(words)), **more)


def refused(path, *words):
    with pytest.raises(InputError) as caught:
        launched(path, *words)
    return str(caught.value)


def test_namespaces_join_restart_and_end_with_their_group(write):
    path = write(
        """
        launch:
        - node: {exec: sim_node, name: a}
        - group:
          - push_ros_namespace: {namespace: left}
          - node: {exec: sim_node, name: b}
          - group:
              children:
              - push_ros_namespace: {namespace: arm}
              - node: {exec: sim_node, name: c, namespace: hand}
              - node: {exec: sim_node, name: d, namespace: /alone}
              - node: {exec: sim_node, name: e, namespace: /}
              - executable: {cmd: echo, name: f}
          - node: {exec: sim_node, name: g}
          - push_ros_namespace: {namespace: /right}
          - node: {exec: sim_node, name: h}
        - group:
            scoped: false
            children: [{push_ros_namespace: {namespace: late}}, {set_env: {name: A, value: b}}]
        - node: {exec: sim_node, name: i}
        """
    )
    nodes = launched(path, environment={}).nodes
    assert [node.full_name for node in nodes] == [
        *("/a", "/left/b", "/left/arm/hand/c", "/alone/d", "/e", "/left/arm/f", "/left/g"),
        *("/right/h", "/late/i"),
    ]
    assert [node.environment for node in nodes] == [{}] * 8 + [{"A": "b"}]
    again = resolve(write(to_yaml(launched(path)), "again.yaml"))
    assert [node.full_name for node in again.nodes] == [node.full_name for node in nodes]


def test_variables_and_environment_end_with_their_group_and_are_seen_inside(write):
    path = write(
        """
        launch:
        - let: {name: x, value: 1}
        - group:
          - let: {name: x, value: 2}
          - set_env: {name: A, value: inside}
          - node: {exec: sim_node, name: a, param: [{name: x, value: $(var x)}]}
          - include: {file: $(dirname)/b.yaml}
        - node: {exec: sim_node, name: c, param: [{name: x, value: $(var x)}]}
        """
    )
    write(
        """
        launch:
        - arg: {name: x, default: 3}
        - let: {name: y, value: $(var x)}
        - node:
            exec: sim_node
            name: b
            param: [{name: x, value: $(var y)}, {name: a, value: $(env A)}]
        """,
        "b.yaml",
    )
    a, b, c = launched(path, environment={}).nodes
    assert (a.parameters["x"], b.parameters, c.parameters["x"]) == (2, {"x": 2, "a": "inside"}, 1)
    assert (a.environment, b.environment, c.environment) == ({"A": "inside"},) * 2 + ({},)


def test_timers_add_up_and_conditions_stand_on_everything(write):
    path = write(
        """
        launch:
        - arg: {name: on, default: "True"}
        - timer:
            period: 1
            children:
            - node: {exec: sim_node, name: a}
            - timer: {period: 0.5, if: $(var on), children: [{node: {exec: sim_node, name: b}}]}
        - let: {name: x, value: 1, unless: $(var on)}
        - let: {name: x, value: 2, if: " TRUE "}
        - log: {message: never, if: 0}
        - log: {message: $(var x), level: WARNING, unless: $(not $(var on))}
        - group: {if: $(or false $(equals $(var x) 2.0)), children: [{node: {exec: sim_node}}]}
        """
    )
    launch = launched(path)
    assert [(node.name, node.delay) for node in launch.nodes] == [
        ("a", 1.0),
        ("b", 1.5),
        ("sim_node", 0.0),
    ]
    assert launch.logs == (("warning", "2"),)
    assert [node.name for node in launched(path, "on:=false").nodes] == ["a", "sim_node"]


@pytest.mark.parametrize(
    ("pattern", "node", "fits"),
    [
        ("/**", "/sim", True),
        ("/**", "/left/arm/sim", True),
        ("sim", "/sim", True),
        ("sim", "/left/sim", False),
        ("/left/sim", "/left/sim", True),
        ("/*/sim", "/left/sim", True),
        ("/*/sim", "/left/arm/sim", False),
        ("/**/sim", "/sim", True),
        ("/**/sim", "/left/arm/sim", True),
        ("/left/**", "/right/sim", False),
        ("/left/**/sim", "/left/a/b/sim", True),
        ("/s*", "/sim", True),
        ("/" + "**/" * 40 + "x", "/a" * 40 + "/sim", False),
    ],
)
def test_names_in_parameter_files(pattern, node, fits):
    assert means(pattern, node) is fits


def test_a_parameter_files_values_are_substituted_only_where_that_is_said(write):
    write("sim: {ros__parameters: {a: $(var x), b.c: 1, b: {d: $(dirname)}}}\n", "p.yaml")
    text = """
        launch:
        - let: {name: x, value: 5}
        - node: {exec: sim_node, name: sim, param: [{from: $(dirname)/p.yaml, allow_substs: ALLOW}]}
    """
    plain = launched(write(text.replace("ALLOW", "0"))).nodes[0].parameters
    assert plain == {"a": "$(var x)", "b": {"c": 1, "d": "$(dirname)"}}
    done = launched(write(text.replace("ALLOW", "true"))).nodes[0].parameters
    assert done["a"] == 5 and done["b"]["d"].startswith("/")


def test_places_are_where_values_were_written(write):
    write(
        """
        launch:
        - arg: {name: samples}
        - node:
            exec: planner_node
            name: planner
            param:
            - name: planner
              param:
              - {name: samples, value: $(var samples)}
              - name: knots
                value: 3
            - {name: more, value: {x: 1}}
        """,
        "b.yaml",
    )
    path = write(
        """
        launch:
        - arg: {name: n, default: 4}
        - include:
            file: $(dirname)/b.yaml
            arg:
            - {name: samples, value: $(var n)}
        """
    )
    (node,) = launched(path).nodes
    where = node.parameter_place("planner.samples")
    assert (where.file, where.line, where.typed) == (str(path), 3, "")
    assert node.parameter_place("planner.knots").line == 12
    assert node.parameter_place("planner.knots", unknown=True).line == 11
    assert node.parameter_place("more.x.y").line == 13
    assert node.parameter_place("nothing").line == 5  # its entry
    (node,) = launched(path, "n:=many").nodes
    where = node.parameter_place("planner.samples")
    assert (where.line, where.typed) == (10, "n:=many")
    assert str(where.error("no")).endswith("b.yaml:10: no (n:=many on the command line)")


def test_an_include_cannot_come_back_by_another_name(write, tmp_path):
    path = write("launch:\n- include: {file: $(dirname)/link.yaml}\n")
    (tmp_path / "link.yaml").symlink_to("a.yaml")
    assert "link.yaml includes itself (a.yaml -> a.yaml)" in refused(path)
    (tmp_path / "there").symlink_to(".")
    path = write("launch:\n- include: {file: $(dirname)/there/there/a.yaml}\n")
    assert "includes itself" in refused(path)
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    path = write("launch:\n- include: {file: $(dirname)/loop.yaml}\n")
    assert "'file': no file" in refused(path)
    for i in range(30):
        write(f"launch:\n- include: {{file: $(dirname)/c{(i + 1) % 30}.yaml}}\n", f"c{i}.yaml")
    path = write("launch:\n- include: {file: $(dirname)/c0.yaml}\n")
    assert "inside each other" in refused(path)
    assert arguments(path) == ()


def test_an_include_in_a_group_can_be_told_from_outside(write):
    write(
        """
        launch:
        - arg: {name: seed, default: 0, choice: [{value: 0}, {value: 1}]}
        - node: {exec: sim_node, name: sim, param: [{name: seed, value: $(var seed)}]}
        """,
        "b.yaml",
    )
    path = write("launch:\n- group:\n  - include: {file: $(dirname)/b.yaml}\n")
    assert [argument.name for argument in arguments(path)] == ["seed"]
    assert launched(path, "seed:=1").nodes[0].parameters == {"seed": 1}
    assert refused(path, "seed:=2") == (
        "command line: seed:=2: '2' is no choice of 'seed'; one of 0, 1"
    )


def test_an_argument_declared_again_keeps_its_first_value(write):
    text = """
        launch:
        - arg: {name: x, default: 1}
        - arg: {name: x, default: 2, if: true}
        - node: {exec: sim_node, name: sim, param: [{name: x, value: $(var x)}]}
    """
    assert launched(write(text)).nodes[0].parameters == {"x": 1}
    assert "declared twice (first in line 3)" in refused(write(text.replace(", if: true", "")))


def test_what_we_resolve_we_can_launch_again(write):
    for name in ("push", "reach", "point_mass"):
        launch = resolve(find(name))
        assert resolve(write(to_yaml(launch), f"{name}_again.yaml")).values == launch.values
        for a, b in zip(launch.nodes, resolve(write(to_yaml(launch))).nodes, strict=True):
            assert replace(a, file="", line=0) == replace(b, file="", line=0)


def test_the_resolved_line_is_short_whatever_was_written(write):
    path = write("launch:\n- node: {exec: sim_node, name: '" + "x" * 50_000 + "\\e[31m'}\n")
    said = refused(path)
    assert len(said) < 1100 and said.isprintable()
