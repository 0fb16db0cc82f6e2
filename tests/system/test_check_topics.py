"""What the check makes of namespaces, of topics that parameters open, and of launches left open."""

import shutil
from pathlib import Path

import pytest
from launches import covary_here

TWO = """
launch:
- group:
  - push_ros_namespace: {namespace: left}
  - node: {exec: "mine:NearTalker", name: talker}
  - node: {exec: "mine:NearAnswerer", name: answerer, namespace: NAMESPACE}
- group:
  - push_ros_namespace: {namespace: right}
  - node: {exec: "mine:NearTalker", name: talker}
  - node: {exec: "mine:NearAnswerer", name: answerer}
"""
CAMERA = """
launch:
- arg: {name: raw, default: true}
- node: {exec: "mine:Camera", name: camera, param: [{name: raw, value: $(var raw)}]}
- node: {exec: "mine:Viewer", name: viewer}
"""
LONELY = """
launch:
- node: {exec: "mine:Talker", name: talker}
"""


@pytest.fixture
def check(tmp_path):
    shutil.copy(Path(__file__).with_name("odd_nodes.py"), tmp_path / "mine.py")
    shutil.copy(Path(__file__).with_name("odd_tasks.py"), tmp_path / "box.py")

    def run(text, *words):
        (tmp_path / "a.yaml").write_text(text.lstrip())
        return covary_here(tmp_path, "check", "a.yaml", *words)

    return run


def test_two_of_a_kind_live_in_their_namespaces(check):
    done = check(TWO.replace(", namespace: NAMESPACE", ""))
    assert (done.returncode, done.stderr) == (0, "")
    assert "4 nodes, 4 topics" in done.stdout


def test_a_pair_in_two_namespaces_is_one_mistake(check):
    done = check(TWO.replace("NAMESPACE", "arm"))
    assert done.returncode == 2
    assert done.stderr == (
        "a.yaml:4: /left/talker listens to '/left/answer', which nobody publishes; "
        "/left/arm/answerer publishes '/left/arm/answer'; did you mean '/left/arm/answer'?\n"
    )


def test_a_remap_follows_the_namespace(check):
    text = TWO.replace(", namespace: NAMESPACE", ", remap: [{from: word, to: /right/word}]")
    assert check(text).returncode == 0
    done = check(text.replace("/right/word", "wrod"))
    assert done.stderr.startswith("a.yaml:5: /left/answerer listens to '/left/wrod', which nobody")


def test_topics_that_a_parameter_opens(check):
    assert check(CAMERA).returncode == 0
    done = check(CAMERA, "raw:=false")
    assert done.returncode == 2
    assert done.stderr == "a.yaml:4: /viewer listens to '/raw', which nobody publishes\n"


@pytest.mark.parametrize("words", [("domain:=7",), ("only:=talker",), ()])
def test_a_launch_left_open_is_only_warned(check, words):
    text = LONELY if words else LONELY + "- executable: {cmd: 'true'}\n"
    done = check(text, *words)
    assert done.returncode == 0
    said = "a.yaml:2: /talker listens to '/answer', which nobody publishes"
    assert done.stderr == f"warning: {said}\n"
    assert check(LONELY).stderr == f"{said}\n"


def test_classes_of_other_hosts_need_not_be_here(check):
    text = LONELY + '- node: {exec: "elsewhere:Answerer", name: answerer}\n'
    assert "there is no module 'elsewhere'" in check(text).stderr
    done = check(text, "only:=talker")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("task", "symmetry", "said"),
    [
        ("Plain", "full", ""),
        ("Plain", "none", ""),
        (
            "Plain",
            "C4",
            "a.yaml:8: /planner: symmetry: C4 is no subgroup of trivial; it has trivial",
        ),
        (
            "Undeclared",
            "none",
            "a.yaml:2: /sim: task 'box:Undeclared': declares no symmetry; a task",
        ),
    ],
)
def test_a_task_without_symmetry_has_none_to_use(check, task, symmetry, said):
    done = check(f"""
launch:
- node: {{exec: sim_node, name: sim, param: [{{name: task, value: "box:{task}"}}]}}
- node:
    exec: planner_node
    name: planner
    param:
    - {{name: task, value: "box:{task}"}}
    - {{name: symmetry, value: {symmetry}}}
    - {{name: planner, value: {{plugin: mppi}}}}
- node: {{exec: control_node, name: control, param: [{{name: task, value: "box:{task}"}}]}}
""")
    assert done.returncode == (2 if said else 0), done.stderr
    assert done.stderr.count("\n") == bool(said)
    assert done.stderr.startswith(said)
