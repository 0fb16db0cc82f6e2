"""Who acts: a policy, or who takes over from it, with no node and no bus."""

from types import SimpleNamespace

import numpy as np
import pytest

from covary.control.success_map import SuccessMap
from covary.control.takeover import Takeover, TakeoverLimits
from covary.nodes.moments import Moments

NAMES = ("x", "y", "z")
MAP = SuccessMap(
    ("x", "z"),
    np.array([0.0, 1.0]),
    np.array([0.0, 1.0]),
    np.array([[10, 10], [10, 0]]),
    np.array([[10, 4], [0, 0]]),
)


class Holding:
    """A fallback that remembers the seed that it began with, and how often it planned."""

    def initial_memory(self, seed):
        return seed, 0

    def plan(self, state, time, memory):
        seed, count = memory
        return SimpleNamespace(actions=np.full((2, 1), float(count))), (seed, count + 1)


def takeover(uncertainty=0.0, success=0.0, settle_s=0.2):
    found = MAP if success else None
    return Takeover(Holding(), TakeoverLimits(uncertainty, success, settle_s), found, NAMES)


def at(x, z):
    return np.array([x, 9.0, z])


def test_it_takes_over_at_once_and_gives_back_when_all_has_been_well_for_a_while():
    who = takeover(uncertainty=1.0)
    acts = []
    #        sure, unsure, hardly sure (0.9 is above 0.8 of the limit), then sure
    for k, unsure in enumerate([0.9, 1.1, 0.9, 0.9, 0.7, 0.7, 0.7, 0.7]):
        who.choose(0.1 * k, at(0, 0), unsure, "")
        acts.append(who.acts)
    assert acts == [False, True, True, True, True, False, False, False]


def test_what_it_says_names_the_reason_once():
    who = takeover(uncertainty=1.0)
    assert who.choose(0.0, at(0, 0), 2.0, "") == (
        "the fallback takes over: uncertainty 2 is above 1"
    )
    assert who.choose(0.1, at(0, 0), 2.0, "") == ""
    assert who.choose(0.5, at(0, 0), 0.0, "") == "the policy goes on"


@pytest.mark.parametrize(
    ("x", "z", "acts"),
    [(0.0, 0.0, False), (0.0, 1.0, True), (1.0, 0.0, True), (1.0, 1.0, True), (7.0, 0.0, True)],
    ids=["ten of ten", "four of ten", "none", "no start tried", "outside of the map"],
)
def test_the_map_says_where(x, z, acts):
    who = takeover(success=0.5)
    who.choose(0.0, at(x, z), np.nan, "")
    assert who.acts == acts


def test_an_uncertainty_that_is_no_number_is_not_trusted():
    who = takeover(uncertainty=1.0)
    who.choose(0.0, at(0, 0), np.nan, "")
    assert who.acts


def test_no_answer_is_a_reason_whatever_the_limits():
    who = takeover()
    assert who.choose(0.0, at(0, 0), np.nan, "its answer is not finite").endswith("not finite")
    assert who.acts


def test_each_time_it_begins_anew_and_so_does_each_episode():
    who = takeover(uncertainty=1.0)
    who.reset(7)
    who.choose(0.0, at(0, 0), 2.0, "")
    assert who.plan(at(0, 0), 0.0)[0] == 0.0 and who.plan(at(0, 0), 0.1)[0] == 1.0
    who.choose(1.0, at(0, 0), 0.0, "")
    who.choose(1.1, at(0, 0), 2.0, "")
    assert who.plan(at(0, 0), 1.1)[0] == 0.0
    who.reset(8)
    assert not who.acts


def test_moments_are_put_together_by_their_stamps():
    moments = Moments(["state", "left", "right"])
    assert moments.offer("left", 1, "l1") is None and moments.offer("right", 1, "r1") is None
    whole = {"state": "s1", "left": "l1", "right": "r1"}
    assert moments.offer("state", 1, "s1") == whole
    assert moments.offer("state", 1, "s1") == whole  # sent again
    assert moments.offer("state", 2, "s2") is None
    assert moments.offer("right", 2, "r2") is None
    assert moments.lacking(2) == ["left"] and moments.incomplete == 0
    assert moments.offer("state", 3, "s3") is None
    assert (moments.incomplete, moments.lost) == (1, (2, ["left"]))
    assert moments.offer("left", 2, "l2") is None  # too late
    assert moments.offer("left", 3, "l3") is None
    assert moments.offer("right", 3, "r3") == {"state": "s3", "left": "l3", "right": "r3"}
    moments.offer("state", 4, "s4")
    assert moments.incomplete == 1
