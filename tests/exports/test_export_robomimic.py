"""`covary export --robomimic`: h5py on the layout that robomimic documents."""

import json

import h5py
import numpy as np
import pytest
from demonstrations import K, record
from typer.testing import CliRunner

from covary.commands.exports.robomimic import split
from covary.commands.main import build
from covary.sim.tasks.push import Push


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bags")
    known = [record(folder, k, ticks=20 + k, truth=True, hand=True) for k in range(3)]
    path = folder / "push.hdf5"
    words = ["export", str(folder), "--robomimic", str(path), "--ground-truth"]
    done = CliRunner().invoke(build("export"), words)
    assert done.exit_code == 0, done.output
    with h5py.File(path) as file:
        yield file, known


def test_the_layout(exported):
    file, known = exported
    data = file["data"]
    assert set(data) == {"demo_0", "demo_1", "demo_2"}
    assert data.attrs["total"] == sum(len(was.time) for was in known)
    arguments = json.loads(data.attrs["env_args"])
    assert set(arguments) == {"env_name", "env_type", "type", "env_kwargs"}
    assert arguments["type"] == arguments["env_type"] == 2 and arguments["env_kwargs"] == {}
    for name, demo in data.items():
        count = demo.attrs["num_samples"]
        assert count == len(known[int(name[-1])].time)
        assert demo.attrs["model_file"] == Push().model_text()
        assert {"obs", "next_obs", "actions", "rewards", "dones", "states"} <= set(demo)
        assert set(demo["obs"]) == set(demo["next_obs"])
        assert demo["actions"].shape == (count, 2)
        assert demo["rewards"].shape == demo["dones"].shape == (count,)
        assert {len(demo[group][key]) for group in ("obs", "next_obs") for key in demo["obs"]} == {
            count
        }
        assert demo["dones"][:].tolist() == [0] * (count - 1) + [1]
    masks = [set(name.decode() for name in file["mask"][mask]) for mask in ("train", "valid")]
    assert masks[0] | masks[1] == set(data) and not masks[0] & masks[1] and len(masks[1]) == 1


def test_the_environment_can_be_made(exported):
    import gymnasium

    name = json.loads(exported[0]["data"].attrs["env_args"])["env_name"]
    env = gymnasium.make(name)
    assert env.unwrapped.task.name == "push"
    env.close()


def test_every_number_and_pixel_is_the_bags(exported):
    file, known = exported
    for k, was in enumerate(known):
        demo = file[f"data/demo_{k}"]
        assert np.array_equal(demo["actions"], was.action)
        assert np.array_equal(demo["rewards"], was.reward)
        assert np.array_equal(demo["successes"], was.near)
        assert np.array_equal(demo["times"], was.time)
        assert np.array_equal(demo["states"], was.truth)
        assert np.array_equal(demo["obs/state"], was.state)
        assert np.array_equal(demo["next_obs/state"], np.vstack([was.state[1:], was.final]))
        assert np.array_equal(demo["obs/ground_truth"], was.truth)
        for key in ("top_image", "hand_image"):
            assert demo["obs"][key].dtype == np.uint8
            assert np.array_equal(demo["obs"][key], was.images)
            assert np.array_equal(demo["next_obs"][key][:-1], was.images[1:])
            assert np.array_equal(demo["next_obs"][key][-1], was.images[-1])
        depth = demo["obs/top_depth"][:]
        assert np.array_equal(depth.view(np.uint32), was.depth.view(np.uint32))
        assert np.array_equal(demo["obs/hand_pose"], was.hand)


def test_cameras_and_units_stand_beside(exported):
    facts = json.loads(exported[0]["data"].attrs["covary"])
    assert facts["cameras"]["top.rgb"]["intrinsics_px"] == K.tolist()
    assert facts["cameras"]["top.rgb"]["extrinsics"]["position_m"] == [0.1, 0.2, 1.3]
    assert facts["units"]["action"] == ["m/s", "m/s"] and facts["rows"] == 63


def test_one_of_ten_episodes_validates():
    demos = [f"demo_{k}" for k in range(100)]
    assert len(split(demos)["valid"]) == 10 and split(demos) == split(demos)
    assert split(["demo_0"]) == {"train": ["demo_0"], "valid": []}
    assert len(split(["demo_0", "demo_1"])["valid"]) == 1
