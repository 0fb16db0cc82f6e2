"""Wrong launch files and command lines: one line each from `check` and `launch`, and no process."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from launches import covary, covary_here

PAIR = """
launch:
- node: {exec: "mine:Talker", name: talker}
- node: {exec: "mine:Answerer", name: answerer}
"""


@dataclass(frozen=True)
class Case:
    """What is typed, the files it finds, and the one line that it ought to say."""

    line: str
    """A pattern for the whole line."""
    text: str | bytes = PAIR
    words: tuple[str, ...] = ()
    file: str = "a.yaml"
    more: dict[str, str | bytes] = field(default_factory=dict)


def _launch(entries):
    return "launch:\n" + textwrap.dedent(entries).strip("\n") + "\n"


def _talker(keys, rest=""):
    """A launch whose first node has further keys, in line 4."""
    return _launch(f"""
- node:
    exec: mine:Talker
    {keys}
- node: {{exec: "mine:Answerer", name: answerer}}
{rest}""")


def _task(spec):
    """A launch like ours with a task, named in line 12."""
    return PLANNING + f'      arg:\n        - {{name: task, value: "{spec}"}}\n'


def _three(sim, planner, control):
    """Nodes that name their task themselves, in lines 2 to 4."""
    block = "{name: planner, value: {plugin: mppi}}"
    return _launch(f"""
- node: {{exec: sim_node, name: sim, param: [{{name: task, value: "{sim}"}}]}}
- node: {{exec: planner_node, name: planner, param: [{{name: task, value: "{planner}"}}, {block}]}}
- node: {{exec: control_node, name: control, param: [{{name: task, value: "{control}"}}]}}
""")


PLANNING = """launch:
  - arg: {name: planner, default: mppi}
  - arg: {name: samples, default: 64}
  - arg: {name: horizon, default: 15}
  - arg: {name: iterations, default: 1}
  - arg: {name: knots, default: 5}
  - arg: {name: noise, default: 0.5}
  - arg: {name: temperature, default: 0.05}
  - include:
      file: $(find-pkg-share covary)/launch/include/planning.yaml
"""
LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join(['*' + a] * 10)}]\n"
    for a, b in zip("abcdefghi", "bcdefghij", strict=True)
)
LETS = "launch:\n- let: {name: a0, value: lol}\n" + "".join(
    f"- let: {{name: a{i}, value: {f'$(var a{i - 1})' * 9}}}\n" for i in range(1, 30)
)
INNER = _launch("""
- arg: {name: who, choice: [{value: mine:Answerer}, {value: mine:Listener}]}
- node: {exec: $(var who), name: inner}
""")
CASES = {
    # The file itself.
    "empty": Case(r"a.yaml:1: a launch file is one key 'launch:' with a list", ""),
    "only comments": Case(r"a.yaml:1: a launch file is one key 'launch:'.*", "# nothing\n"),
    "binary": Case(r"a.yaml:2: not UTF-8 .*", bytes(range(256))),
    "an image": Case(r"a.yaml:1: not UTF-8.*", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
    "latin-1": Case(r"a.yaml:2: not UTF-8.*", "launch:\n# Größe\n".encode("latin-1")),
    "a tab": Case(r"a.yaml:3: a tab.*", "launch:\n- node:\n\texec: mine:Talker\n"),
    "a list": Case(r"a.yaml:1: a launch file is one key 'launch:'.*", "- node: {}\n"),
    "lunch": Case(r"a.yaml:1: .*did you mean 'launch'\?", PAIR.replace("launch", "lunch").lstrip()),
    "two documents": Case(r"a.yaml:2: a second document.*", "launch: []\n---\nlaunch: []\n"),
    "billion laughs": Case(r"a.yaml:\d+: .*expand.*", LAUGHS + "launch: *j\n"),
    "laughing lets": Case(r"a.yaml:\d+: it would be longer than.*.*", LETS),
    "deep": Case(r"a.yaml:1: nested more than \d+ deep", "launch: " + "[" * 10_000),
    "a python object": Case(
        r"a.yaml:2: tag '.*python/object/apply:os.system'.*",
        "launch:\n- log: !!python/object/apply:os.system ['touch hacked']\n",
    ),
    "a python tuple": Case(r"a.yaml:1: tag '.*python/tuple'.*", "launch: !!python/tuple []\n"),
    "nothing to start": Case(r"a.yaml:1: it starts nothing", "launch: []\n"),
    # Words of the grammar.
    "entity": Case(r"a.yaml:2: unknown entity 'nod'; did you mean 'node'\?", _launch("- nod: {}")),
    "key": Case(r"a.yaml:4: .*'nmae'; did you mean 'name'\?.*", _talker("nmae: talker")),
    "key of ros": Case(r"a.yaml:4: .*'output'.*not part.*", _talker("output: screen")),
    "missing exec": Case(r"a.yaml:2: 'node' lacks its 'exec'", _launch("- node: {name: a}")),
    "no list": Case(r"a.yaml:1: expected a list of entities.*", "launch: {node: {}}\n"),
    "indentation": Case(r"a.yaml:3: .*indent it.*", _launch('- node:\n  exec: "mine:Talker"')),
    "doubled key": Case(r"a.yaml:4: key 'exec' is given twice.*", _talker("exec: mine:Answerer")),
    "param key": Case(
        r"a.yaml:4: unknown key 'vlaue'; did you mean 'value'\?.*",
        _talker("param: [{name: rate, vlaue: 1}]"),
    ),
    "param without value": Case(r"a.yaml:4: .*no 'value'.*", _talker("param: [{name: rate}]")),
    "remap key": Case(
        r"a.yaml:4: unknown key 'form'; did you mean 'from'\? \(in 'remap'\)",
        _talker("remap: [{form: /word, to: /a}]"),
    ),
    "condition": Case(r"a.yaml:4: 'if': 'maybe' is neither.*", _talker("if: maybe")),
    "both conditions": Case(r"a.yaml:5: 'if' and 'unless'.*", _talker("if: 1\n    unless: 1")),
    "number": Case(r"a.yaml:4: 'respawn_delay' must be.*'soon'", _talker("respawn_delay: soon")),
    "on_exit": Case(r"a.yaml:4: 'on_exit'.*did you mean 'shutdown'\?", _talker("on_exit: shutdwn")),
    "branch not taken": Case(
        r"a.yaml:5: unknown key 'exce'; did you mean 'exec'\?.*",
        _launch("- group:\n    if: false\n    children:\n    - node: {exce: a, name: b}"),
    ),
    "value in a branch not taken": Case(
        r"a.yaml:5: 'respawn': 'yes' is neither.*",
        _launch('- group:\n    if: false\n    children:\n    - node: {exec: "a:B", respawn: yes}'),
    ),
    "variable": Case(
        r"a.yaml:3: no variable 'nmae' here; did you mean 'name'\?",
        _launch("- arg: {name: name, default: a}\n- log: {message: $(var nmae)}"),
    ),
    "substitution": Case(
        r"a.yaml:2: unknown substitution '\$\(vra\)'; did you mean 'var'\?",
        _launch("- log: {message: $(vra a)}"),
    ),
    "code": Case(r"a.yaml:2: \$\(eval\).*runs no code", _launch("- log: {message: $(eval 1)}")),
    "package": Case(
        r"a.yaml:2: no package 'covray'; did you mean 'covary'\?",
        _launch("- include: {file: $(find-pkg-share covray)/launch/push.yaml}"),
    ),
    # Arguments and includes.
    "needed argument": Case(r"a.yaml:2: argument 'x' is needed.*", _launch("- arg: {name: x}")),
    "argument twice": Case(
        r"a.yaml:3: argument 'x' is declared twice \(first in line 2\)",
        _launch("- arg: {name: x, default: 1}\n- arg: {name: x, default: 2}"),
    ),
    "choice of a default": Case(
        r"a.yaml:2: 'mpi' is no choice of 'x'; did you mean 'mppi'\?",
        _launch("- arg: {name: x, default: mpi, choice: [{value: mppi}, {value: cem}]}"),
    ),
    "argument of an include": Case(
        r"a.yaml:4: b.yaml has no argument 'wo'; did you mean 'who'\?",
        _launch("- include:\n    file: $(dirname)/b.yaml\n    arg: [{name: wo, value: 1}]"),
        more={"b.yaml": INNER},
    ),
    "choice of an include": Case(
        r"a.yaml:4: 'mine:Anwserer' is no choice of 'who'; did you mean 'mine:Answerer'\?",
        _launch(
            "- include:\n    file: $(dirname)/b.yaml\n    arg: [{name: who, value: mine:Anwserer}]"
        ),
        more={"b.yaml": INNER},
    ),
    "needed by an include": Case(
        r"a.yaml:3: 'arg': 'who' is needed by .*b.yaml:2",
        _launch("- include:\n    file: $(dirname)/b.yaml"),
        more={"b.yaml": INNER},
    ),
    "missing include": Case(
        r"a.yaml:2: 'file': no file .*bb.yaml; did you mean 'b.yaml'\?",
        _launch("- include: {file: $(dirname)/bb.yaml}"),
        more={"b.yaml": INNER},
    ),
    "a folder included": Case(
        r"a.yaml:2: 'file': no file .*, it is a folder", _launch("- include: {file: $(dirname)}")
    ),
    "a mistake in an include": Case(
        r".*b.yaml:2: unknown entity 'nod'; did you mean 'node'\?",
        _launch("- include: {file: $(dirname)/b.yaml}"),
        more={"b.yaml": "launch:\n- nod: {}\n"},
    ),
    "cycle": Case(r"a.yaml:2: .*itself.*", _launch("- include: {file: $(dirname)/a.yaml}")),
    "cycle of three": Case(
        r".*c.yaml:2: .*includes itself \(a.yaml -> b.yaml -> c.yaml -> a.yaml\)",
        _launch("- include: {file: $(dirname)/b.yaml}"),
        more={
            "b.yaml": _launch("- include: {file: $(dirname)/c.yaml}"),
            "c.yaml": _launch("- include: {file: $(dirname)/a.yaml}"),
        },
    ),
    "cycle through a variable": Case(
        r".*b.yaml:3: .*includes itself.*",
        _launch("- let: {name: next, value: b}\n- include: {file: $(dirname)/$(var next).yaml}"),
        more={
            "b.yaml": _launch(
                "- let: {name: next, value: a}\n- include: {file: $(dirname)/$(var next).yaml}"
            )
        },  # fmt: skip
    ),
    "tree of includes": Case(
        r".*yaml:\d: 'file': more than \d+ includes.*",
        _launch("- include: {file: $(dirname)/b0.yaml}"),
        more={
            f"b{i}.yaml": _launch(f"- include: {{file: $(dirname)/b{i + 1}.yaml}}\n" * 4)
            for i in range(12)
        }
        | {"b12.yaml": "launch: []\n"},
    ),
    # Nodes and plugins.
    "exec": Case(
        r".*'exec': no node is called 'sim_nod'; did you mean sim_node\?.*",
        _launch("- node: {exec: sim_nod}"),
    ),  # fmt: skip
    "exec of an outsider": Case(
        r"a.yaml:2: /talkr: 'exec': .*has no class 'Talkr'; did you mean Talker\?",
        _launch('- node: {exec: "mine:Talkr"}'),
    ),
    "module": Case(
        r"a.yaml:2: .*there is no module 'mien'; did you mean mine\?",
        _launch('- node: {exec: "mien:Talker"}'),
    ),
    "no node": Case(
        r"a.yaml:2: .*is no node: it must derive from.*", _launch('- node: {exec: "mine:NoNode"}')
    ),  # fmt: skip
    "import fails": Case(
        r"a.yaml:2: .*cannot be imported \(SyntaxError: .*line 1.*",
        _launch('- node: {exec: "bad:A"}\n- node: {exec: "bad:A", name: b}'),
        more={"bad.py": "def f(:\n"},
    ),
    "import leaves": Case(
        r"a.yaml:2: .*cannot be imported \(SystemExit: 3\)",
        _launch('- node: {exec: "bad:A"}'),
        more={"bad.py": "raise SystemExit(3)\n"},
    ),
    "duplicate names": Case(
        r"a.yaml:3: two nodes called '/a' \(first in a.yaml:2\).*",
        _launch('- node: {exec: "mine:Talker", name: a}\n- node: {exec: "mine:Answerer", name: a}'),
    ),
    "one include twice": Case(
        r"a.yaml:3: two nodes called '/sim', '/planner', '/control', '/recorder' \(first in.*",
        _launch("- include: {file: $(find-pkg-share covary)/launch/push.yaml}\n" * 2),
    ),
    "program": Case(
        r"a.yaml:2: /no_such_program: 'cmd': no program 'no_such_program' on the PATH",
        _launch("- executable: {cmd: no_such_program --help}"),
    ),
    "odd topics": Case(
        r"a.yaml:2: .*its publishes must be a dict.*", _launch('- node: {exec: "mine:NoDict"}')
    ),  # fmt: skip
    "odd topic": Case(
        r"a.yaml:2: .*'a word', which is no topic", _launch('- node: {exec: "mine:NoTopic"}')
    ),  # fmt: skip
    "odd parameters": Case(
        r"a.yaml:2: .*must be a dataclass", _launch('- node: {exec: "mine:OddParameters"}')
    ),  # fmt: skip
    "odd default": Case(
        r"a.yaml:2: .*its Parameters fail \(NameError.*",
        _launch('- node: {exec: "mine:OddDefault"}'),
    ),  # fmt: skip
    "refusing parameters": Case(
        r"a.yaml:2: .*its Parameters fail \(KeyError.*", _launch('- node: {exec: "mine:Refusing"}')
    ),  # fmt: skip
    "no such message": Case(
        r"a.yaml:4: .*message type 'std_msgs/msg/Strin'; did you mean std_msgs/msg/String\?",
        PAIR.lstrip() + '- node: {exec: "mine:NoSuchType"}\n',
    ),
    # Parameters.
    "parameter": Case(
        r"a.yaml:4: /talker: unknown parameter 'rat'; did you mean rate\?",
        _talker("param: [{name: rat, value: 1}]"),
    ),
    "parameter's type": Case(
        r"a.yaml:6: /talker: retries: 1.5 is not a whole number",
        _talker("param:\n    - name: retries\n      value: 1.5"),
    ),
    "type": Case(
        r"a.yaml:4: 'type': unknown type 'flaot'; did you mean 'float'\?",
        _talker("param: [{name: rate, value: 1, type: flaot}]"),
    ),
    "value of another type than said": Case(
        r"a.yaml:4: 'value': '1.5' is not of type int",
        _talker("param: [{name: retries, value: 1.5, type: int}]"),
    ),
    "plugin's key": Case(
        r"a.yaml:3: /planner: planner: unknown parameter 'plguin'; did you mean plugin\?",
        _three("push", "push", "push").replace("plugin:", "plguin:"),
    ),
    "algorithm's key": Case(
        r"a.yaml:3: /planner: planner \(mppi\): unknown .*'sampels'; did you mean samples\?",
        _three("push", "push", "push").replace("plugin: mppi", "plugin: mppi, sampels: 64"),
    ),
    "list for an algorithm": Case(
        r"a.yaml:3: /planner: planner: \['mppi'\] is not a mapping",
        _three("push", "push", "push").replace("{plugin: mppi}", "[mppi]"),
    ),
    "yaml 1.2": Case(
        r"a.yaml:4: /talker: rate: 'off' is not a number",
        _talker("param: [{name: rate, value: off}]"),
    ),  # fmt: skip
    "default": Case(
        r"a.yaml:2: /talker: rate: 'fast' is not a number",
        _launch(
            "- arg: {name: rate, default: fast}\n"
            + _talker("param: [{name: rate, value: $(var rate)}]").removeprefix("launch:\n")
        ),
    ),
    "parameter file": Case(
        r".*p.yaml:3: /talker: unknown parameter 'rat'; did you mean rate\?",
        _talker("param: [{from: $(dirname)/p.yaml}]"),
        more={"p.yaml": "/**:\n  ros__parameters:\n    rat: 1\n"},
    ),
    "value of a parameter file": Case(
        r".*p.yaml:3: /talker: words\[1\]: 2 is not text",
        _talker("param: [{from: $(dirname)/p.yaml}]"),
        more={"p.yaml": "talker:\n  ros__parameters:\n    words: [a, 2]\n"},
    ),
    "name in a parameter file": Case(
        r"a.yaml:4: p.yaml has nothing for '/talker' \(it has tlaker\)",
        _talker("param: [{from: $(dirname)/p.yaml}]"),
        more={"p.yaml": "tlaker:\n  ros__parameters: {rate: 1}\n"},
    ),
    "ros__parameters": Case(
        r".*p.yaml:2: .*did you mean 'ros__parameters'\?.*",
        _talker("param: [{from: $(dirname)/p.yaml}]"),
        more={"p.yaml": "talker:\n  ros_parameters: {rate: 1}\n"},
    ),
    "missing parameter file": Case(
        r"a.yaml:4: 'from': .*q.yaml: cannot read it, .*",
        _talker("param: [{from: $(dirname)/q.yaml}]"),
    ),
    "task": Case(r"a.yaml:12: /sim: task: .*'pusk'; did you mean push\?.*", _task("pusk")),
    "task of an outsider": Case(
        r"a.yaml:12: /sim: task: .*no class 'Octagn'; did you mean Octagon\?", _task("box:Octagn")
    ),
    "D8 over a box": Case(
        r"a.yaml:12: /sim: task 'box:Octagon': limits of action part .*\(Box\).*under D8.*",
        _task("box:Octagon"),
    ),
    "D8 over a box, as a baseline": Case(
        r"a.yaml:12: /sim: task 'box:Octagon': lim.*", _task("box:Octagon"), ("symmetry:=none",)
    ),
    "D8 over a box, named three times": Case(
        r"a.yaml:2: /sim: task 'box:Octagon': limits of action part .*",
        _three("box:Octagon", "box:Octagon", "box:Octagon"),
    ),
    "a safe action that moves": Case(
        r"a.yaml:12: /sim: task 'box:Pushed': element .* its safe action", _task("box:Pushed")
    ),
    "a task that cannot be built": Case(
        r"a.yaml:12: .*cannot be built \(RuntimeError: no such table\)", _task("box:Broken")
    ),
    "no task": Case(r"a.yaml:12: .*'box:NoTask': is no task.*", _task("box:NoTask")),
    "two tasks": Case(
        r"a.yaml:3: /planner: task: 'reacher', but it speaks with /sim, whose task is 'push'.*",
        _three("push", "reacher", "covary.sim.tasks.push:Push"),
    ),
    # Topics.
    "remap from": Case(
        r"a.yaml:4: /talker: it has no topic '/wrod' to remap; did you mean '/word'\?",
        _talker("remap: [{from: /wrod, to: /a}]"),
    ),
    "remap to": Case(
        r"a.yaml:4: /answerer listens to '/word', .* of /talker is remapped to '/wrod'; did.*",
        _talker("remap: [{from: /word, to: /wrod}]"),
    ),
    "remap of a listener": Case(
        r"a.yaml:4: /talker listens to '/anwser', which nobody publishes; did you mean '/answer'\?",
        _talker("remap: [{from: /answer, to: /anwser}]"),
    ),
    "remap of who only listens": Case(
        r"a.yaml:4: /listener listens to '/wrod', .*; did you mean '/word'\?",
        PAIR.lstrip() + '- node: {exec: "mine:Listener", remap: [{from: /word, to: /wrod}]}\n',
    ),
    "no topic": Case(
        r"a.yaml:4: 'to': 'a word' is no topic.*", _talker("remap: [{from: /word, to: a word}]")
    ),  # fmt: skip
    "nobody publishes": Case(
        r"a.yaml:2: /talker listens to '/answer', which nobody publishes.*",
        _launch('- node: {exec: "mine:Talker"}'),
    ),  # fmt: skip
    "heard by nobody at all": Case(
        r"a.yaml:2: /listener listens to '/word', '/answer', w.*",
        _launch('- node: {exec: "mine:Listener"}'),
    ),  # fmt: skip
    "published twice": Case(
        r"a.yaml:4: /again: topic '/answer' is published by /answerer too \(a.yaml:3\).*",
        PAIR.lstrip() + '- node: {exec: "mine:Answerer", name: again}\n',
    ),
    "types": Case(
        r"a.yaml:4: /wrong_type: topic '/word' is sensor_msgs/msg/JointState for /wrong_type, "
        r"but std_msgs/msg/String for .*/talker.* \(a.yaml:\d\)",
        PAIR.lstrip() + '- node: {exec: "mine:WrongType"}\n',
    ),
    # The command line.
    "file": Case(r"command line: no launch file 'psh'; did you mean 'push'\?", "", file="psh"),
    "path": Case(r"command line: no launch file '\./b.yaml'; did.*'a.yaml'\?", file="./b.yaml"),
    "folder": Case(r"command line: no launch file '\.', it is a folder", file="."),
    "no such person": Case(r"command line: no launch file '~nobody_here/.*", file="~nobody_here/a"),
    "a very long name": Case(r"command line: no launch file 'aaaa.*", file="a" * 5000),
}
PUSH = {
    "samples=64": r"command line: .*did you mean 'samples:=64'\?",
    "sampels:=64": r"command line: .*'sampels'; did you mean 'samples'\?",
    "samples:=many": r".*:\d+: .*: samples: 'many' is not a whole.*samples:=many on the.*",
    "samples:=-3": r".*samples: -3 must be at least 1 .*",
    "samples:=1e99": r".*samples: 1e\+99 is not a whole number.*",
    "samples:=100000000": r".*samples: 100000000 .*GiB.*",
    "samples:=6\n4": r".*'6\\n4' is not a whole number.*",
    "samples:=\x1b[31m": r".*'\\x1b\[31m' is not a whole number.*",
    "planner:=mpi": r".*planner: .*'mpi'; did you mean mppi\?.*",
    "planner:=": r".*planner.plugin: null is no plugin.*",
    "symmetry:=C3": r".*symmetry: C3 is no subgroup of D8.*did you mean C\d\?.*",
    "symmetry:=nnoe": r".*symmetry: .*'nnoe'; did you mean none\?.*",
    "episodes:=0": r".*episodes: 0 must be at least 1.*",
    "realtime:=maybe": r"command line: realtime:=maybe: must be true or false",
    "seed:=1.5": r".*/sim: seed: 1.5 is not a whole number.*",
    "noise:=.inf": r".*noise: inf is not finite.*",
    "noise:=[1": r"command line: noise:.*flow sequence.*",
    "elite_fraction:=x": r".*elite_fraction: 'x' is not a number.*",  # mppi does not even use it
    "late_policy:=replya": r".*'replya' is none of .*did you mean replay\?.*",
    "model:=mujco": r".*model: 'mujco' is none; did you mean 'mujoco'\?.*",
    "domain:=-1": r"command line: domain:=-1: must be a whole number.*",
    "only:=planer": r"command line: only:=planer: .*did you mean 'planner'\?",
    "--hepl": r"covary \w+: no option '--hepl'; did you mean '--help'\?",
}
"""What may be typed after `push`, and the line that it ought to get."""
CASES |= {word: Case(line, words=(word,), file="push") for word, line in PUSH.items()}


def place_of(case, tmp_path):
    for name, copy in (("odd_nodes", "mine"), ("odd_tasks", "box")):
        shutil.copy(Path(__file__).with_name(f"{name}.py"), tmp_path / f"{copy}.py")
    for name, text in {"a.yaml": case.text, **case.more}.items():
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return tmp_path


def one_line(case, done):
    """The one line on stderr, which is as it should be."""
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and done.stderr.endswith("\n"), done.stderr
    line = done.stderr.removesuffix("\n")
    assert line.isprintable() and len(line) <= 1100
    assert re.fullmatch(case.line, line), line
    return line


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_one_line_and_leaves_nothing(name, tmp_path):
    case = CASES[name]
    place = place_of(case, tmp_path)
    before = sorted(place.iterdir())
    begin = time.process_time()
    lines = {
        one_line(case, covary_here(place, command, case.file, *case.words)).removeprefix(
            f"covary {command}"
        )
        for command in ("check", "launch")
    }
    assert len(lines) == 1
    assert time.process_time() - begin < 10
    assert sorted(place.iterdir()) == before


def test_there_are_at_least_as_many_as_were_promised():
    assert len(CASES) >= 40


SHELL = {
    "remap to": ["launch"],
    "D8 over a box": ["launch", "--lockstep"],
    "samples:=1e99": ["graph"],
    "billion laughs": ["check"],
}


@pytest.mark.parametrize("name", SHELL)
def test_so_it_is_from_a_shell(name, tmp_path):
    case = CASES[name]
    place = place_of(case, tmp_path)
    one_line(case, covary(place, *SHELL[name], case.file, *case.words))
    assert not (place / "runs").exists()


@pytest.mark.parametrize("name", ["billion laughs", "laughing lets", "tree of includes", "deep"])
def test_a_bomb_takes_neither_memory_nor_time(name, tmp_path):
    case = CASES[name]
    place = place_of(case, tmp_path)
    command = [sys.executable, "-m", "covary.commands.main", "check", case.file]
    done = subprocess.run(
        ["sh", "-c", 'ulimit -v 600000; ulimit -t 20; exec "$0" "$@"', *command],  # kB, s
        cwd=place,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    one_line(case, done)


def test_several_mistakes_have_a_line_each(tmp_path):
    text = """
launch:
- arg: {name: rate, default: 1}
- node: {exec: "mine:Talker", nmae: a, respawn: often}
- group:
  - nod: {exec: b}
  - log: {mesage: c}
"""
    place = place_of(Case("", text.lstrip()), tmp_path)
    done = covary_here(place, "launch", "a.yaml")
    assert [line.partition(": ")[0] for line in done.stderr.splitlines()] == [
        *("a.yaml:3", "a.yaml:3", "a.yaml:5", "a.yaml:6")
    ]
    text = """
launch:
- node: {exec: "mine:Talker", name: a, param: [{name: rat, value: 1}, {name: retries, value: x}]}
- node: {exec: "mine:Answrer", name: b}
"""
    place = place_of(Case("", text.lstrip()), tmp_path)
    done = covary_here(place, "launch", "a.yaml")
    assert done.returncode == 2
    said = done.stderr.splitlines()
    assert ["rate" in said[0], "retries" in said[1], "Answerer" in said[2]] == [True] * 3
    assert len(said) == 3


def test_nothing_is_started_to_find_out(tmp_path, monkeypatch):
    def never(*_, **__):
        raise AssertionError("a process was started")

    for name in ("Popen", "run", "call", "check_output"):
        monkeypatch.setattr(subprocess, name, never)
    for name in ("fork", "forkpty", "posix_spawn", "posix_spawnp", "system", "popen", "execv"):
        monkeypatch.setattr(os, name, never)
    for words in (("check", "push"), ("graph", "push"), ("graph", "push", "--mermaid")):
        done = covary_here(tmp_path, *words)
        assert (done.returncode, done.stderr) == (0, ""), done
    for name in ("import leaves", "D8 over a box", "planner:=mpi"):
        case = CASES[name]
        for command in ("check", "graph", "launch"):
            one_line(case, covary_here(place_of(case, tmp_path), command, case.file, *case.words))
    assert not (tmp_path / "runs").exists()
