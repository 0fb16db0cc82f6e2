"""Laws of TD-MPC's networks: what a moved latent becomes, is done in it, and is worth."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from covary.nodes.training.recipe import Recipe  # noqa: E402
from covary.perception.learning.tdmpc import TDMPC  # noqa: E402
from covary.perception.world_models.latent_encoders import ImageAndStateEncoder  # noqa: E402
from covary.perception.world_models.latent_law import latent_error  # noqa: E402
from covary.perception.world_models.latent_planner import Sampling  # noqa: E402
from covary.perception.world_models.tdmpc import TDMPCModel  # noqa: E402
from covary.sim.load_task import load_task  # noqa: E402
from covary.sim.seen import seen  # noqa: E402
from covary.sim.state_features import StateFeatures  # noqa: E402
from covary.symmetry.layers.image_encoder import ImageEncoder  # noqa: E402
from covary.symmetry.pixels import moved_image  # noqa: E402

TASKS = [
    ("point_mass", {}, "full"),
    ("point_mass", {}, "C4"),
    ("reacher", {}, "full"),
    ("push", {}, "D4"),
    ("block_push", {}, "full"),
    ("point_masses", {"balls": 2}, "O"),
    pytest.param("point_masses", {"balls": 1, "group": "I"}, "full", marks=pytest.mark.slow),
]


def shaken(model):
    """The model as training would leave it: no parameter zero, statistics of its own."""
    with torch.no_grad():
        for w in model.parameters():
            w.add_(0.1 * torch.randn_like(w))
    return model


@pytest.mark.parametrize("name, options, symmetry", TASKS)
def test_rollouts_policy_reward_and_values_go_with_the_group(name, options, symmetry):
    task = load_task(name, options)
    torch.manual_seed(0)
    order = task.symmetry.restrict(symmetry).group.order
    model = TDMPCModel(task, symmetry, latent=8, width=max(16, order // 4), encoder_width=16)
    rng = np.random.default_rng(0)
    model.encoder.features.fit(np.stack([task.initial_state(rng) for _ in range(20)]))
    assert latent_error(model, task, 4) < 1e-5
    assert latent_error(shaken(model), task, 4) < 1e-5


def test_a_moved_image_beside_a_moved_goal_gives_the_moved_plan():
    task = load_task("point_mass")
    group = task.symmetry.restrict("D4").group
    torch.manual_seed(0)
    goal = seen(task, ["goal_x", "goal_y"])
    features = StateFeatures(goal, goal.restrict("D4"))
    images = ImageEncoder(group, 1, 32, 16, maps=8)
    encoder = ImageAndStateEncoder(images, features, 2, 3)
    model = shaken(TDMPCModel(task, "D4", width=16, encoder=encoder))
    image, at = (
        np.random.default_rng(0).random((3, 1, 32, 32)),
        np.random.default_rng(1).random((3, 2)),
    )
    u = torch.randn(3, 2, 2)

    def answers(image, at, u):
        observed = torch.tensor(image.copy()).float(), torch.tensor(at).float()
        with torch.no_grad():
            z = model.encode(observed)
            return z, model.rollout(z, u), model.policy(z), model.terminal_cost(z)

    here = answers(image, at, u)
    for g in group.elements:
        moved = np.stack([moved_image(group, g, one[0])[None] for one in image])
        there = answers(moved, goal.restrict("D4").act(g, state=at), model.action.act(g, u))
        wanted = [model.latent.act(g, here[0]), model.latent.act(g, here[1])]
        wanted += [model.action.act(g, here[2]), here[3]]
        for a, b in zip(there, wanted, strict=True):
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_relaxed_networks_begin_exact_and_free_ones_do_not():
    task = load_task("reacher")

    def made(mode):
        return TDMPCModel(task, "D4", mode, latent=8, width=16, encoder_width=16)

    assert latent_error(made("relaxed"), task, 4) < 1e-5
    assert latent_error(shaken(made("relaxed")), task, 4) > 1e-3
    assert latent_error(made("free"), task, 4) > 1e-3


@pytest.mark.parametrize("name, options, symmetry", [
    ("point_mass", {}, "full"), ("point_masses", {"balls": 1}, "O"),
])  # fmt: skip
def test_the_law_holds_after_training(tmp_path, name, options, symmetry):
    sizes = {"width": 16, "encoder_width": 16, "latent": 8, "batch": 16, "episode": 8, "stretch": 2}
    sampling = Sampling(samples=48, horizon=2, iterations=1, elites=8, policy_samples=1)
    parameters = TDMPC.Parameters(
        **{"method": "tdmpc", "out": tmp_path, "task": name, "task_options": options},
        **{"symmetry": symmetry, "steps": 3, "first_episodes": 2, "validation_episodes": 1},
        **{"sampling": sampling, "learning_rate": 1e-2, **sizes},
    )
    training = TDMPC.begin(Recipe("tdmpc.yaml", TDMPC, parameters))
    before = [w.detach().clone() for w in training.method.model.parameters()]
    assert latent_error(training.method.model, load_task(name, options)) < 1e-5
    for _ in training.moments():
        pass
    after = [w.detach() for w in training.method.model.parameters()]
    assert max(float((a - b).abs().max()) for a, b in zip(after, before, strict=True)) > 0.01
    assert training.method.equivariance_error() < 1e-5
