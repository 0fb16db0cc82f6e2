"""Training symmetric embeddings: losses, data, augmentation, metrics and the folder."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from covary.nodes.launching.launch_file import read_assignments  # noqa: E402
from covary.nodes.launching.yaml_loader import InputError  # noqa: E402
from covary.nodes.training.recipe import find_recipe, read_recipe  # noqa: E402
from covary.perception.encoders.encoder import Sizes  # noqa: E402
from covary.perception.encoders.feature_maps import FeatureMaps  # noqa: E402
from covary.perception.encoders.object_slots import ObjectSlots  # noqa: E402
from covary.perception.learning.losses import (  # noqa: E402
    contrastive_code,
    contrastive_each,
    contrastive_paper,
    contrastive_softmax,
)
from covary.perception.learning.world_frames import Moves, WorldFrames  # noqa: E402
from covary.perception.metrics.invariance import distance_error, open_loop  # noqa: E402
from covary.perception.metrics.pictures import visible  # noqa: E402
from covary.perception.metrics.ranks import hard_ranks, hits, ranks  # noqa: E402
from covary.perception.model_card import check_model_fits  # noqa: E402
from covary.perception.model_folder import load_model, write_model  # noqa: E402
from covary.sim.built_on import MismatchError  # noqa: E402
from covary.sim.load_task import load_task  # noqa: E402
from covary.sim.pixel_worlds.world import load_world  # noqa: E402
from covary.symmetry.group import group  # noqa: E402

SMALL = ("steps:=4", "batch:=8", "validate_every:=2", "episodes:=20", "length:=2", "width:=16")
JUDGED = ("evaluation:=20", "horizon:=3", "channels:=8")


def begun(tmp_path, *words, recipe="sen"):
    """A training of a few updates, not begun."""
    asked = [*SMALL, *JUDGED, f"out:={tmp_path / 'run'}", *words]
    found = read_recipe(find_recipe(recipe), read_assignments(asked))
    return found.kind.begin(found)


def done(training):
    for _ in training.moments():
        pass
    return training


def test_the_two_losses_differ_in_what_the_negative_is_held_from():
    z, predicted = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])
    negative = torch.tensor([[1.0, 0.0]])
    args = (z, predicted, predicted, negative, 1, 3.0)
    assert float(contrastive_code(*args)) == pytest.approx(3.0 - 2.0)  # H = 2 |x - y|^2
    assert float(contrastive_paper(*args)) == pytest.approx(3.0)  # the prediction is the negative


def test_a_hinge_for_each_slot_hears_of_one_that_tells_nothing_apart():
    z, apart = torch.zeros(1, 4), torch.tensor([[2.0, 0.0, 0.0, 0.0]])  # the second of two slots
    args = (z, z, z, apart, 2, 1.0)
    assert float(contrastive_code(*args)) == 0.0
    assert float(contrastive_each(*args)) == pytest.approx(0.5)


def test_each_slot_has_its_hinge_at_first_and_then_all_have_one(tmp_path):
    def objective(training):
        z, slots = torch.zeros(8, training.method.model.latent.width), 5
        apart = z.unflatten(1, (slots, -1)).clone()
        apart[:, 0, 0] = 2.0 + torch.arange(8)  # of all slots one alone tells anything apart
        z = apart.flatten(1)
        return float(training.method.objective(z, z, z, z, z, np.random.default_rng(1)))

    names = ("each_first", "each", "code")
    ours, each, code = (begun(tmp_path / name, f"loss:={name}") for name in names)
    assert objective(each) != objective(code)
    found = []
    for _ in ours.moments():
        found.append(ours.method.early)
        assert objective(ours) == objective(each if ours.method.early else code)
    assert found == [True, False, False, False]  # the second is followed by a look
    ours.method.early = True
    ours.method.validate()
    assert not ours.method.early


@pytest.mark.parametrize("pixels", ["learned", "moved"])
@pytest.mark.parametrize("mode", ["exact", "free"])
def test_centred_slots_vary_about_nothing_and_keep_their_law(pixels, mode):
    torch.manual_seed(0)
    quarter = group("C4")
    sizes = Sizes(8, 16, mode, pixels=pixels)
    encoder = ObjectSlots(quarter, (3, 20, 20), 3, 2, ((2, 2, 0), (1, 1, 0)), sizes, centred=True)
    frames = torch.randint(0, 256, (64, 3, 20, 20), dtype=torch.uint8)
    with torch.no_grad():
        for _ in range(200):
            z = encoder(frames)
        usual = z.view(-1, 2, 4).mean(0)
        assert (usual if mode == "free" else usual.mean(-1)).abs().max() < 1e-5
        encoder.eval()
        y = encoder.embed(frames)
        assert (encoder(frames) - z).abs().max() < 1e-3  # batch norms' variances, by n and n - 1
        assert y.mean((0, 2, 3)).abs().max() < 1e-5
        for g in quarter.elements:
            if mode == "exact":
                moved = encoder.encode_embedding(encoder.move(g, y))
                assert (moved - encoder.latent.act(g, encoder(frames))).abs().max() < 1e-5
            if pixels == "moved":
                seen = encoder.embed(encoder.move(g, frames.float()))
                assert (seen - encoder.move(g, y)).abs().max() < 1e-5


def test_softmax_asks_which_of_the_batch_follows():
    after = torch.tensor([[0.0], [1.0]])
    right = contrastive_softmax(after, after, after, after, 1, 1.0)
    assert float(right) == pytest.approx(math.log(1.0 + math.exp(-2.0)))
    swapped = contrastive_softmax(after, after.flip(0), after, after, 1, 1.0)
    assert float(swapped) == pytest.approx(2.0 + math.log(1.0 + math.exp(-2.0)))


def test_a_stretch_is_encoded_as_its_transitions_are(tmp_path):
    method = begun(tmp_path, "stretch:=2", "loss:=softmax").method
    method.model.eval()
    batch, rng = method.training.rows(np.arange(8)), np.random.default_rng(0)
    before, actions, after = map(torch.from_numpy, batch)
    predicted = method.model.next_latent(method.model.encode(before), actions)
    following = method.model.encode(after)
    loss = contrastive_softmax(predicted, predicted, following, following, 5, 1.0)
    assert float(method._loss(batch, rng).detach()) == pytest.approx(float(loss.detach()), rel=1e-5)


def test_of_an_earlier_look_it_sees_how_it_differs():
    world = load_world("reacher_pixels")
    maps = FeatureMaps(world.group, world.frame_shape, 3, ((1, 1, 0),), looks=world.looks)
    plain = FeatureMaps(world.group, world.frame_shape, 3, ((1, 1, 0),))
    plain.load_state_dict(maps.state_dict())
    frames = torch.from_numpy(world.frames(world.initial(np.random.default_rng(0), 2))).float()
    asked = torch.cat([5.0 * (frames[:, :3] - frames[:, 3:]), frames[:, 3:]], dim=1)
    assert torch.allclose(maps(frames), plain(asked), atol=1e-4)


def test_ranks_by_hand():
    true = torch.tensor([[0.0], [1.0], [3.0]])
    found = ranks(torch.tensor([[0.1], [0.4], [1.9]]), true)
    assert found.tolist() == [1.0, 2.0, 2.0]  # 0 is nearer to 0.4 than 1 is, 1 to 1.9 than 3
    told = hits(found, (1, 2))
    assert told["hits_at_1"] == pytest.approx(100 / 3) and told["hits_at_2"] == 100
    assert told["mrr"] == pytest.approx(100 * (1 + 0.5 + 0.5) / 3)
    assert ranks(torch.zeros(4, 2), torch.zeros(4, 2)).tolist() == [2.5] * 4  # tells nothing apart


def test_hard_ranks_leave_out_what_is_no_negative():
    near = torch.tensor([[[1.0], [math.nan]], [[0.0], [5.0]]])
    found = hard_ranks(torch.tensor([[0.0], [0.0]]), torch.tensor([[0.5], [0.5]]), near)
    assert found.tolist() == [1.0, 2.0]


def test_distances_that_a_move_leaves_alike_are_no_error():
    z = torch.randn(10, 2)
    turned = z @ torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    assert distance_error(z, [turned, z + 3.0]) < 1e-6
    assert distance_error(z, [2.0 * z]) > 0.1
    assert open_loop(z[:, None], z[:, None]) == [0.0]


def test_augmented_transitions_are_transitions_of_the_world():
    world = load_world("shapes")
    data = WorldFrames(world, np.random.default_rng(0), 6, 1, ("up",))
    before, actions, after = data.rows(np.arange(6))
    moved = Moves(world).draw(np.random.default_rng(1), before, actions, after)
    states = data.made.states
    for row in range(6):
        found = [
            g
            for g in world.group.elements
            if (world.frames(world.act(g, states[row, :1]))[0] == moved[0][row]).all()
            and (world.act_action(g, actions[row]) == moved[1][row]).all()
            and (world.frames(world.act(g, states[row, 1:]))[0] == moved[2][row]).all()
        ]
        assert found
    alike = Moves(world).draw(np.random.default_rng(1), before, actions, after, stretch=6)[0]
    assert any(
        np.array_equal(alike, world.frames(world.act(g, states[:, 0])))
        for g in world.group.elements
    )


def test_a_training_that_stops_goes_on_to_the_same_weights(tmp_path):
    whole = done(begun(tmp_path / "a"))
    moments = begun(tmp_path / "b").moments()
    for _ in range(2):  # it is killed after a checkpoint
        next(moments)
    again = done(begun(tmp_path / "b"))
    assert again.resumed == 2
    for name, w in whole.method.model.state_dict().items():
        assert torch.equal(w, again.method.model.state_dict()[name])


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ("sen", ()),
        ("sen", ("centred:=true", "loss:=each_first")),
        pytest.param(
            *("sen", ("world:=blocks", "actions:=[]", "mode:=relaxed", "relaxation_penalty:=0.1")),
            marks=pytest.mark.slow,
        ),
        ("sen", ("world:=rotating_object", "actions:=[large]", "loss:=paper")),
        ("sen", ("world:=reacher_pixels", "actions:=[]", "pixels:=moved", "symmetry:=C4")),
        ("world_model", ("world:=shapes",)),
    ],
)
def test_a_folder_holds_the_model_and_what_it_is_worth(tmp_path, recipe, words):
    training = done(begun(tmp_path, *words, recipe=recipe))
    card = write_model(training)
    assert card.equivariance["after"] < 1e-5 or card.mode != "exact"
    assert 0 <= card.metrics["step_1_hits_at_10"] <= 100
    assert {"hard_hits_at_1", "distance_error", "open_loop_3"} <= set(card.metrics)
    model = load_model(training.folder)
    world = training.method.world
    frames = torch.from_numpy(world.frames(world.initial(np.random.default_rng(0), 2)))
    with torch.no_grad():
        assert torch.equal(model.encode(frames), training.method.model.encode(frames))
    with pytest.raises(MismatchError, match="knows no task's state"):
        check_model_fits(card, load_task("point_mass"))
    pytest.importorskip("PIL")
    assert training.method.pictures(training)[0].read_bytes().startswith(b"\x89PNG")


def test_a_frame_of_one_channel_is_seen_as_grey():
    world = load_world("push_pixels")
    (frame,) = world.frames(world.initial(np.random.default_rng(0), 1))
    seen = visible(frame)
    assert seen.shape == (64, 64, 3) and np.array_equal(seen[..., 1], frame[0])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("world:=blocks", "actions:=[]", "augment:=true"), "is not known; pixels:=moved"),
        (("actions:=[upp]",), "did you mean up"),
        (("world:=shape",), "shapes"),
        (("symmetry:=C3",), "C3"),
        (("warm_up:=2",), "warm_up"),
        (("centred:=true", "world:=rotating_object", "actions:=[large]"), "several objects"),
        (("centred:=true", "task:=push"), "latents of a task have none"),
        (("fields:=1000000",), "must be at most 8192"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, words, said):
    with pytest.raises((InputError, ValueError)) as error:
        begun(tmp_path, *words)
    assert said in str(error.value) and "\n" not in str(error.value)
