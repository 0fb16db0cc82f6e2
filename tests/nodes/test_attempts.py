"""`Attempts`: the same dataset whoever made the attempts in whatever order; what a kill leaves."""

import json
import random

import pytest

from covary.nodes import messages
from covary.nodes.bags.bag import BagWriter
from covary.nodes.collecting.attempts import BOOK, Attempt, Attempts, bag_name


def result(number, good):
    return Attempt(number, number in good, float(number), 1.0)


def bag(folder, number, success, **more):
    facts = {"aborted": "false", "episode": str(number), "success": str(success).lower()}
    facts |= {"cost": repr(float(number)), "duration": "1.0", **more}
    writer = BagWriter(folder / "bags" / bag_name(number), facts)
    clock = messages.Clock(clock=messages.stamp(0.0))
    writer.write("/clock", clock.__msgtype__, messages.serialize(clock), 0, 0)
    return writer.close()


@pytest.mark.parametrize("success_only", [True, False])
@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_the_same_attempts_make_the_dataset_in_whatever_order(tmp_path, workers, success_only):
    rng = random.Random(workers)
    good = {number for number in range(200) if rng.random() < 0.6}
    book = Attempts(tmp_path, 30, success_only, 200)
    running, made = set(), []
    while not book.whole:
        while len(running) < workers and (number := book.next(running)) is not None:
            assert number not in running and number not in book.made
            running.add(number)
        done = rng.choice(sorted(running))
        running.remove(done)
        book.made[done] = result(done, good)
        made.append(done)
    wanted = [n for n in range(200) if n in good or not success_only][:30]
    assert [attempt.attempt for attempt in book.chosen] == wanted
    assert [attempt.attempt for attempt in book.counted] == list(range(wanted[-1] + 1))
    assert len(made) <= wanted[-1] + workers  # little is made for nothing
    assert workers > 1 or len(made) == wanted[-1] + 1


def test_an_end_without_success(tmp_path):
    book = Attempts(tmp_path, 3, True, 10)
    while (number := book.next(set())) is not None:
        book.made[number] = result(number, {4})
    assert len(book.counted) == 10 and len(book.chosen) == 1 and not book.whole


def test_what_a_kill_leaves_half_done_is_put_right(tmp_path):
    (tmp_path / "bags").mkdir()
    lines = [result(n, {0, 1, 3}) for n in range(4)]
    text = "".join(json.dumps(vars(line)) + "\n" for line in lines)
    (tmp_path / BOOK).write_text(text + '{"attempt": 7, "suc')  # a line that was cut short
    bag(tmp_path, 0, True)
    bag(tmp_path, 3, True)  # 1 is in the book and nowhere else
    bag(tmp_path, 5, True)  # stands there, and its line was never written
    damaged = bag(tmp_path, 6, True)
    file = next(damaged.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[:-40])
    said = []
    book = Attempts(tmp_path, 10, True, 100)
    book.open(said.append)
    assert sorted(book.made) == [0, 2, 3, 5]
    assert len(said) == 1 and "episode_000006" in said[0] and not damaged.exists()
    assert [book.next(set()), book.next({1}), book.next({1, 4})] == [1, 4, 6]
    again = Attempts(tmp_path, 10, True, 100)
    again.open(said.append)
    assert again.made == book.made and len(said) == 1


@pytest.mark.parametrize(
    "change",
    [
        '{"attempt": 1e400}',
        '{"attempt": 1e400, "success": true, "cost": 1.0, "duration": 1.0}',
        '{"attempt": -1, "success": false, "cost": 1.0, "duration": 1.0}',
        '{"attempt": 1, "success": 0, "cost": 1.0, "duration": 1.0}',
        '{"attempt": 1, "success": false, "cost": "1", "duration": 1.0}',
        '{"attempt": 1, "success": false, "cost": 1.0, "duration": NaN}',
        '{"attempt": 1, "success": false, "cost": 1.0, "duration": [1]}',
        "[" * 100_000,
        "7",
        "null",
    ],
    ids=lambda line: line[:70],
)
def test_a_line_that_is_no_attempt_is_none(tmp_path, change):
    (tmp_path / BOOK).write_text(change + "\n" + json.dumps(vars(result(2, {}))) + "\n")
    book = Attempts(tmp_path, 3, True, 9)
    book.open(print)
    assert sorted(book.made) == [2]


@pytest.mark.parametrize("cost", ["nan", "inf", "-inf"])
def test_the_book_is_json_whatever_an_attempt_cost(tmp_path, cost):
    bag(tmp_path, 0, True, cost=cost)
    book = Attempts(tmp_path, 3, True, 9)
    book.open(print)
    book.add(Attempt(1, False, float(cost), 1.0))

    def no(constant):
        raise AssertionError(constant)

    text = (tmp_path / BOOK).read_text()
    lines = [json.loads(line, parse_constant=no) for line in text.splitlines()]
    assert [line["cost"] for line in lines] == [None, None]
    again = Attempts(tmp_path, 3, True, 9)
    again.open(print)
    assert sorted(again.made) == [0, 1] and (tmp_path / BOOK).read_text() == text


def test_only_folders_with_an_attempts_name_are_touched(tmp_path):
    """Neither names, links nor files of others go, whole or damaged, at the start or at the end."""
    for number in range(3):
        bag(tmp_path, number, True)
    bags = tmp_path / "bags"
    names = ["mine", "episode_7", "episode_0000009", "episode_00000\u0663", "my_episode_000004"]
    for name in names:
        (bags / name).mkdir()
        (bags / name / "mine.mcap").write_bytes(b"damaged")
    (bags / "episode_000008").write_text("a file")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine.mcap").write_bytes(b"damaged")
    (bags / "episode_000006").symlink_to(tmp_path / "elsewhere")
    (bags / bag_name(5)).mkdir()  # its own, and empty
    book = Attempts(tmp_path, 2, True, 9)
    said = []
    book.open(said.append)
    book.trim()
    left = {*names, "episode_000006", "episode_000008", bag_name(0), bag_name(1)}
    assert {path.name for path in bags.iterdir()} == left and len(said) == 1
    assert (tmp_path / "elsewhere" / "mine.mcap").exists()
    assert book.stranger() == bags / "episode_0000009"


def test_a_bag_under_another_attempts_number_is_made_again(tmp_path):
    bag(tmp_path, 0, True)
    bag(tmp_path, 1, True, episode="5")
    book = Attempts(tmp_path, 2, True, 9)
    said = []
    book.open(said.append)
    assert sorted(book.made) == [0] and "it is attempt 5" in said[0] and book.stranger() is None


def test_what_lies_beyond_the_last_chosen_one_goes(tmp_path):
    (tmp_path / "bags").mkdir()
    for number in (0, 2, 3):
        bag(tmp_path, number, True)
    book = Attempts(tmp_path, 2, True, 100)
    book.open(print)
    book.trim()
    assert 3 in book.made and (tmp_path / "bags" / bag_name(3)).exists()  # 1 is not made yet
    book.add(result(1, {}))
    book.trim()
    assert sorted(book.made) == [0, 1, 2]
    assert sorted(p.name for p in (tmp_path / "bags").iterdir()) == [bag_name(0), bag_name(2)]
