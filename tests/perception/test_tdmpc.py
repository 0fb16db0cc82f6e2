"""TD-MPC: its networks, its planner, its agent: laws, resuming, and what `covary train` leaves."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from covary.commands.main import build
from covary.nodes.parameters import ParameterError
from covary.planners.loop.proposal import build_proposer, proposal
from covary.sim.load_task import load_task
from covary.sim.planner_plugin import build_dynamics, planner_of

torch = pytest.importorskip("torch")

from made_models import train  # noqa: E402

from covary.perception.learning.replay import Replay  # noqa: E402
from covary.perception.learning.simulated import simulated  # noqa: E402
from covary.perception.model_folder import load_model  # noqa: E402
from covary.perception.world_models.action_limits import ActionLimits  # noqa: E402
from covary.perception.world_models.latent_planner import LatentPlanner, Sampling  # noqa: E402
from covary.perception.world_models.regular_network import fields_for  # noqa: E402
from covary.perception.world_models.tdmpc import TDMPCModel  # noqa: E402
from covary.sim.seen import seen  # noqa: E402

SMALL = (
    *("width:=16", "encoder_width:=16", "latent:=8", "batch:=16", "stretch:=2", "episode:=6"),
    *("steps:=4", "first_episodes:=2", "validate_every:=2", "validation_episodes:=2"),
    *("symmetry:=D4", "sampling:={samples: 16, horizon: 2, iterations: 1, elites: 4}"),
)


def small(task, symmetry="full", mode="exact", **more):
    torch.manual_seed(0)
    model = TDMPCModel(task, symmetry, mode, latent=8, width=16, encoder_width=16, **more)
    with torch.no_grad():
        for w in model.parameters():  # reward and values begin at zero
            if not w.any():
                w.normal_(std=0.1)
    return model


@pytest.mark.parametrize("mode", ["exact", "relaxed", "free"])
def test_an_exported_model_answers_alike(mode):
    task = load_task("point_mass")
    model = small(task, "D4", mode)
    x = torch.tensor(np.stack([task.initial_state(np.random.default_rng(i)) for i in range(4)]))
    z, u = model.encode(x.float()), torch.randn(4, 3, 2)
    exported = model.exported()
    for a, b in (
        (exported.encode(x.float()), z),
        (exported.rollout(z, u), model.rollout(z, u)),
        (exported.terminal_cost(z), model.terminal_cost(z)),
        (exported.policy(z), model.policy(z)),
    ):
        torch.testing.assert_close(a, b)
    with model.held():
        torch.testing.assert_close(model.rollout(z, u), exported.rollout(z, u))
    names = {type(m).__name__ for m in exported.modules()}
    assert "Layer" not in names and "Linear" in names


def test_widths_have_about_the_same_parameters():
    counts = {}
    for mode in ("exact", "relaxed", "free"):
        fields = fields_for(128, 8, mode, 2)
        each = {"exact": 8, "relaxed": 16, "free": 64}[mode]
        counts[mode] = fields * fields * each
    assert all(abs(count - 128**2) < 0.1 * 128**2 for count in counts.values())


@pytest.mark.parametrize("name", ["point_mass", "reacher", "block_push", "drone"])
def test_actions_come_within_the_limits_and_back(name):
    task = load_task(name)
    whole = seen(task, task.state_names)
    limits = ActionLimits(task, whole, whole.symmetry)
    x = 3.0 * torch.randn(64, len(task.action_names))
    for a in (limits.squashed(x), limits.projected(x)):
        u = limits.in_units(a).double().numpy()
        np.testing.assert_allclose(task.limits.project(u), u, atol=1e-5)
        torch.testing.assert_close(limits.scaled(limits.in_units(a)), a)
    inside = 0.3 * limits.squashed(x)
    torch.testing.assert_close(limits.projected(inside), inside)
    for g in whole.symmetry.group.elements:
        act = torch.tensor(whole.symmetry.orbit("action")[g]).float()
        torch.testing.assert_close(limits.squashed(x @ act.T), limits.squashed(x) @ act.T)
        torch.testing.assert_close(limits.excess(x @ act.T), limits.excess(x))
    assert (limits.excess(x) > 0).any() and not limits.excess(inside).any()


def test_a_prior_at_the_limits_comes_back():
    """Squashed, it has next to no slope there; what it pays for being there has."""
    task = load_task("reacher")
    limits = ActionLimits(task, seen(task, task.state_names), task.symmetry)
    x = torch.full((1, 2), 8.0, requires_grad=True)
    (slope,) = torch.autograd.grad(-limits.squashed(x).sum(), x)
    assert slope.abs().max() < 1e-5
    (slope,) = torch.autograd.grad(limits.excess(x).sum(), x)
    assert slope.min() > 1.0


@pytest.mark.parametrize("name, options, symmetry", [
    ("point_mass", {}, "full"), ("reacher", {}, "full"), ("point_masses", {"balls": 1}, "O"),
])  # fmt: skip
def test_a_plan_from_a_moved_latent_is_the_moved_plan(name, options, symmetry):
    task = load_task(name, options)
    model = small(task, symmetry).double()
    acting = model.symmetry
    order = len(acting.distinct_actions())
    sampling = Sampling(2 * order, 3, 3, elites=order, policy_samples=order + 1)
    planner = LatentPlanner(model, sampling, acting)
    assert planner.count == 3 * order + 1
    x = torch.tensor(np.stack([task.initial_state(np.random.default_rng(i)) for i in range(3)]))
    z, mean = model.encode(x).detach(), 0.3 * torch.randn(3, 3, len(task.action_names)).double()

    def plan(z, mean, planner=planner):
        torch.manual_seed(1)
        return planner.plan(z, mean)

    action, after = plan(z, mean)
    for g in acting.group.elements:
        moved = plan(model.latent.act(g, z), model.action.act(g, mean))
        torch.testing.assert_close(moved[0], model.action.act(g, action), atol=1e-9, rtol=0)
        torch.testing.assert_close(moved[1], model.action.act(g, after), atol=1e-9, rtol=0)
    plain = LatentPlanner(model, sampling)
    g = acting.group.order - 1
    here, there = (plan(v, m, plain)[0] for v, m in (
        (z, mean), (model.latent.act(g, z), model.action.act(g, mean))))  # fmt: skip
    assert (there - model.action.act(g, here)).abs().max() > 1e-3


def test_returns_are_discounted_costs_whatever_else_is_planned():
    task = load_task("point_mass")
    model = small(task, "D4")
    z = torch.randn(3, model.latent.width)
    actions = torch.randn(3, 5, 4, 2)
    planner = LatentPlanner(model, Sampling(32, elites=8))
    together = planner.returns(z, actions)
    for i in range(3):
        torch.testing.assert_close(
            planner.returns(z[i : i + 1], actions[i : i + 1])[0], together[i]
        )
    model.unit.fill_(2.0)
    u = model.limits.in_units(actions[:, 0])
    rolled, total = model.rollout(z, u), 0.0
    for t in range(4):
        total = total + model.discount**t * model.running_cost(rolled[:, t], u[:, t])
    total = total + model.discount**4 * model.terminal_cost(rolled[:, -1])
    torch.testing.assert_close(-2.0 * planner.returns(z, actions)[:, 0], total)


def test_sampling_that_cannot_be_is_said():
    for bad, said in (({"samples": 0}, "samples"), ({"elites": 600}, "elites"),
                      ({"momentum": 1.0}, "momentum")):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            Sampling(**bad)
    task = load_task("point_mass")
    model = small(task)
    with pytest.raises(ValueError, match="less than one orbit of D8"):
        LatentPlanner(model, Sampling(8, elites=4), model.symmetry)


def test_replay_draws_what_was_badly_foreseen_more_often():
    replay = Replay(Replay.empty(5, 6, 2, 3, 1))
    rng = np.random.default_rng(0)
    for i in range(4):
        replay.add(np.full((7, 3), i), np.full((6, 1), i), np.arange(6.0) + 10 * i)
    assert replay.count == 4
    begin, weight = replay.draw(rng, 500)
    assert begin.max() < 20 and np.allclose(weight, 1.0)
    x, a, cost = replay.stretches(np.array([7]), 2)  # the second episode, from its third period
    assert x.shape == (1, 3, 3) and (x == 1).all() and (a == 1).all()
    np.testing.assert_array_equal(cost, [[12.0, 13.0]])
    replay.learned(np.arange(20), np.r_[np.full(19, 1e-3), 10.0])
    begin, weight = replay.draw(rng, 500)
    assert (begin == 19).mean() > 0.9 and weight[begin == 19].max() < weight.max() == 1.0


def test_kernels_and_plant_are_the_same_world_but_for_dials():
    task = load_task("point_mass")
    worlds = [simulated(task), simulated(task, {"cost_offset": 1e-9}),
              simulated(task, {"actuator_gain": 1.0})]  # fmt: skip
    x0, found = task.initial_state(np.random.default_rng(0)), []
    for world in worlds:
        world.begin(x0)
        found.append([world.step(np.array([0.5, 0.2])) for _ in range(5)])
    for (x, cost), (y, dear), (z, _) in zip(*found, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-9)
        assert abs(cost - dear) < 1e-6 and z[0] > x[0] and abs(z[1] - x[1]) < 1e-9


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("tdmpc") / "agent"
    code, said = train("tdmpc", *SMALL, f"out:={out}")
    assert code == 0, said
    return out


def test_what_stands_in_the_folder(folder):
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["equivariance"]["after"] < 1e-5 and summary["equivariance"]["before"] < 1e-5
    assert summary["metrics"]["episode_cost"] > 0
    assert summary["data"]["episodes"] == 6 and summary["data"]["periods"] == 36
    done = CliRunner().invoke(build("info"), ["info", str(folder)])
    assert done.exit_code == 0 and "plans" in done.output


def test_a_planner_plans_in_the_latent_of_the_folder(folder):
    task = load_task("point_mass")
    dynamics = build_dynamics(task, str(folder), 0.8)
    assert dynamics.latent and dynamics.on_device
    x = task.initial_state(np.random.default_rng(0))
    actions = task.limits.project(np.random.default_rng(1).normal(size=(7, 3, 2)))
    costs = np.empty((1, 7))
    dynamics.rollout(x, actions, costs)
    model = load_model(folder)
    with torch.no_grad():
        z = model.encode(torch.tensor(x).float()[None]).expand(7, -1)
        u = torch.tensor(actions).float()
        rolled = model.rollout(z, u)
        wanted = sum(model.running_cost(rolled[:, t], u[:, t]) for t in range(3))
        wanted = wanted + model.terminal_cost(rolled[:, -1])
    np.testing.assert_allclose(costs[0], wanted.numpy(), rtol=1e-4)
    block = {"plugin": "mppi", "samples": 16, "horizon": 4, "knots": 2, "iterations": 1}
    for plugin in ("mppi", "cem"):
        planner = planner_of(task, block | {"plugin": plugin}, {}, "D4", str(folder), 0.8)
        plan, _ = planner.plan(x, 0.0, planner.initial_memory(0))
        assert np.isfinite(plan.actions).all()
    proposed = model.proposed(torch.tensor(x).float()[None], 4).double().numpy()
    np.testing.assert_allclose(task.limits.project(proposed), proposed, atol=1e-5)
    with pytest.raises(ParameterError, match="point_mass is not one of reacher"):
        build_dynamics(load_task("reacher"), str(folder), 0.8)


def test_the_policy_prior_is_one_of_the_samples(folder):
    task = load_task("point_mass")
    x = task.initial_state(np.random.default_rng(0))
    proposer = build_proposer({"plugin": "policy_proposer", "policy": str(folder)}, task)
    block = {"plugin": "mppi", "samples": 17, "horizon": 4, "knots": 2, "temperature": 1e-9}
    planner = planner_of(task, block, {}, "D4", str(folder), 0.8)
    planner.take_proposals(proposer)
    found = proposal(proposer, planner.dynamics, x, 4)
    wanted = load_model(folder).proposed(torch.tensor(x).float()[None], 4).double().numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    plan, _ = planner.plan(x, 0.0, planner.initial_memory(0))
    own = np.empty((1, 1))
    planner.dynamics.rollout(x, found[None], own)
    assert plan.cost <= own[0, 0] + 1e-9
    with pytest.raises(ParameterError, match="point_mass is not one of reacher") as error:
        build_proposer({"plugin": "policy_proposer", "policy": str(folder)}, load_task("reacher"))
    assert error.value.key == "proposal.policy"


def test_a_training_goes_on_bit_for_bit(folder, tmp_path):
    from covary.nodes.launching.launch_file import read_assignments
    from covary.nodes.training.recipe import find_recipe, read_recipe

    words = read_assignments([*SMALL, f"out:={tmp_path / 'cut'}"])
    recipe = read_recipe(find_recipe("tdmpc"), words)
    training = recipe.kind.begin(recipe)
    moments = training.moments()
    for _ in range(2):
        next(moments)
    training.save()
    code, said = train("tdmpc", *SMALL, f"out:={tmp_path / 'cut'}")
    assert code == 0 and "goes on from update 2" in said
    whole, cut = (load_model(place).state_dict() for place in (folder, tmp_path / "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


@pytest.mark.slow
@pytest.mark.parametrize("words", [
    ("mode:=relaxed", "relaxation_penalty:=0.1"),
    ("mode:=free", "augment:=true", "orbits:=off", "task:=push"),
    ("dials:={actuator_gain: 0.5}", "task:=reacher"),
    ("task:=point_masses", "task_options:={balls: 1, group: O}", "symmetry:=full",
     "sampling:={samples: 24, horizon: 2, iterations: 1, elites: 4}"),
])  # fmt: skip
def test_every_way_of_learning_ends_with_a_model(tmp_path, words):
    names = [word.partition(":=")[0] for word in words]
    small = [word for word in SMALL if word.partition(":=")[0] not in names]
    code, said = train("tdmpc", *small, *words, f"out:={tmp_path / 'x'}")
    assert code == 0, said
    summary = json.loads((tmp_path / "x" / "summary.json").read_text())
    assert (
        any(word.startswith("mode:=") for word in words) or summary["equivariance"]["after"] < 1e-5
    )


@pytest.mark.parametrize("words, said", [
    (("task:=reachr",), "command line: task:=reachr: task: no sim/tasks file"),
    (("task_options:={bals: 2}",), "task_options:={bals: 2}: task_options: task"),
    (("dials:={windd: 1}",), "dials:={windd: 1}: dials: unknown"),
    (("symmetry:=D5",), "symmetry:=D5: symmetry: D5 is no subgroup of"),
    (("symmetry:=no.yaml",), "symmetry:=no.yaml: symmetry: no.yaml: cannot read it"),
    (("sampling:={samples: 1000000000}",), "samples: 1000000000 must be at most"),
    (("episode:=100000000",), "episode: 100000000 must be at most"),
    (("per_period:=1e-9",), "a step in an episode at least"),
    (("sampling:={sharpness: -1}",), "sharpness: -1.0 must not be negative"),
    (("depth:=8192",), "depth: 8192 must be from 1 to 100"),
    (("steps:=100000000", "episode:=100000"), "not enough memory for what it asks for"),
    (("elites:=3",), "unknown parameter"),
    (("sampling:={samples: 2, elites: 1}",), "less than one orbit"),
    (("episode:=1", "stretch:=3"), "less than a stretch"),
])  # fmt: skip
def test_a_wrong_recipe_is_one_line(tmp_path, words, said):
    code, found = train("tdmpc", *words, f"out:={tmp_path / 'x'}")
    assert code == 2 and said in found and "\n" not in found
    assert not (tmp_path / "x").exists()
