"""ROS 2's parameter services on a local bus: reading, describing, setting, refusing."""

import pytest

from covary.nodes import messages
from covary.nodes.bus.local_bus import BusError, LocalBus, LocalGraph
from covary.nodes.node import Node
from covary.nodes.parameter_services import (
    Described,
    ParameterClient,
    ParameterServices,
    value_message,
    value_of,
)


class Tuned(Node):
    """A node with four values that can be set, and one that cannot be said."""

    def configure(self):
        self.values = {"gain": 0.5, "count": 3, "on": True, "word": "a", "list": [1]}
        ParameterServices(self, lambda: self.values, self.write, {"gain": "How much."})

    def write(self, changes):
        if changes.get("count", 1) < 1:
            raise ValueError("count: must\nbe at least 1")
        self.values.update(changes)


@pytest.fixture
def world():
    graph = LocalGraph()
    node = Tuned("tuned", LocalBus(graph, "tuned"))
    node.configure()
    return node, LocalBus(graph, "outside")


def ask(bus, service, name, **request):
    kind = getattr(messages, service)
    raw = bus.call(kind.__srvtype__, f"/tuned/{name}", messages.serialize(kind.Request(**request)))
    return messages.deserialize(raw, kind.Response.__msgtype__)


def parameter(name, value):
    return messages.Parameter(name=name, value=value_message(value))


def test_a_client_reads_all_and_sets_one(world):
    node, bus = world
    client = ParameterClient(bus, "tuned")
    assert client.read() == [
        Described("gain", 0.5, "How much."),
        Described("count", 3, ""),
        Described("on", True, ""),
        Described("word", "a", ""),
    ]
    assert client.set("gain", 0.75) == "" and node.values["gain"] == 0.75
    assert client.set("on", False) == "" and node.values["on"] is False
    assert client.set("count", 0) == "count: must be at least 1" and node.values["count"] == 3
    assert client.set("gian", 1.0) == "no parameter 'gian'; there are gain, count, on, word"


def test_what_nobody_serves_is_an_error(world):
    with pytest.raises(BusError, match="/nobody answers no list_parameters"):
        ParameterClient(world[1], "/nobody").read()


def test_names_are_listed_by_prefix(world):
    node, bus = world
    node.values |= {"mppi.noise": 0.1, "mppi.knots": 2, "mppix": 1}
    listed = ask(bus, "ListParameters", "list_parameters", prefixes=["mppi", "gain"], depth=0)
    assert list(listed.result.names) == ["gain", "mppi.noise", "mppi.knots"]


def test_an_unknown_name_has_no_type_and_no_value(world):
    names = ["gain", "nobody", "on", "count", "word"]
    types = ask(world[1], "GetParameterTypes", "get_parameter_types", names=names)
    assert list(types.types) == [3, 0, 1, 2, 4]
    values = ask(world[1], "GetParameters", "get_parameters", names=names).values
    assert [value_of(v) for v in values] == [0.5, None, True, 3, "a"]


def test_each_has_its_own_result_unless_all_are_one(world):
    node, bus = world
    both = [parameter("count", 0), parameter("gain", 0.25)]
    results = ask(bus, "SetParameters", "set_parameters", parameters=both).results
    assert [r.successful for r in results] == [False, True] and node.values["gain"] == 0.25
    both[1] = parameter("gain", 0.125)
    kind = ("SetParametersAtomically", "set_parameters_atomically")
    assert not ask(bus, *kind, parameters=both).result.successful
    assert node.values["gain"] == 0.25
    both[0] = parameter("count", 9)
    assert ask(bus, *kind, parameters=both).result.successful
    assert (node.values["count"], node.values["gain"]) == (9, 0.125)


def test_a_value_that_is_not_set_changes_nothing(world):
    node, bus = world
    results = ask(bus, "SetParameters", "set_parameters", parameters=[parameter("gain", None)])
    assert results.results[0].reason == "gain: a value of type float is needed"
    assert node.values["gain"] == 0.5


def test_a_number_too_large_for_ros_is_refused_before_it_is_sent():
    with pytest.raises(messages.MessageError, match="more than an integer"):
        value_message(2**70)


def test_requests_that_are_none_are_told_to_the_caller(world):
    with pytest.raises(messages.MessageError):
        world[1].call("rcl_interfaces/srv/SetParameters", "/tuned/set_parameters", b"\0\1\0\0\xff")
