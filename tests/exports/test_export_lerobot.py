"""`covary export --lerobot`: the layout, and every number and pixel of the bags in it."""

import json

import numpy as np
import pytest
from demonstrations import BITS, HEIGHT, WIDTH, K, number_in, psnr, record
from lerobot_layout import check, folder_size, frame_at
from typer.testing import CliRunner

from covary.commands.exports import lerobot, lerobot_video
from covary.commands.main import build
from covary.nodes.plugin import PluginError
from covary.sim.load_task import load_task
from covary.sim.tasks.push import Push

TOP, DEPTH, HAND = "observation.images.top", "observation.depth.top", "observation.images.hand"


def export(*words):
    return CliRunner().invoke(build("export"), ["export", *map(str, words)])


@pytest.fixture(scope="module")
def bags(tmp_path_factory):
    """Three episodes of different lengths, with a still and a moving camera."""
    folder = tmp_path_factory.mktemp("bags")
    options = {"truth": True, "hand": True}
    known = [record(folder, k, ticks=ticks, **options) for k, ticks in enumerate((40, 2, 33))]
    return folder, known


@pytest.fixture(scope="module", params=["video", "images"])
def exported(request, bags, tmp_path_factory):
    """The dataset in both ways, as the layout reads it."""
    root = tmp_path_factory.mktemp("lerobot") / "push"
    words = ["--images"] if request.param == "images" else []
    done = export(bags[0], "--lerobot", root, "--ground-truth", *words)
    assert done.exit_code == 0, done.output
    return request.param, root, check(root), bags[1]


def test_every_number_is_the_bags_to_float32(exported):
    _, _, read, known = exported
    assert len(read.episodes) == len(known) == 3
    for episode, was in zip(read.episodes, known, strict=True):
        for name, values in (("observation.state", was.state), ("action", was.action),
                             ("observation.environment_state", was.truth),
                             ("next.reward", was.reward), ("next.success", was.near),
                             ("observation.camera_pose.hand", was.hand)):  # fmt: skip
            assert np.array_equal(episode[name], values.astype(episode[name].dtype)), name
        assert episode["next.done"].tolist() == [False] * (len(was.time) - 1) + [True]
        apart = episode["timestamp"] - (was.time - was.time[0]).astype(np.float32)
        assert np.abs(apart).max() <= np.spacing(np.float32(was.time[-1] - was.time[0]))
    starts = [fact["covary/start_time"] for fact in read.facts]
    assert starts == [was.time[0] for was in known]


def test_depth_is_bit_equal_and_no_video(exported):
    _, root, read, known = exported
    assert read.info["features"][DEPTH]["dtype"] == "image"
    assert read.info["features"][DEPTH]["info"] == {"is_depth_map": True, "depth_unit": "m"}
    for episode, was in zip(read.episodes, known, strict=True):
        assert episode[DEPTH].dtype == np.float32
        assert np.array_equal(episode[DEPTH].view(np.uint32), was.depth.view(np.uint32))
    assert not (root / "videos" / DEPTH).exists()


def test_colours_are_bit_equal_as_images_and_the_right_frame_at_every_stamp_as_video(exported):
    way, root, read, known = exported
    for k, (episode, was) in enumerate(zip(read.episodes, known, strict=True)):
        for key in (TOP, HAND):
            if way == "images":
                assert read.info["features"][key]["dtype"] == "image"
                assert np.array_equal(episode[key], was.images)
                continue
            assert read.info["features"][key]["dtype"] == "video"
            numbers = [number_in(image) for image in episode[key]]
            assert numbers == [row // 2 for row in range(len(was.time))]
            lowest = min(map(psnr, episode[key], was.images))
            told = json.loads((root / "meta/covary.json").read_text())["video_lowest_psnr_db"]
            assert lowest >= 35 and told[key] <= lowest + 0.01
            path = root / f"videos/{key}/chunk-000/file-000.mp4"
            begin = read.facts[k][f"videos/{key}/from_timestamp"]
            for row in range(0, len(was.time), 7):  # one by one, and in no order
                row = len(was.time) - 1 - row
                frame = frame_at(path, begin + float(episode["timestamp"][row]))
                assert np.array_equal(frame, episode[key][row])


def test_units_and_cameras_stand_beside(exported):
    _, root, read, known = exported
    features = read.info["features"]
    assert features["observation.state"]["info"]["units"][:5] == ["m", "m", "m", "m", "rad"]
    assert features["action"] | {"info": {"units": ["m/s", "m/s"]}} == features["action"]
    facts = json.loads((root / "meta/covary.json").read_text())
    assert facts["control_period_s"] == 0.05 and facts["task"] == "push"
    assert facts["units"]["ground_truth"] == [*facts["units"]["state"], "SI"]
    top, depth, hand = (facts["cameras"][name] for name in ("top.rgb", "top.depth", "hand.rgb"))
    assert top["intrinsics_px"] == depth["intrinsics_px"] == K.tolist()
    assert (top["height"], top["width"]) == (HEIGHT, WIDTH)
    assert top["extrinsics"] == {
        "position_m": [0.1, 0.2, 1.3],
        "quaternion_xyzw": [1.0, 0.0, 0.0, 0.0],
    }
    assert top["extrinsics_in"] == "world" and depth["unit"] == "m"
    assert hand["extrinsics"] == "per row" and hand["intrinsics_px"] is None
    assert (root / "meta/model.xml").read_text() == Push().model_text()
    assert (root / "README.md").read_text().startswith("---\n")


def test_large_datasets_go_into_several_files(tmp_path, monkeypatch):
    known = [record(tmp_path / "in", k, ticks=12) for k in range(5)]
    # A chunk of two files; an episode a parquet file, two a video: one more would last too long.
    monkeypatch.setattr(lerobot, "DATA_BYTES", 1024**2)
    monkeypatch.setattr(lerobot, "FILES_PER_CHUNK", 2)
    monkeypatch.setattr(lerobot, "EPISODES_AT_ONCE", 2)
    monkeypatch.setattr(lerobot_video, "FILE_S", 1.3)
    real = lerobot.ParquetFiles
    monkeypatch.setattr(lerobot, "ParquetFiles", lambda *words: real(*words[:3], 1))
    root = tmp_path / "out"
    assert export(tmp_path / "in", "--lerobot", root).exit_code == 0
    read = check(root)
    assert [fact["data/chunk_index"] for fact in read.facts] == [0, 0, 1, 1, 2]
    assert [fact["data/file_index"] for fact in read.facts] == [0, 1, 0, 1, 0]
    assert [fact[f"videos/{TOP}/chunk_index"] for fact in read.facts] == [0, 0, 0, 0, 1]
    assert [fact[f"videos/{TOP}/file_index"] for fact in read.facts] == [0, 0, 1, 1, 0]
    assert [fact["meta/episodes/file_index"] for fact in read.facts] == [0, 0, 1, 1, 0]
    for episode, was in zip(read.episodes, known, strict=True):
        assert np.array_equal(episode["action"], was.action.astype(np.float32))
        assert [number_in(image) for image in episode[TOP]] == [k // 2 for k in range(12)]


def test_what_no_video_can_hold_is_refused(tmp_path):
    def noise(topic, k, message):
        if topic == "/camera/top/image_raw":
            message.data = np.random.default_rng(k).integers(0, 256, message.data.size, np.uint8)
        return message

    record(tmp_path / "in", 0, ticks=8, change=noise)
    done = export(tmp_path / "in", "--lerobot", tmp_path / "out")
    assert done.exit_code == 2 and "dB, 35 are needed" in done.output and "--images" in done.output
    assert len(done.output.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert export(tmp_path / "in", "--lerobot", tmp_path / "out", "--images").exit_code == 0
    check(tmp_path / "out")


def test_without_cameras_there_are_no_videos(tmp_path):
    record(tmp_path / "in", 0, cameras=False)
    root = tmp_path / "out"
    assert export(tmp_path / "in", "--lerobot", root).exit_code == 0
    read = check(root)
    assert read.info["video_path"] is None and not (root / "videos").exists()
    assert not [key for key in read.info["features"] if "images" in key]


def test_the_datasets_card_goes_along(tmp_path):
    record(
        tmp_path / "in", 0, ticks=4, cameras=False, task="x:Y", task_options='{"env_id": "A-v1"}'
    )
    card = "licence: CC-BY-4.0\nattempts: {made: 9, success_rate: 0.95, limit: null}\n"
    (tmp_path / "in" / "dataset.yaml").write_text(card)
    assert export(tmp_path / "in", "--lerobot", tmp_path / "out").exit_code == 0
    facts = json.loads((tmp_path / "out/meta/covary.json").read_text())["dataset"]
    assert facts["attempts"] == {"made": 9, "success_rate": 0.95, "limit": None}
    assert "license: cc-by-4.0" in (tmp_path / "out/README.md").read_text()
    assert check(tmp_path / "out").tasks == ["A-v1"]


def test_a_summary_says_what_was_written(tmp_path):
    known = record(tmp_path / "in", 0)
    root, summary = tmp_path / "a folder" / "out", tmp_path / "summary.json"
    done = export(tmp_path / "in", "--lerobot", root, "--summary", summary)
    assert done.exit_code == 0 and "40" in done.output
    said = json.loads(summary.read_text())
    assert (said["episodes"], said["rows"], said["successes"]) == (1, len(known.time), 1)
    assert said["megabytes"] == pytest.approx(folder_size(root) / 1e6, abs=1e-3)
    assert said["open_with"] == f"LeRobotDataset('out', root={str(root)!r})"


def test_the_pictures_of_these_tests_tell_their_numbers():
    from demonstrations import picture

    assert [number_in(picture(n)) for n in range(2**BITS)] == list(range(2**BITS))


def test_units_of_a_task_are_as_many_as_its_names(monkeypatch):
    monkeypatch.setattr(Push, "action_units", ("m/s",))
    with pytest.raises(PluginError, match="its action_names are 2, its action_units 1"):
        load_task("push")
