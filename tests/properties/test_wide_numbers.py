"""Numbers that nobody means, in every parameter of every node and planner: one line each."""

import dataclasses
import math
import typing

import pytest

from covary.nodes import plugin
from covary.nodes.parameters import ParameterError, errors_of
from covary.sim.load_task import load_task
from covary.sim.planner_plugin import planner_of

NOT_WHOLE = (2**64, -(2**63) - 1, 10**400, 1e3, math.inf, math.nan, True, "3")
NOT_FINITE = (math.inf, -math.inf, math.nan, True, "3")
FAR = (2**63 - 1, 10**9, -1, -(2**63))


def numbers(cls):
    """Its fields that are numbers, with their types."""
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        kinds = set(typing.get_args(hints[field.name])) or {hints[field.name]}
        if kinds & {int, float} and dict not in kinds and str not in kinds:
            yield field.name, kinds


def classes():
    for name in plugin.node_names():
        yield plugin.load_node(name).Parameters
    for name in plugin.offered("planners"):
        yield plugin.load(name, "planners").Parameters


def test_numbers_of_another_kind_are_refused_by_name():
    seen = 0
    for cls in classes():
        whole = {name for name, kinds in numbers(cls) if float not in kinds}
        others = {name for name, _ in numbers(cls)} - whole
        for names, values in ((whole, NOT_WHOLE), (others, NOT_FINITE)):
            for value in values if names else ():
                found = {e.key: str(e) for e in errors_of(cls, dict.fromkeys(names, value), "here")}
                assert names <= found.keys(), (cls.__qualname__, value, names - found.keys())
                for name in names:
                    assert found[name].startswith(f"here: {name}") and "\n" not in found[name]
                    seen += 1
    assert seen > 1000


PLANNERS = [name for name in plugin.offered("planners") if not name.endswith("_node")]


@pytest.mark.parametrize("planner", PLANNERS)
def test_counts_that_cannot_be_made_are_refused_before_a_plan(planner):
    """So are negative ones."""
    cls = plugin.load(planner, "planners").Parameters
    task = load_task("push" if planner == "expert" else "point_mass")
    for name in [name for name, kinds in numbers(cls) if int in kinds]:
        for value in FAR:
            block = {"plugin": planner, name: value}
            with pytest.raises(ParameterError, match=rf"^planner {planner}: {name}: .*{value}"):
                planner_of(task, block, {}, "full", "numba", 1.0)
