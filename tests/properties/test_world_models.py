"""The law of latents: moved observations and actions give moved predictions, trained or not."""

import copy
import importlib
import inspect
import pkgutil
from pathlib import Path

import numpy as np
import pytest
from walking import found

torch = pytest.importorskip("torch", exc_type=ImportError)

import covary.perception.encoders  # noqa: E402
import covary.perception.learning  # noqa: E402
import covary.perception.world_models  # noqa: E402
import covary.sim.tasks  # noqa: E402
from covary.perception.encoders.encoder import Encoder, Sizes  # noqa: E402
from covary.perception.encoders.object_slots import ObjectSlots  # noqa: E402
from covary.perception.encoders.rotation_encoder import RotationEncoder  # noqa: E402
from covary.perception.encoders.state_fields import StateFields  # noqa: E402
from covary.perception.encoders.steerable_encoder import SteerableEncoder  # noqa: E402
from covary.perception.encoders.symmetric_embedding import SymmetricEmbedding  # noqa: E402
from covary.perception.encoders.told_state import ToldState, told_by_images  # noqa: E402
from covary.perception.latent import Latent  # noqa: E402
from covary.perception.learning.on_task import on_task  # noqa: E402
from covary.perception.learning.sen import SEN  # noqa: E402
from covary.perception.learning.task_world import TaskWorld  # noqa: E402
from covary.perception.world_models.correction import Correction  # noqa: E402
from covary.perception.world_models.graph_transition import GraphTransition  # noqa: E402
from covary.perception.world_models.rotation_transition import RotationTransition  # noqa: E402
from covary.perception.world_models.task_latent import Sight  # noqa: E402
from covary.perception.world_models.told_features import ToldFeatures  # noqa: E402
from covary.perception.world_models.transition import LatentTransition, Transition  # noqa: E402
from covary.sim.load_task import load_task  # noqa: E402
from covary.sim.seen import seen  # noqa: E402
from covary.sim.task import Task  # noqa: E402
from covary.symmetry.group import group  # noqa: E402
from covary.symmetry.layers.linear import Linear  # noqa: E402
from covary.symmetry.layers.representation import planar, regular, signs  # noqa: E402
from covary.symmetry.pixels import PixelError  # noqa: E402

STEPS, BATCH, HORIZON = 30, 8, 3
SMALL = Sizes(8, 48, "exact")
IMAGE = (3, 24, 24)
STAGES = ((4, 2, 1), (4, 2, 1))
PLANAR = [pytest.param("C4"), pytest.param("D4", marks=pytest.mark.slow)]
WIDER = [pytest.param("O"), pytest.param("I", marks=pytest.mark.slow)]


def classes(package, kind):
    """The classes of a kind that can be made, wherever in a package they stand."""
    found = set()
    for module in pkgutil.iter_modules(package.__path__):
        loaded = importlib.import_module(f"{package.__name__}.{module.name}")
        for _, cls in inspect.getmembers(loaded, inspect.isclass):
            if cls.__module__ == loaded.__name__ and issubclass(cls, kind):
                found |= set() if inspect.isabstract(cls) else {cls}
    return found


def state_fields(g):
    """Of a task whose group has g in it."""
    task = load_task("reacher")
    whole = seen(task, task.state_names)
    return StateFields(whole, whole.restrict(g.name), 2, SMALL)


ENCODERS = {
    ObjectSlots: (PLANAR, lambda g: ObjectSlots(g, IMAGE, 3, 2, STAGES, SMALL)),
    SymmetricEmbedding: (PLANAR, lambda g: SymmetricEmbedding(g, IMAGE, 2, STAGES, 4, SMALL)),
    RotationEncoder: (WIDER, lambda g: RotationEncoder(g, IMAGE, STAGES, 8, SMALL)),
    SteerableEncoder: (PLANAR, lambda g: SteerableEncoder(g, IMAGE, 2, SMALL)),
    StateFields: (PLANAR, state_fields),
}
TRANSITIONS = {
    Transition: (
        [*PLANAR, *WIDER],
        lambda g: Transition(
            Latent(regular(g, 2)), planar(g) + signs(g) if g.planar else regular(g), 48
        ),
    ),
    GraphTransition: (
        PLANAR,
        lambda g: GraphTransition(Latent(regular(g, 2), 3), regular(g), 48),
    ),
    RotationTransition: (
        WIDER,
        lambda g: RotationTransition(RotationEncoder(g, IMAGE, STAGES, 8, SMALL).latent),
    ),
}


def cases(table):
    """Every class with every group of its."""
    return [
        pytest.param(cls, *p.values, id=f"{cls.__name__}-{p.values[0]}", marks=p.marks)
        for cls, (groups, _) in table.items()
        for p in groups
    ]


def test_every_class_is_held_to_its_law():
    assert classes(covary.perception.encoders, Encoder) == set(ENCODERS)
    assert classes(covary.perception.world_models, LatentTransition) == set(TRANSITIONS)


def trained(network, made):
    """Some steps of gradient descent on a target that no group goes with."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    if not parameters:
        return
    optimizer = torch.optim.Adam(parameters, 3e-3)
    target = None
    for _ in range(STEPS):
        out = made()
        if target is None:
            target = torch.randn_like(out)
        optimizer.zero_grad()
        (out - target).square().mean().backward()
        optimizer.step()


def check(found, wanted):
    size = max(float(found.detach().abs().max()), float(wanted.detach().abs().max()), 1e-6)
    assert float((found - wanted).detach().abs().max()) <= 1e-5 * size


@pytest.mark.parametrize(("cls", "name"), cases(ENCODERS))
def test_declared_embeddings_give_moved_latents(cls, name):
    torch.manual_seed(0)
    g_ = group(name)
    encoder = ENCODERS[cls][1](g_)
    if cls is StateFields:
        task, rng = load_task("reacher"), np.random.default_rng(0)
        x = torch.tensor(np.stack([task.initial_state(rng) for _ in range(BATCH)])).float()
    else:
        x = torch.randint(0, 256, (BATCH, *IMAGE), dtype=torch.uint8)
    for moment in ("before", "after"):
        with torch.no_grad():
            y = encoder.embed(x)
            z = encoder.encode_embedding(y)
            assert z.shape == (BATCH, encoder.latent.width)
            for g in g_.elements:
                check(encoder.encode_embedding(encoder.move(g, y)), encoder.latent.act(g, z))
        if moment == "before":
            trained(encoder, lambda: encoder(x))


@pytest.mark.parametrize(("cls", "name"), cases(TRANSITIONS))
def test_rollouts_go_with_the_group(cls, name):
    torch.manual_seed(0)
    g_ = group(name)
    model = TRANSITIONS[cls][1](g_)
    z = torch.randn(BATCH, model.latent.width)
    actions = torch.randn(BATCH, HORIZON, model.action.width)
    if cls is RotationTransition:
        actions = 0.5 * actions
    for moment in ("before", "after"):
        with torch.no_grad():
            found = model.rollout(z, actions)
            assert found.shape == (BATCH, HORIZON, model.latent.width)
            for g in g_.elements:
                other = model.rollout(model.latent.act(g, z), model.action.act(g, actions))
                check(model.latent.act(g, found), other)
        if moment == "before":
            trained(model, lambda: model.rollout(z, actions))


TASKS = found(covary.sim.tasks, Task)
METHODS = sorted(classes(covary.perception.learning, SEN), key=lambda cls: cls.__name__)


@pytest.mark.parametrize("name", ["reacher", pytest.param("push", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", METHODS)
def test_models_of_a_task_keep_its_law_in_latents(kind, name):
    torch.manual_seed(0)
    task = load_task(name)
    words = {"method": "m", "out": Path(), "task": name, "width": 16, "channels": 8, "fields": 2}
    p = kind.Parameters(**words, interaction=9, frames=2 if name == "reacher" else 1)
    world = TaskWorld(task, (1, 16, 16), Sight(p.frames))
    model = on_task(kind).network_of(world, p)
    frames = torch.randint(0, 256, (BATCH, *world.frame_shape), dtype=torch.uint8)
    actions, head = torch.randn(BATCH, HORIZON, model.action.width), model.head
    places = [task.state_names.index(name) for name in head.names]
    model.fit(1.0, frames.numpy(), world.initial(np.random.default_rng(0), BATCH)[:, places])
    correct = Correction(0.3, Linear(model.latent.whole, model.latent.whole, bias=False))
    for moment in ("before", "after"):
        with torch.no_grad():
            z = model.encode(frames)
            found = model.rollout(z, actions)
            # By chance a head tells next to nothing of large latents: in float32 rounding shows.
            exact = copy.deepcopy(model).double()
            told = exact.head.network(z.double())
            for g in world.group.elements:
                moved = model.latent.act(g, z)
                check(model.encode(model.encoder.move(g, frames)), moved)
                other = model.rollout(moved, model.act_action(g, actions))
                check(model.latent.act(g, found), other)
                told_of_moved = exact.head.network(exact.latent.act(g, z.double()))
                check(told_of_moved, exact.head.latent.act(g, told))
                corrected = correct(found[:, 0], z)
                check(correct(other[:, 0], moved), model.latent.act(g, corrected))
        if moment == "before":
            trained(model, lambda: head.network(model.rollout(model.encode(frames), actions)))


@pytest.mark.parametrize("cls", TASKS)
@pytest.mark.parametrize("frames", [1, 2])
def test_features_go_with_what_is_told(cls, frames):
    torch.manual_seed(0)
    task = cls()
    places = told_by_images(task, frames)
    try:
        told = ToldState(task, places)
    except PixelError:
        pytest.skip("no element permutes pixels")
    rng = np.random.default_rng(0)
    states = np.stack([task.initial_state(rng) for _ in range(50)])[:, places]
    features = ToldFeatures(told)
    told.fit_states(states)
    features.fit(states)
    y = torch.randn(BATCH, told.latent.width)
    y[0, len(told.linear) :] = 0.0  # of some directions nothing is said
    found = heard(told, features, y)
    assert found.shape == (BATCH, features.representation.width)
    for g in told.symmetry.group.elements:
        moved = heard(told, features, told.latent.act(g, y))
        check(moved, features.representation.act(g, found))


def heard(told, features, y):
    return features(told.in_units(y), y[:, len(told.linear) :])


def test_slots_change_places():
    torch.manual_seed(0)
    g_ = group("C4")
    model = TRANSITIONS[GraphTransition][1](g_)
    z, actions = torch.randn(BATCH, model.latent.width), torch.randn(BATCH, HORIZON, 12)
    order = [2, 0, 1]
    of_actions = Latent(regular(g_), 3)
    trained(model, lambda: model.rollout(z, actions))
    with torch.no_grad():
        for g in g_.elements:
            found = model.latent.act(g, model.rollout(z, actions), order)
            moved = of_actions.act(g, actions, order)
            check(found, model.rollout(model.latent.act(g, z, order), moved))


def test_slots_follow_their_maps():
    torch.manual_seed(0)
    encoder = ENCODERS[ObjectSlots][1](group("C4"))
    y = torch.rand(BATCH, 3, encoder.maps.side, encoder.maps.side)
    with torch.no_grad():
        found = encoder.latent.act(0, encoder.encode_embedding(y), [1, 2, 0])
        check(encoder.encode_embedding(y[:, [2, 0, 1]]), found)


def test_all_rotations_act_on_a_rotation():
    torch.manual_seed(0)
    encoder = ENCODERS[RotationEncoder][1](group("O"))
    model = RotationTransition(encoder.latent)
    turn, z = torch.linalg.qr(torch.randn(3, 3))[0], encoder(torch.rand(BATCH, *IMAGE) * 255)
    turn = turn * torch.linalg.det(turn)  # of determinant one
    a = torch.linalg.qr(torch.randn(BATCH, 3, 3))[0]
    moved = (z.unflatten(-1, (3, 3)) @ turn.T).flatten(-2)
    conjugated = (turn @ a @ turn.T).flatten(-2)
    found = model.next_latent(z, a.flatten(-2)).unflatten(-1, (3, 3)) @ turn.T
    check(model.next_latent(moved, conjugated), found.flatten(-2))
