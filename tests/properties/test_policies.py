"""The law of policies, f(g x) = g f(x): before and after training, and in the ONNX file."""

import importlib
import inspect
import pkgutil

import made_policies
import numpy as np
import pytest

import covary.sim.tasks
from covary.control.equivariance import equivariance_error
from covary.control.policy_card import ImageInput
from covary.sim.load_task import load_task
from covary.sim.task import Task

HEADS = ("deterministic", "gaussian", "mixture", "flow")
GYM = ("FetchPickAndPlace-v4", "PointMaze_UMaze-v3", "Reacher-v5", "InvertedPendulum-v5")
TOLERANCE = 1e-5
TRAINED = {"flow": 1e-4}
"""After training, where rounding is carried through eight steps of a velocity that grew large."""
STEPS = 200


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    import torch

    torch.set_num_threads(1)


def found():
    """Names of all tasks of the tree."""
    names = []
    for module in pkgutil.iter_modules(covary.sim.tasks.__path__):
        loaded = importlib.import_module(f"covary.sim.tasks.{module.name}")
        classes = [c for _, c in inspect.getmembers(loaded, inspect.isclass)]
        if any(issubclass(c, Task) and c.__module__ == loaded.__name__ for c in classes):
            names.append(module.name)
    return names


TASKS = found()


def task_of(name):
    return load_task("covary.sim.gym.gym_task:GymTask", {"env_id": name}) if "-" in name else (
        load_task(name))  # fmt: skip


def network_of(task, pixels=0, **architecture):
    """An untrained network, states and images."""
    import torch

    from covary.control.policies.network import Architecture, PolicyNetwork

    torch.manual_seed(0)
    images = {name: ImageInput(f"/camera/{name}/image_raw", (1, pixels, pixels))
              for name in ("heightmap", "in_hand") if pixels}  # fmt: skip
    wanted = Architecture(**{"width": 32, "depth": 2, "chunk": 2} | architecture)
    network = PolicyNetwork(task, task.state_names, images, wanted)
    x = made_policies.states(task, 12)
    seen = {name: made_policies.heights(pixels, 12, seed) for seed, name in enumerate(images)}
    network.fit_normaliser(x, seen)
    return network, x, seen


def train(network, x, seen, steps=STEPS):
    """Fits a network to actions that know nothing of the symmetry; the losses."""
    import torch

    from covary.control.policies.network import Batch

    rng = np.random.default_rng(0)
    chunk, m = network.architecture.chunk, network.symmetry.width("action")
    action = torch.tensor(network.seen.reach * rng.uniform(-1, 1, (len(x), chunk, m))).float()
    mask = torch.ones(len(x), chunk)
    mask[0, 1:] = 0.0
    images = tuple(torch.tensor(seen[name]).float() for name in network.image_names)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    losses = []
    for _ in range(steps):
        draw = torch.tensor(network.draw(rng, len(x)))
        loss = network.loss(Batch(torch.tensor(x).float(), images, action, mask, draw))
        assert loss.shape == (len(x),)
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()
        losses.append(float(loss.detach().mean()))
    return losses


def through_the_file(network, x, seen, folder):
    """The error over the group of what onnxruntime makes of the exported network."""
    import onnxruntime

    from covary.control.policies.export import export_onnx

    export_onnx(network, folder / "policy.onnx", x, seen)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "policy.onnx"), options)

    def answer(state, images, noise):
        inputs = {"state": state, **images} | ({"noise": noise} if network.noise else {})
        return session.run(None, {k: v.astype(np.float32) for k, v in inputs.items()})[0]

    return equivariance_error(answer, network.symmetry, x, seen, network.noise, network.seen.reach)


@pytest.mark.parametrize(
    "name", [*TASKS, *(pytest.param(name, marks=pytest.mark.slow) for name in GYM)]
)
def test_features_move_with_the_state(name):
    """Features(g x) = rho(g) features(x), and a network without symmetry sees the same ones."""
    import torch

    from covary.sim.seen import seen
    from covary.sim.state_features import StateFeatures

    task = task_of(name)
    x, whole = made_policies.states(task, 12), seen(task, task.state_names)
    made = {}
    for subgroup in ("full", whole.symmetry.group.subgroup_names()[-1], "none"):
        symmetry = whole.restrict(subgroup)
        features = StateFeatures(whole, symmetry)
        features.fit(x)
        made[subgroup] = features(torch.tensor(x).float()).numpy()
        angles = torch.tensor(x).float()[:, features.directions]
        pairs = torch.stack([angles.cos(), angles.sin()], dim=-1)
        again = features.of_directions(torch.tensor(x).float(), pairs).numpy()
        assert np.abs(again - made[subgroup]).max() < TOLERANCE
        for g in symmetry.group.elements:
            moved = features(torch.tensor(symmetry.act(g, state=x)).float()).numpy()
            expected = features.representation.act(g, made[subgroup])
            assert np.abs(moved - expected).max() < TOLERANCE
        assert np.abs(made[subgroup]).max() < 10.0
    for values in made.values():  # in another order perhaps
        assert np.array_equal(np.sort(values, axis=1), np.sort(made["full"], axis=1))


GRID = [(task, head, pixels) for pixels in (0, 16) for head in HEADS for task in TASKS]
QUICK = {("push", "deterministic", 0), ("block_push", "gaussian", 0), ("reacher", "mixture", 0),
         ("two_block_sort", "flow", 0), ("block_pick", "deterministic", 16)}  # fmt: skip


@pytest.mark.parametrize(
    "name, head, pixels",
    [c if c in QUICK else pytest.param(*c, marks=pytest.mark.slow) for c in GRID],
)
def test_a_policy_is_equivariant_before_and_after_training(name, head, pixels, tmp_path):
    network, x, seen = network_of(task_of(name), pixels, head=head)
    assert network.equivariance_error(x, seen) < TOLERANCE
    losses = train(network, x, seen)
    assert np.mean(losses[-20:]) < np.mean(losses[:20])
    assert network.equivariance_error(x, seen) < TRAINED.get(head, TOLERANCE)
    assert through_the_file(network, x, seen, tmp_path) < TRAINED.get(head, TOLERANCE)
    assert set(network.drift().values()) == {0.0} and float(network.penalty().detach()) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("name", GYM)
@pytest.mark.parametrize("head", HEADS)
def test_so_is_one_for_an_environment(name, head, tmp_path):
    network, x, seen = network_of(task_of(name), head=head)
    assert network.equivariance_error(x) < TOLERANCE
    train(network, x, seen)
    assert network.equivariance_error(x) < TRAINED.get(head, TOLERANCE)
    assert through_the_file(network, x, seen, tmp_path) < TRAINED.get(head, TOLERANCE)


@pytest.mark.parametrize("head", HEADS)
def test_a_relaxed_policy_starts_exact_and_departs_where_the_data_ask(head):
    network, x, seen = network_of(load_task("push"), head=head, mode="relaxed")
    assert network.equivariance_error(x) < 1e-6 * 5
    assert max(network.drift().values()) < 1e-6 and float(network.penalty().detach()) < 1e-12
    train(network, x, seen, steps=40)
    assert max(network.drift().values()) > 1e-3 and float(network.penalty().detach()) > 1e-9


def test_the_measure_sees_a_policy_that_is_not():
    """A free network of the same width, also one without symmetry held to the task's group."""
    network, x, _ = network_of(load_task("push"), mode="free")
    assert network.equivariance_error(x) > 0.1
    network, x, _ = network_of(load_task("push"), symmetry="none")
    assert network.equivariance_error(x) == 0.0  # of its own group, which has one element
    assert network.equivariance_error(x, symmetry=network.seen.symmetry) > 0.1


def test_subgroups_and_images_say_which_group_a_network_has():
    task = load_task("block_pick")
    assert network_of(task)[0].symmetry.group.name == "D8"
    assert network_of(task, symmetry="C4")[0].symmetry.group.name == "C4"
    assert network_of(task, pixels=16)[0].symmetry.group.name == "D4"


def test_width_for_equal_parameters():
    from covary.control.policies.network import Architecture, PolicyNetwork, width_for

    task = load_task("push")
    counts = {}
    for mode, symmetry in (("exact", "full"), ("free", "none")):
        wanted = Architecture(mode=mode, symmetry=symmetry)
        width = width_for(20_000, task, task.state_names, {}, wanted)
        wanted = Architecture(mode=mode, symmetry=symmetry, width=width)
        counts[mode] = PolicyNetwork(task, task.state_names, {}, wanted).parameter_count
    assert all(abs(count / 20_000 - 1.0) < 0.06 for count in counts.values()), counts
