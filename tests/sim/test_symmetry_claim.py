"""What a symmetry file does to a task: it restricts, declares what is so, and is refused else."""

import numpy as np
import pytest

from covary.nodes.parameters import ParameterError, from_dict
from covary.nodes.plugin import offered
from covary.planners.planner_node import PlannerNode
from covary.sim.check_task import check_task
from covary.sim.limits import Box, Interval, Limits
from covary.sim.load_task import load_task
from covary.sim.symmetry_claim import claimed, declaring, following
from covary.sim.symmetry_file import SymmetryFile, write_symmetry
from covary.sim.tasks.push import Push
from covary.symmetry.declaration import Symmetry
from covary.symmetry.group import group, trivial
from covary.symmetry.part import Pose, Position, Scalar, Vector, Vector3

PUSH = {"pusher": Position(), "box": Pose(), "goal": Pose()}
MOVES = {"pusher": Vector()}


class Undeclared(Push):
    """Push, and nothing is said of its symmetry."""

    def __init__(self):
        super().__init__()
        self.symmetry = Symmetry(trivial(), PUSH, MOVES)


class Leaning(Undeclared):
    """It in a world whose gravity leans."""

    level = Push()

    def __init__(self, degrees=10.0):
        super().__init__()
        self.kernels, self._lean = None, np.radians(degrees)

    def compiled(self):
        model = super().compiled()
        model.opt.gravity[:] = 9.81 * np.array([np.sin(self._lean), 0.0, -np.cos(self._lean)])
        return model

    def running_cost(self, x, u):
        return self.level.running_cost(x, u)

    def terminal_cost(self, x):
        return self.level.terminal_cost(x)


def file_of(folder, word, state, action, task=""):
    path = folder / "symmetry.yaml"
    return str(write_symmetry(path, SymmetryFile(word, state, action, task)))


def refusal(task, path):
    with pytest.raises(ParameterError) as caught:
        claimed(task, path)
    text = str(caught.value)
    assert text.startswith(f"symmetry: {path}: ") and "\n" not in text
    assert caught.value.key == "symmetry"
    return text


@pytest.mark.parametrize("name", offered("sim.tasks"))
def test_a_file_of_a_subgroup_is_the_word(name, tmp_path):
    task = load_task(name)
    rng = np.random.default_rng(0)
    x, u = (rng.standard_normal((5, task.symmetry.width(s))) for s in ("state", "action"))
    for word in (task.symmetry.group.name, *task.symmetry.group.subgroup_names()):
        path = tmp_path / "symmetry.yaml"
        write_symmetry(path, SymmetryFile.of(task.symmetry.restrict(word), task.name))
        same, found = claimed(task, str(path))
        assert same is task
        ours, theirs = task.symmetry.restrict(word), same.symmetry.restrict(found)
        assert ours.group.element_names == theirs.group.element_names
        for g in ours.group.elements:
            for a, b in zip(
                ours.act(g, state=x, action=u), theirs.act(g, state=x, action=u), strict=True
            ):
                np.testing.assert_array_equal(a, b)


def test_words_stay_what_they_are():
    task = load_task("push")
    for word in ("full", "none", "C4", "SE2", "nonsense"):
        assert claimed(task, word) == (task, word)


def test_parts_without_names_take_the_tasks(tmp_path):
    task = load_task("push")
    path = file_of(tmp_path, "C4", tuple(PUSH.values()), tuple(MOVES.values()))
    assert claimed(task, path) == (task, "C4")
    vector = {"pusher": Vector(), "box": Pose(), "goal": Pose()}  # the same about the origin
    assert claimed(task, file_of(tmp_path, "C4", vector, MOVES)) == (task, "C4")


@pytest.mark.parametrize("mode", ["orbit", "canonical", "memory"])
def test_plans_are_those_of_the_word(mode, tmp_path):
    path = file_of(tmp_path, "C4", PUSH, MOVES, "push")
    plans = []
    for word in ("C4", path):
        told = {"task": "push", "planner": {"plugin": "mppi", "samples": 32, "horizon": 6}}
        told["planner"]["knots"] = 3
        told |= {"symmetry": word, "symmetry_mode": mode}
        planner = PlannerNode.check(from_dict(PlannerNode.Parameters, told, "planner"))
        x = planner.task.initial_state(np.random.default_rng(1))
        memory, found = planner.initial_memory(3), []
        for tick in range(3):  # the later ones warm-started
            plan, memory = planner.plan(x, 0.05 * tick, memory)
            found.append(plan.actions)
        plans.append(np.stack(found))
    np.testing.assert_array_equal(*plans)


@pytest.mark.parametrize("word", ["D16", "C12"])
def test_more_than_declared_is_declared_where_it_is_so(word, tmp_path):
    task = load_task("push")
    view, found = claimed(task, file_of(tmp_path, word, PUSH, MOVES, "push"))
    assert (view.symmetry.group.name, found) == (word, word)
    assert task.symmetry.group.name == "D8"
    assert check_task(view).ok
    assert claimed(view, str(tmp_path / "symmetry.yaml")) == (view, word)


def test_a_task_that_declares_nothing_is_declared_where_it_is_so(tmp_path):
    about = (0.1, -0.05)
    away = {"pusher": Position(about), "box": Pose(about), "goal": Pose(about)}
    for parts in (PUSH, away):
        view, found = claimed(Undeclared(), file_of(tmp_path, "D4", parts, MOVES))
        assert (view.symmetry.group.order, found) == (8, "D4")
    view, found = claimed(Undeclared(), file_of(tmp_path, "SE2", PUSH, MOVES), framed=True)
    assert (view.symmetry.group.sample_of, found) == ("SO2", "SE2")


@pytest.mark.parametrize(
    ("name", "word", "finite"),
    [("push", "SE2", "C8"), ("push", "O2", "D8"), ("two_block_sort", "SO2", "C8")],
)
def test_a_continuous_group_is_its_largest_sample_where_there_are_no_frames(
    name, word, finite, tmp_path
):
    task = load_task(name)
    path = file_of(tmp_path, word, dict(task.symmetry.state), dict(task.symmetry.action), name)
    assert claimed(task, path) == (task, finite)
    assert claimed(task, path, framed=True) == (task, word)


def test_spatial_groups_too(tmp_path):
    task = load_task("point_masses", {"group": "Ih"})
    parts = (dict(task.symmetry.state), dict(task.symmetry.action))
    for word, finite in (("O3", "Ih"), ("SO3", "I")):
        assert claimed(task, file_of(tmp_path, word, *parts)) == (task, finite)


@pytest.mark.slow  # MuJoCo rolls out, twice
def test_leaning_gravity_refuses_what_level_gravity_allows(tmp_path):
    path = file_of(tmp_path, "C4", PUSH, MOVES)
    assert claimed(Leaning(0.0), path)[1] == "C4"
    said = refusal(Leaning(), path)
    assert "dynamics equivariance: off by" in said and "coordinate" in said


@pytest.mark.parametrize(
    ("name", "word", "law"),
    [
        ("cart_pole", "D2", "cost invariance: off by"),
        pytest.param("point_masses", "Ih", "limits projection commutes: off by"),
        pytest.param("drone", "T", "off by", marks=pytest.mark.slow),
        pytest.param("two_block_sort", "D8", "cost invariance: off by", marks=pytest.mark.slow),
    ],
)
def test_more_than_is_so_is_refused_with_the_worst_law(name, word, law, tmp_path):
    task = load_task(name)
    parts = (dict(task.symmetry.state), dict(task.symmetry.action))
    said = refusal(task, file_of(tmp_path, word, *parts, name))
    assert f"it claims {word}, {name} declares {task.symmetry.group.name}" in said
    assert law in said and "element" in said and "coordinate" in said


@pytest.mark.parametrize(
    ("word", "state", "action", "said"),
    [
        ("C4", {**PUSH, "more": Scalar()}, MOVES, "has 8: pusher, box, goal"),
        ("C4", {"puhser": Position(), "box": Pose(), "goal": Pose()}, MOVES, "mean 'pusher'"),
        ("C4", {"box": Pose(), "pusher": Position(), "goal": Pose()}, MOVES, "no part 'box'"),
        ("C4", (Vector(4),), MOVES, "the part 'goal' of push must stay one part"),
        ("C4", PUSH, (Scalar(), Scalar()), "where no limit of the task does"),
        ("O", PUSH, MOVES, "tilts the plane"),
        ("SE3", PUSH, MOVES, "tilts the plane"),
        ("SE2", {"pusher": Vector(), "box": Scalar(3), "goal": Scalar(3)}, MOVES, "Position"),
    ],
)
def test_what_does_not_fit_is_refused(word, state, action, said, tmp_path):
    assert said in refusal(load_task("push"), file_of(tmp_path, word, state, action))


def test_another_tasks_file_is_refused(tmp_path):
    path = file_of(tmp_path, "C4", PUSH, MOVES, "push")
    assert "it is of the task push; this is reacher" in refusal(load_task("reacher"), path)
    (tmp_path / "symmetry.yaml").write_text("group: C4\n", encoding="utf-8")
    with pytest.raises(ParameterError, match="symmetry.yaml:1: .*'covary_symmetry' is missing"):
        claimed(load_task("push"), path)


def test_limits_follow_or_do_not():
    limits = Limits(
        {"a": Interval(-1, 1), "b": Box((-1, -2), (1, 2))}, {"a": slice(0, 1), "b": slice(1, 3)}
    )
    moved = following(limits, {"one": slice(0, 1), "two": slice(1, 3)})
    assert moved.parts == {"one": Interval(-1, 1), "two": Box((-1, -2), (1, 2))}
    with pytest.raises(ValueError, match="part 'all' stands at 0 to 2"):
        following(limits, {"all": slice(0, 3)})
    balls = load_task("point_masses")
    with pytest.raises(ValueError, match="where no limit"):
        declaring(balls, Symmetry(group("C2"), balls.symmetry.state, {"all": Vector3(3)}))
