"""Models on tensors: the same costs as on arrays, latents, and a planning step that never waits."""

from dataclasses import replace

import numpy as np
import pytest
from in_process import covary_here

torch = pytest.importorskip("torch")
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from covary.nodes.parameters import ParameterError  # noqa: E402
from covary.planners.icem import ICEM  # noqa: E402
from covary.planners.mppi import MPPI  # noqa: E402
from covary.planners.torch_mppi import TorchMPPI, projected  # noqa: E402
from covary.sim.limits import Ball, Box, Interval, Limits  # noqa: E402
from covary.sim.load_task import load_task  # noqa: E402
from covary.sim.numba_dynamics import NumbaDynamics  # noqa: E402
from covary.sim.planner_plugin import build_dynamics  # noqa: E402
from covary.sim.tasks.point_mass import PointMass  # noqa: E402
from covary.sim.torch_dynamics import TorchDynamics  # noqa: E402

TASK = PointMass()
EXACT = NumbaDynamics(TASK)
START = TASK.initial_state(np.random.default_rng(0))


class Mass:
    """The point mass itself, and its costs, on tensors."""

    def next_state(self, x, u):
        a, b, c, d = _coefficients()
        p, v, g = x[:, 0:2], x[:, 2:4], x[:, 4:6]
        return torch.cat([p + c * v + d * u, a * v + b * u, g], dim=1)

    def running_cost(self, x, u):
        inside = (1.0 - x[:, 0:2].norm(dim=1) / 0.15).clamp_min(0.0)
        near = (x[:, 0:2] - x[:, 4:6]).norm(dim=1) + 20.0 * inside**2
        return near + 0.05 * (x[:, 2:4] ** 2).sum(1) + 0.002 * (u**2).sum(1)

    def terminal_cost(self, x):
        return 5.0 * (x[:, 0:2] - x[:, 4:6]).norm(dim=1)


def _coefficients():
    from covary.sim.tasks.point_mass import coefficients

    return coefficients.py_func(TASK.parameters)


class Mlp(torch.nn.Module):
    """A latent model, untrained: 2 x 256 units."""

    def __init__(self, task, width=256, latent=12):
        super().__init__()
        torch.manual_seed(0)
        n, m = len(task.state_names), len(task.action_names)
        self.inner = torch.nn.Sequential(
            *(torch.nn.Linear(latent + m, width), torch.nn.SiLU()),
            *(torch.nn.Linear(width, width), torch.nn.SiLU()),
            torch.nn.Linear(width, latent),
        )
        self.encoder = torch.nn.Linear(n, latent)
        self.reward, self.value = torch.nn.Linear(latent + m, 1), torch.nn.Linear(latent, 1)

    def encode(self, x):
        return torch.tanh(self.encoder(x))

    def next_state(self, x, u):
        return x + 0.1 * torch.tanh(self.inner(torch.cat([x, u], 1)))

    def running_cost(self, x, u):
        return self.reward(torch.cat([x, u], 1))[:, 0]

    def terminal_cost(self, x):
        return self.value(x)[:, 0]


def rolled_out(model, actions, states=None):
    costs = np.empty((1, len(actions)))
    model.rollout(START, actions, costs, states)
    return costs


def test_it_is_a_dynamics_whoever_computes_the_costs():
    actions = np.random.default_rng(1).uniform(-1.5, 1.5, (9, 12, 2))
    wanted_states = np.empty((1, 9, 12, 6))
    wanted = rolled_out(EXACT, actions, wanted_states)
    for model in (TorchDynamics(TASK, Mass()), TorchDynamics(TASK, Mass().next_state)):
        states = np.empty_like(wanted_states)
        assert np.abs(rolled_out(model, actions, states) / wanted - 1.0).max() < 1e-12
        assert np.abs(states - wanted_states).max() < 1e-13
        assert np.abs(rolled_out(model, actions) / wanted - 1.0).max() < 1e-12
        assert np.allclose(model.next_state(START, actions[:, 0]), wanted_states[0, :, 0])
    tensors = TorchDynamics(TASK, Mass())
    costs = torch.empty((1, 9), dtype=torch.float64)
    tensors.rollout(tensors.tensor(START), tensors.tensor(actions), costs)
    assert np.abs(costs.numpy() / wanted - 1.0).max() < 1e-12
    with pytest.raises(TypeError, match="tensors need running_cost and terminal_cost"):
        model.rollout(tensors.tensor(START), tensors.tensor(actions), costs)


def test_a_planner_cannot_tell_it_from_another_model():
    for cls in (MPPI, ICEM):
        plans = []
        for model in (EXACT, TorchDynamics(TASK, Mass())):
            planner = cls(model, samples=32, horizon=12)
            plans.append(planner.plan(START, 0.0, planner.initial_memory(3))[0].actions)
        assert np.abs(plans[0] - plans[1]).max() < 1e-9


class Wrong:
    """A model with whatever methods it is given."""

    def __init__(self, **methods):
        self.next_state = lambda x, u: x
        vars(self).update(methods)


COSTS = {"running_cost": lambda x, u: x[:, 0], "terminal_cost": lambda x: x[:, 0]}


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ({"next_state": lambda x, u: x[0]}, "gave (6,), not (3, 6)"),
        ({"next_state": lambda x, u: 1.0}, "gave (), not (3, 6)"),
        ({"next_state": lambda x, u: x * torch.nan}, "mass_x is nan after one control period"),
        ({"running_cost": lambda x, u: x[:, 0]}, "one of running_cost and terminal_cost"),
        ({"encode": lambda x: x}, "running_cost and terminal_cost must be its own"),
        (COSTS | {"terminal_cost": lambda x: x[:, :1]}, "terminal_cost gave (2, 1)"),
        (COSTS | {"running_cost": lambda x, u: x[:, 0] / 0.0 * 0.0}, "running_cost is [nan"),
        (COSTS | {"encode": lambda x: x[0]}, "encode gave (6,)"),
    ],
)
def test_what_does_not_fit_is_one_line(methods, said):
    with pytest.raises(ValueError) as caught:
        TorchDynamics(TASK, Wrong(**methods), "m:f")
    assert said in str(caught.value) and str(caught.value).startswith("model: m:f: ")


def test_rollouts_that_all_blow_up_say_where():
    def grows(x, u):
        return torch.cat([x[:, :4] * (1 + u.sum()) ** 9, x[:, 4:]], 1)

    with pytest.raises(ValueError, match="mass_x is .*inf after 3 control periods"):
        rolled_out(TorchDynamics(TASK, grows), np.full((2, 5, 2), 1e14))


def test_a_latent_model_plans_and_its_rollouts_are_what_the_interface_says():
    model = TorchDynamics(TASK, Mlp(TASK))
    assert (model.dtype, model.on_device) == (torch.float32, True)
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (16, 6, 2))
    latents = np.empty((1, 16, 6, 12))
    costs = rolled_out(model, actions, latents)
    with torch.no_grad():
        z, total = model.model.encode(model.tensor(START)[None]), 0.0
        for t in range(6):
            u = model.tensor(actions[3:4, t])
            z = model.model.next_state(z, u)
            total += model.model.running_cost(z, u)
        total += model.model.terminal_cost(z)
    assert costs[0, 3] == pytest.approx(float(total), rel=1e-4)
    assert np.abs(latents[0, 3, -1] - z.numpy()[0]).max() < 1e-5
    for cls in (MPPI, TorchMPPI):
        planner = cls(model, samples=64, horizon=6, symmetry="none")
        plan, memory = planner.plan(START, 0.0, planner.initial_memory(0))
        assert plan.actions.shape == (6, 2) and memory.draws == 1


def planner_of(**parameters):
    given = {"samples": 70, "horizon": 15, "iterations": 2, "noise": 0.5, "effective_samples": 12.0}
    return TorchMPPI(TorchDynamics(TASK, Mass()), **(given | parameters))


@pytest.mark.parametrize("parameters", [{}, {"effective_samples": 0.0}, {"noise": 3.0, "knots": 4}])
def test_a_step_on_tensors_is_exactly_equivariant(parameters):
    planner, symmetry = planner_of(**parameters), TASK.symmetry
    memory, x = planner.initial_memory(5), START
    for tick in range(3):  # cold, then warm
        plan, after = planner.plan(x, 0.05 * tick, memory)
        for g in symmetry.group.elements:
            moved, other = planner.plan(
                symmetry.act(g, state=x), 0.05 * tick, memory.act(symmetry, g)
            )
            assert np.abs(moved.actions - symmetry.act(g, action=plan.actions)).max() < 1e-9
            assert np.abs(other.mean - after.act(symmetry, g).mean).max() < 1e-9
            assert moved.cost == pytest.approx(plan.cost, rel=1e-9)
        assert np.linalg.norm(plan.actions, axis=1).max() <= 2.0 + 1e-9
        memory, x = after, EXACT.next_state(x, plan.actions[0])
    assert planner.step is not None
    broken = replace_orbit(planner)
    moved = broken.plan(symmetry.act(3, state=x), 0.15, memory.act(symmetry, 3))[0].actions
    plain = broken.plan(x, 0.15, memory)[0].actions
    assert np.abs(moved - symmetry.act(3, action=plain)).max() > 1e-3


def replace_orbit(planner):
    """The same planner, whose noise is no longer closed under the group."""
    broken = planner_of(**vars(planner.parameters))
    broken.step._orbit = torch.eye(2, dtype=torch.float64).expand_as(broken.step._orbit).clone()
    return broken


def test_it_gets_there_as_its_parent_does_and_weighs_as_many_samples():
    costs = {}
    for cls in (MPPI, TorchMPPI):
        planner = cls(
            TorchDynamics(TASK, Mass()), samples=1024, horizon=25, noise=0.5, temperature=0.2
        )
        x, memory, total = START, planner.initial_memory(2), 0.0
        for tick in range(80):
            plan, memory = planner.plan(x, 0.05 * tick, memory)
            x = EXACT.next_state(x, plan.actions[0])
            total += float(TASK.running_cost(x, plan.actions[0]))
        costs[cls] = total
        assert np.linalg.norm(x[0:2] - x[4:6]) < 0.03
    assert costs[TorchMPPI] == pytest.approx(costs[MPPI], rel=0.05)
    step = planner_of(samples=64, effective_samples=9.0).step
    above = torch.linspace(0.0, 5.0, 64, dtype=torch.float64)
    weight = torch.exp(-above / step._temperature(above))
    assert float(weight.sum() ** 2 / (weight**2).sum()) == pytest.approx(9.0, rel=1e-4)


def test_where_a_side_is_chosen_it_is_its_parent():
    planner, x = planner_of(iterations=1), np.array([-0.5, 0.0, 0.0, 0.0, 0.6, 0.0])
    plan, memory = planner.plan(x, 0.0, planner.initial_memory(0))
    assert memory.side.any()
    parent = MPPI(planner.dynamics, **vars(planner.parameters))
    again, _ = parent.plan(x, 0.0, parent.initial_memory(0))
    assert np.array_equal(plan.actions, again.actions)
    plan, memory = planner.plan(x, 0.05, memory)  # the side stays
    assert memory.side.any()


def test_a_step_that_learns_nothing_leaves_the_plan():
    planner = planner_of()
    memory = replace(planner.initial_memory(0), mean=np.full((15, 2), 0.3))
    planner.dynamics._terminal = lambda x: x[:, 0] * torch.nan
    plan, _ = planner.plan(START, 0.0, memory)
    assert np.allclose(plan.actions, 0.3) and plan.cost == np.inf


class NoLook(TorchDispatchMode):
    """Refuses every operation by which a host reads a value of a device."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function)
        kwargs = kwargs or {}
        looks = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "unique")
        assert not any(word in name for word in looks), name
        assert name.partition(".")[0] != "aten" or "_to_copy" not in name, name
        self.count += 1
        return function(*args, **kwargs)

    count = 0


@pytest.mark.parametrize("bound", ["delay", "budget"])
def test_what_its_step_does_not_know_is_left_to_the_loop(bound, monkeypatch):
    planner = planner_of(delay_ms=100.0 if bound == "delay" else 0.0)
    memory = planner.initial_memory(0)
    if bound == "budget":
        for tick in range(3):
            _, memory = planner.plan(START, 0.05 * tick, memory)
        planner.keep_within(1e-9)  # no step on all samples is that fast
    monkeypatch.setattr(planner.step, "run", None)
    plan, memory = planner.plan(START, 0.2, memory)
    assert np.isfinite(plan.actions).all()
    np.testing.assert_array_equal(memory.planned, plan.actions[len(plan.actions) - 15 :])


def test_nothing_inside_a_step_waits_for_the_device(monkeypatch):
    steps = [planner_of().step, planner_of(effective_samples=0.0).step]
    latent = TorchMPPI(TorchDynamics(TASK, Mlp(TASK)), samples=64, horizon=8, symmetry="none")

    def looked(*_, **__):
        raise AssertionError("a value was read")

    for step in (*steps, latent.step):
        step.operations()
        with monkeypatch.context() as patch:
            for name in ("item", "cpu", "numpy", "tolist", "__bool__", "__float__", "__int__"):
                patch.setattr(torch.Tensor, name, looked)
            with NoLook() as watch:
                step.operations()
        assert watch.count > 100
        with pytest.raises(AssertionError), NoLook():  # the watch sees what it is to see
            float(step.lowest)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
def test_a_step_is_one_graph_on_cuda():
    model = Mass()
    model.device = torch.device("cuda")
    on_cuda = TorchMPPI(TorchDynamics(TASK, model), samples=64, horizon=10)
    first, memory = on_cuda.plan(START, 0.0, on_cuda.initial_memory(0))
    again, _ = on_cuda.plan(START, 0.0, on_cuda.initial_memory(0))
    assert np.array_equal(first.actions, again.actions)
    other, _ = on_cuda.plan(START, 0.05, memory)
    assert not np.array_equal(first.actions, other.actions)
    eager = TorchMPPI(TorchDynamics(TASK, model), samples=64, horizon=10)
    eager.step._replay = eager.step.operations
    plain, _ = eager.plan(START, 0.0, eager.initial_memory(0))
    assert np.abs(plain.actions - first.actions).max() < 1e-9


def test_projection_on_tensors_is_the_limits_own():
    slices = {"a": slice(0, 2), "b": slice(2, 3), "c": slice(3, 5)}
    limits = Limits(
        {"a": Ball(0.7), "b": Interval(-0.2, 0.5), "c": Box((-1.0, 0.0), (0.5, 0.3))}, slices
    )
    u = np.random.default_rng(0).normal(0.0, 1.0, (50, 5))
    low, high = map(torch.as_tensor, limits.bound())
    found = projected(torch, limits, torch.as_tensor(u), low, high).numpy()
    assert np.abs(found - limits.project(u)).max() < 1e-14


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"noise_law": "sobol"}, "noise_law: sobol is not on tensors; leave it at white"),
        ({"weights": "tsallis"}, "weights: tsallis is not on tensors"),
        ({"best_fraction": 0.5}, "best_fraction: 0.5 is not on tensors"),
    ],
)
def test_what_is_not_on_tensors_is_refused(given, said):
    with pytest.raises(ValueError, match=said):
        planner_of(**given)


@pytest.mark.parametrize("name", ["point_mass", "reacher", "cart_pole", "drone"])
def test_a_task_s_kernels_run_on_tensors(name):
    task = load_task(name)
    exact, model = NumbaDynamics(task), build_dynamics(task, "torch", 1.0)
    rounding = 1e-12 if model.dtype == torch.float64 else 1e-4  # on a GPU it is float32
    rng, (low, high) = np.random.default_rng(2), task.limits.bound()
    actions = task.limits.project(rng.uniform(2 * low, 2 * high, (16, 40, len(low))))
    found = []
    for dynamics in (exact, model):
        costs, states = np.empty((1, 16)), np.empty((1, 16, 40, len(task.state_names)))
        dynamics.rollout(task.initial_state(np.random.default_rng(3)), actions, costs, states)
        found.append((costs, states))
    assert np.abs(found[1][0] / found[0][0] - 1.0).max() < rounding
    assert (
        np.abs(found[1][1] - found[0][1]).max() < 1e3 * rounding
    )  # angles that wrap, among others
    step = TorchMPPI(model, "none", samples=16, horizon=12).step
    with NoLook():
        step.operations()


def test_a_choice_of_two_numbers_keeps_all_their_digits():
    from covary.sim.torch_kernels import _translated

    x = [torch.tensor([-1.0, 2.0], dtype=torch.float64)]
    for kernel, wanted in ((sloped, [0.1, 0.2]), (early, [0.3, 4.7]), (either, [1.1, 2.2])):
        assert _translated(kernel, torch.float64)(x).tolist() == wanted
        assert [kernel([v]) for v in x[0].tolist()] == wanted


def sloped(x):
    return 0.1 if x[0] < 0.0 else 0.2


def early(x):
    if x[0] < 0.0 and not x[0] < -5.0:
        return 0.3
    more = 2.7
    more += x[0]
    return more


def either(x):
    if -1.0 <= x[0] < 0.0:
        a = 1.0
        a = 1.1 * a
    else:
        a = 2.0
        a = 1.1 * a
    return a


def test_kernels_that_hang_on_values_are_refused():
    with pytest.raises(ParameterError) as caught:
        build_dynamics(load_task("push"), "torch", 1.0)
    assert str(caught.value) == (
        "model: push: its kernels cannot run on tensors: "
        "they branch on numbers that differ from sample to sample; take model: numba"
    )


def test_a_launch_that_needs_them_says_so_in_a_line(tmp_path):
    done = covary_here(tmp_path, "check", "push", "model:=torch")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "they branch on numbers" in done.stderr and "take model: numba" in done.stderr


TENSOR_MODELS = """
from __future__ import annotations
import torch

def still(x: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    return x + 0.0 * u.sum()

class Net(torch.nn.Module):
    def __init__(self, task):
        super().__init__()
        self.one = torch.nn.Linear(1, 1)

    def next_state(self, x, u):
        return x
"""


def test_a_file_s_tensor_models_are_known_by_their_annotation(tmp_path, monkeypatch):
    (tmp_path / "tensor_models.py").write_text(TENSOR_MODELS)
    monkeypatch.syspath_prepend(str(tmp_path))
    still = build_dynamics(TASK, "tensor_models:still", 1.0)
    assert isinstance(still, TorchDynamics) and still.dtype == torch.float64
    net = build_dynamics(TASK, "tensor_models:Net", 1.0)
    assert isinstance(net, TorchDynamics) and net.dtype == torch.float32
    with pytest.raises(ParameterError, match="several are for model: numba"):
        from covary.sim.planner_plugin import ModelSpread

        build_dynamics(TASK, "tensor_models:still", 1.0, ModelSpread(2, 0.1, 0))
