"""Trainings and plans on a GPU: they end as on a CPU, and graphs answer as operations do."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from made_models import train  # noqa: E402

from covary.perception.image_estimator import ImageEstimator  # noqa: E402
from covary.perception.world_models.graphed_plan import GraphedPlan  # noqa: E402
from covary.perception.world_models.latent_planner import LatentPlanner, Sampling  # noqa: E402
from covary.perception.world_models.tdmpc import TDMPCModel  # noqa: E402
from covary.planners.torch_mppi import TorchMPPI  # noqa: E402
from covary.sim.load_task import load_task  # noqa: E402
from covary.sim.torch_dynamics import TorchDynamics  # noqa: E402

on_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
DEVICES = ["cpu", pytest.param("cuda", marks=on_cuda)]
FEW = Sampling(samples=64, horizon=3, iterations=2, elites=8, policy_samples=9)


def planner(device, symmetry="D4", mode="exact"):
    """TD-MPC's, over networks whose reward and values are not zero."""
    torch.manual_seed(0)
    sizes = {"latent": 8, "width": 16, "encoder_width": 16}
    model = TDMPCModel(load_task("point_mass"), symmetry, mode, **sizes)
    with torch.no_grad():
        for w in model.parameters():
            if not w.any():
                w.normal_(std=0.1)
    model = model.to(device)
    return LatentPlanner(model.exported(), FEW, model.symmetry), model.symmetry


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("explore", [False, True])
def test_a_graphed_plan_moves_with_the_state_and_draws_anew(device, explore):
    made, symmetry = planner(device)
    x = load_task("point_mass").initial_state(np.random.default_rng(0))
    plans = []
    for g in range(symmetry.group.order):
        graphed = GraphedPlan(made, 1, 0.05, explore)
        graphed.act(torch.zeros(1, len(x)))
        graphed.rest()
        torch.manual_seed(3)
        moved = torch.tensor(symmetry.act(g, state=x), dtype=torch.float32)[None]
        first = graphed.act(moved)[0].cpu().clone().numpy()
        plans.append((first, graphed.mean[0].cpu().numpy().copy()))
    first, mean = plans[0]
    for g, (action, plan) in enumerate(plans):
        if not explore:  # an elite drawn at random, and noise on it, do not move
            np.testing.assert_allclose(action, symmetry.act(g, action=first), atol=2e-5)
        np.testing.assert_allclose(plan, symmetry.act(g, action=mean), atol=2e-5)
    again = graphed.act(moved)[0].cpu().numpy()
    assert not np.allclose(again, action)


def test_a_plan_without_a_graph_is_the_planners():
    made, _ = planner("cpu")
    x = torch.randn(2, 6)[:, : len(load_task("point_mass").state_names)]
    graphed = GraphedPlan(made, 2)
    torch.manual_seed(1)
    action = graphed.act(x)
    torch.manual_seed(1)
    with torch.no_grad():
        wanted, mean = made.plan(made.model.encode(x), made.rest(2))
    torch.testing.assert_close(action, wanted)
    torch.testing.assert_close(graphed.mean, mean)


@on_cuda
def test_a_planner_of_the_family_is_one_graph_in_a_latent():
    made, _ = planner("cuda")
    task = load_task("point_mass")
    x, rng = task.initial_state(np.random.default_rng(0)), np.random.default_rng(1)
    actions, costs = task.limits.project(rng.normal(size=(32, 5, 2))), {}
    for device in ("cuda", "cpu"):
        dynamics = TorchDynamics(task, made.model.to(device))
        costs[device] = np.empty((1, 32))
        dynamics.rollout(x, actions, costs[device])
        if device == "cuda":
            mppi = TorchMPPI(dynamics, "none", samples=64, horizon=5, knots=5)
            plans = [mppi.plan(x, 0.0, mppi.initial_memory(0))[0].actions for _ in range(2)]
            np.testing.assert_array_equal(*plans)
            assert np.isfinite(plans[0]).all() and np.abs(plans[0]).max() > 0
    np.testing.assert_allclose(costs["cuda"], costs["cpu"], rtol=1e-4)


@on_cuda
@pytest.mark.parametrize(
    "recipe, words",
    [
        ("sen", ("episodes:=64", "length:=2", "evaluation:=40", "horizon:=2", "width:=32")),
        ("sen", ("mode:=relaxed", "episodes:=64", "length:=2", "evaluation:=40", "horizon:=2")),
        ("sen", ("world:=rotating_object", "actions:=[large]", "judged_on:=[large]", "episodes:=64",
                 "length:=1", "evaluation:=40", "horizon:=1", "warm_up:=0")),
        ("world_model", ("episodes:=64", "length:=2", "evaluation:=40", "horizon:=2")),
        ("state_model", ("task:=reacher", "interaction:=300", "width:=32")),
        ("state_encoder", ("task:=reacher", "interaction:=150", "images:=40", "pixels:=16",
                           "width:=32", "image_maps:=8")),
        ("tdmpc", ("task:=point_mass", "symmetry:=D4", "width:=16", "encoder_width:=16",
                   "latent:=8", "stretch:=2", "episode:=6", "first_episodes:=2",
                   "validation_episodes:=2",
                   "sampling:={samples: 16, horizon: 2, iterations: 1, elites: 4}")),
    ],
)  # fmt: skip
def test_a_training_on_a_gpu_ends_with_a_whole_folder(tmp_path, recipe, words):
    out = tmp_path / "m"
    more = ("device:=cuda", "steps:=4", "validate_every:=2", "batch:=16", f"out:={out}")
    code, said = train(recipe, *words, *more)
    assert code == 0, said
    assert (out / "model.yaml").is_file() and (out / "summary.json").is_file()
    if recipe != "state_encoder":
        return
    image = np.random.default_rng(0).random((16, 16)).astype(np.float32)
    found = [
        ImageEstimator(out, load_task("reacher"), device).estimate(image)
        for device in ("cpu", "cuda")
    ]
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
