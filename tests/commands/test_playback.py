"""`covary view BAG --live`, and what `covary view` does with a launch file."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "sim"))
sys.path.append(str(Path(__file__).resolve().parents[1] / "system"))
from launches import covary_here, launch
from page_client import PageClient

from covary.commands import live_page
from covary.commands.playback import Playback, Player
from covary.nodes.bags.bag import BagError
from covary.nodes.bags.reader import Bag, read
from covary.nodes.launching.yaml_loader import InputError
from covary.sim.load_task import load_task
from covary.sim.viewing.page import Page


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    place = tmp_path_factory.mktemp("recorded")
    words = ("samples:=32", "horizon:=10", "iterations:=1", "episodes:=1", "--lockstep")
    return launch(place, "point_mass", *words, here=True).bags[0]


@pytest.fixture
def page():
    opened = Page(0, "test", live=False)
    yield opened
    opened.close()


def test_the_page_shows_the_recording_at_the_sliders_time(bag, page):
    task = load_task("point_mass")
    player = Player(Playback(Bag(bag), task), page, [("task", "point_mass")])
    recorded = read(bag, ["/state"])
    times = (recorded.topics["/state"]["header.stamp"] * 1e-9).tolist()
    values = recorded.topics["/state"]["value"]
    assert player.playback.duration == pytest.approx(times[-1] - times[0])
    with PageClient(page.url) as client:
        client.put("play", False)
        client.wait(lambda: not player.playing.value)
        for k in (20, 5):
            client.put("time", times[k] - times[0])
            client.wait(
                lambda k=k: np.allclose(client.pose("/scene/mass")[0][:2], values[k, :2],
                                        atol=2e-6),
                lambda: player.turn(0.0),
            )  # fmt: skip
        client.wait(lambda: "/plan" in client.nodes and "point_mass" in client.text(),
                    lambda: player.turn(0.0))  # fmt: skip
        assert not client.has("stop")  # there is nothing to stop


def test_it_plays_by_the_wall_clock_and_begins_again(bag, page):
    player = Player(Playback(Bag(bag), load_task("point_mass")), page, [])
    player.turn(0.5)
    assert player.time == 0.5 and player.slider.value == pytest.approx(0.5)
    player.speed.value = "2 x"
    player.turn(0.25)
    assert player.time == 1.0
    player.turn(60.0)
    assert player.time == 0.0


def test_a_time_that_is_none_is_not_taken(bag, page):
    player = Player(Playback(Bag(bag), load_task("point_mass")), page, [])
    with PageClient(page.url) as client:
        client.put("time", float("nan"))
        client.put("time", 1e9)
        client.wait(lambda: player.time == player.playback.duration, lambda: player.turn(0.0))


def test_a_recording_without_states_is_refused(bag):
    recording = Bag(bag)
    del recording.types["/state"]
    with pytest.raises(BagError, match="neither /ground_truth nor /state in it"):
        Playback(recording, load_task("point_mass"))


def test_a_launch_file_is_launched_with_its_page(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(live_page, "launch", lambda file, words: seen.append((file, words)))
    monkeypatch.setattr(live_page, "free_port", lambda port: port + 1)
    live_page.watch("push.yaml", ["samples:=64"], 8080)
    live_page.watch("block_pick", ["planner:=person", "port:=9000", "realtime:=false"], 8080)
    assert seen == [
        ("push.yaml", ["samples:=64", "view:=true", "port:=8081", "realtime:=true"]),
        ("block_pick", ["planner:=person", "port:=9000", "realtime:=false", "view:=true"]),
    ]
    (tmp_path / "bare.yaml").write_text("launch: []\n")
    with pytest.raises(InputError, match="starts no viewer_node"):
        live_page.watch(str(tmp_path / "bare.yaml"), [], 8080)


def test_a_taken_port_is_passed_over(page):
    taken = int(page.url.rpartition(":")[2])
    assert live_page.free_port(taken) > taken


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing.yaml",), "no launch file 'nothing.yaml'"),
        (("BAG", "a:=1"), "is no launch file, so it takes no a:=1"),
        (("RUN", "--live"), "--live plays one bag, such as "),
        ((".", "--live"), "is no bag"),
    ],
)
def test_bad_words_are_one_line(bag, tmp_path, words, said):
    names = {"BAG": str(bag), "RUN": str(bag.parents[1])}
    done = covary_here(tmp_path, "view", *(names.get(word, word) for word in words))
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert said in done.stderr.replace("not a bag", "is no bag")
