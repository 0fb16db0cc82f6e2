"""Launch files: what they say, what they resolve to, and one line for each mistake in them."""

import textwrap

import pytest

from covary.nodes.launching.description import to_yaml
from covary.nodes.launching.launch_file import arguments, find, read_assignments, resolve
from covary.nodes.launching.yaml_loader import InputError, dump, load_text, parse_value, scalar


@pytest.fixture
def write(tmp_path):
    def _write(text, name="a.yaml"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return path

    return _write


def nodes(path, *words, **kwargs):
    return resolve(path, read_assignments(list(words)), **kwargs).nodes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("no", "no"),
        ("yes", "yes"),
        ("1e-3", 1e-3),
        ("012", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("~", None),
        ("", None),
        ("True", True),
        ("tRUE", "tRUE"),
        (".5", 0.5),
        ("-.inf", -float("inf")),
        ("2020-01-01", "2020-01-01"),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text, value):
    assert scalar(text) == value and type(scalar(text)) is type(value)
    assert load_text(f"- {text}").python() == [value]


def test_what_is_dumped_reads_back_equal():
    value = {
        "words": [
            "off",
            "no",
            "1e-3",
            "012",
            "0o17",
            "yes",
            "true",
            "~",
            "",
            ".inf",
            "a: b",
            "# x",
        ],
        "values": [True, 1e-3, 1e22, 1e-300, -0.0, float("inf"), None, 0, [], {}],
    }
    assert load_text(dump(value)).python() == value


def test_values_of_the_command_line_are_typed_by_the_same_rules():
    assert parse_value("1e-3") == 1e-3
    assert parse_value("off") == "off"
    assert parse_value("'012'") == "012"
    assert parse_value("[1, off, {a: 012}]") == [1, "off", {"a": 12}]
    assert parse_value("my_file:MyClass") == "my_file:MyClass"


def test_aliases_cannot_blow_up():
    bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
    for letter, before in zip("bcdefghij", "abcdefghi", strict=True):
        bomb += f"{letter}: &{letter} [{','.join(['*' + before] * 10)}]\n"
    with pytest.raises(InputError, match="expand to more than"):
        load_text(bomb)
    with pytest.raises(InputError, match="nested more than"):
        load_text("&a [*a]")
    with pytest.raises(InputError, match="nested more than"):
        load_text("[" * 100_000)


COMPLETE = """
    launch:
    - arg:
        {name: planner, default: mppi, description: Which, choice: [{value: mppi}, {value: cem}]}
    - arg: {name: samples, default: 256}
    - arg: {name: record, default: true}
    - let: {name: many, value: $(var samples)}
    - set_env: {name: COLOUR, value: red}
    - log: {message: "with $(var samples) samples"}
    - node:
        pkg: covary
        exec: sim_node
        name: sim
        on_exit: shutdown
        sigterm_timeout: 2
        param:
        - {name: rate, value: 1e2}
    - group:
      - push_ros_namespace: {namespace: left}
      - node:
          exec: planner_node
          param:
          - name: planner
            value: {plugin: $(var planner), samples: $(var many), "a b": "012"}
          - name: planner
            param:
            - {name: horizon, value: 30}
          - {name: planner.spline, value: cubic}
          remap:
          - {from: /state, to: /left/state}
          env:
          - {name: LEVEL, value: $(env COLOUR)-$(env NOT_SET none)}
          respawn: true
          respawn_delay: 0.25
          respawn_max_retries: 3
    - timer:
        period: 1.5
        children:
        - node:
            exec: my_package.my_file:MyRecorder
            if: $(and $(var record) $(not $(equals $(var planner) cem)))
    - executable: {cmd: echo "a b" c, name: shout, unless: $(var record)}
"""


def test_everything_resolves(write):
    path = write(COMPLETE)
    launch = resolve(path, read_assignments(["samples:=0o17"]))
    sim, planner, recorder = launch.nodes
    assert launch.values == {"planner": "mppi", "samples": 15, "record": True}
    assert launch.logs == (("info", "with 0o17 samples"),)
    assert sim.parameters == {"rate": 100.0} and sim.shutdown_on_exit and sim.sigterm_timeout == 2.0
    assert planner.full_name == "/left/planner_node"
    assert planner.parameters == {
        "planner": {
            "plugin": "mppi",
            "samples": 15,
            "a b": "012",
            "horizon": 30,
            "spline": "cubic",
        }
    }
    assert planner.remaps == {"/state": "/left/state"}
    assert planner.environment == {"COLOUR": "red", "LEVEL": "red-none"}
    assert (planner.respawn, planner.respawn_delay, planner.respawn_max_retries) == (True, 0.25, 3)
    assert recorder.name == "my_recorder" and recorder.delay == 1.5
    (_, _, shout) = nodes(path, "planner:=cem", "record:=false")
    assert shout.command == ("echo", "a b", "c")


def test_the_resolved_file_resolves_to_the_same(write):
    launch = resolve(write(COMPLETE), read_assignments(["record:=false"]))
    again = resolve(write(to_yaml(launch), "resolved.yaml"))
    assert again.values == launch.values
    for a, b in zip(launch.nodes, again.nodes, strict=True):
        for key in (
            "name",
            "command",
            "executable",
            "parameters",
            "environment",
            "delay",
            "respawn",
        ):
            assert getattr(a, key) == getattr(b, key)
    tricky = write(
        r"""
        launch:
        - arg: {name: a, default: 'off', description: "no"}
        - node: {exec: sim_node, param: [{name: b, value: '\$(var a)'}, {name: c, value: "1e3"}]}
        """
    )
    launch = resolve(tricky)
    assert launch.nodes[0].parameters == {"b": "$(var a)", "c": "1e3"}
    assert (
        resolve(write(to_yaml(launch), "r.yaml")).nodes[0].parameters == launch.nodes[0].parameters
    )


def test_a_variable_keeps_its_type_and_text_becomes_typed(write):
    path = write(
        """
        launch:
        - arg: {name: a, default: "012"}
        - arg: {name: b, default: [1, off]}
        - node:
            exec: sim_node
            param:
            - {name: same, value: $(var a)}
            - {name: list, value: $(var b)}
            - {name: joined, value: 1$(var a)}
            - {name: forced, value: 1$(var a), type: str}
            - {name: quoted, value: "3"}
        """
    )
    assert nodes(path)[0].parameters == {
        "same": "012",
        "list": [1, "off"],
        "joined": 1012,
        "forced": "1012",
        "quoted": "3",
    }


def test_what_an_included_file_sets_stays_inside_it(write):
    write(
        """
        launch:
        - arg: {name: who}
        - arg: {name: samples, default: 1}
        - set_env: {name: INSIDE, value: 1}
        - node: {exec: sim_node, name: $(var who), param: [{name: s, value: $(var samples)}]}
        """,
        "b.yaml",
    )
    path = write(
        """
        launch:
        - arg: {name: samples, default: 7}
        - include: {file: $(dirname)/b.yaml, arg: [{name: who, value: one}]}
        - include:
            file: $(dirname)/b.yaml
            arg: [{name: who, value: two}, {name: samples, value: 8}]
        - node: {exec: sim_node, name: three, param: [{name: s, value: $(var samples)}]}
        """
    )
    launch = resolve(path)
    assert [(n.name, n.parameters["s"]) for n in launch.nodes] == [
        ("one", 7),
        ("two", 8),
        ("three", 7),
    ]
    assert "INSIDE" not in launch.nodes[2].environment
    assert list(launch.values) == ["samples"]


def test_parameter_files_and_entries_in_order(write, tmp_path):
    write(
        """
        /**:
          ros__parameters: {a: 1, deep: {x: off, y: 2}}
        other:
          ros__parameters: {a: 9}
        /left/sim:
          ros__parameters: {deep: {y: 012}, text: $(var a)}
        """,
        "p.yaml",
    )
    path = write(
        """
        launch:
        - node:
            exec: sim_node
            name: sim
            namespace: left
            param:
            - {from: $(dirname)/p.yaml}
            - {name: deep.x, value: 3}
        """
    )
    expected = {"a": 1, "deep": {"x": 3, "y": 12}, "text": "$(var a)"}
    assert nodes(path)[0].parameters == expected


def test_show_args_needs_no_values(write):
    path = write(
        """
        launch:
        - arg: {name: needed, description: A number}
        - group:
          - arg: {name: inner, default: 012}
        - node: {exec: $(var needed)}
        """
    )
    found = arguments(path)
    assert [(a.name, a.default, a.description) for a in found] == [
        ("needed", None, "A number"),
        ("inner", "12", ""),
    ]


def test_names_of_launch_files(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write("launch: []", "mine.yaml")
    assert find("mine.yaml").resolve() == path
    assert find("./mine.yaml").resolve() == path
    with pytest.raises(InputError, match="no launch file 'nope'"):
        find("nope")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sampels:=3"], "has no argument 'sampels'; did you mean 'samples'?"),
        (["perception:=x"], "argument 'perception'; those that have it: cart_pole, drone, point_"),
        (["samples=3"], "not of the form name:=value; did you mean 'samples:=3'?"),
        (["samples:=3", "samples:=4"], "given twice"),
        (["planner:=mpi"], "'mpi' is no choice of 'planner'; did you mean 'mppi'?"),
        (["samples:=[1"], "flow sequence"),
    ],
)
def test_mistakes_on_the_command_line(write, words, message):
    with pytest.raises(InputError) as caught:
        resolve(write(COMPLETE), read_assignments(words))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_an_included_files_arguments_can_be_given_unless_the_include_sets_them(write):
    write(
        """
        launch:
        - arg: {name: task}
        - arg: {name: seed, default: 0}
        - node: {exec: sim_node, name: sim, param: [{name: s, value: $(var seed)}]}
        """,
        "inner.yaml",
    )
    path = write(
        """
        launch:
        - include: {file: $(dirname)/inner.yaml, arg: [{name: task, value: push}]}
        """
    )
    assert [a.name for a in arguments(path)] == ["seed"]
    launch = resolve(path, read_assignments(["seed:=3"]))
    assert launch.nodes[0].parameters["s"] == 3
    assert launch.values == {"seed": 3}
    with pytest.raises(InputError, match="no argument 'task'"):
        resolve(path, read_assignments(["task:=reach"]))


def test_an_argument_file_stands_below_what_is_typed(write):
    file = write("samples: 0o20\nrecord: false\n", "a.args")
    launch = resolve(write(COMPLETE), read_assignments([f"@{file}", "samples:=5"]))
    assert (launch.values["samples"], launch.values["record"]) == (5, False)
    assert resolve(write(COMPLETE), read_assignments([f"@{file}"])).values["samples"] == 16


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("record: false\nsmaples: 3\n", "a.args:2: .*did you mean 'samples'"),
        ("- samples\n", "a.args:1: an argument file is a mapping"),
        ("samples: 1\nsamples: 2\n", "a.args:2: key 'samples' is given twice"),
        ("samples: !!python/object:os.system 1\n", "a.args:1: tag"),
    ],
)
def test_mistakes_in_an_argument_file_have_a_line(write, text, said):
    with pytest.raises(InputError, match=said):
        resolve(write(COMPLETE), read_assignments([f"@{write(text, 'a.args')}"]))
    write("samples: 1\n", "b.args")
    twice = [f"@{write('samples: 1', name)}" for name in ("a.args", "b.args")]
    with pytest.raises(InputError, match="'samples' is given in another file too"):
        read_assignments(twice)
