"""An outsider's nodes, good and odd, for the tests of wrong launches; copied as mine.py."""
# ruff: noqa: D106

from dataclasses import dataclass
from typing import ClassVar

from covary.nodes.node import Node

STRING = "std_msgs/msg/String"


class Talker(Node):
    publishes: ClassVar = {"/word": STRING}
    subscribes: ClassVar = {"/answer": STRING}

    @dataclass(frozen=True)
    class Parameters:
        rate: float = 1.0
        words: list[str] | None = None
        retries: int = 0


class Answerer(Node):
    publishes: ClassVar = {"/answer": STRING}
    subscribes: ClassVar = {"/word": STRING}


class Listener(Node):
    subscribes: ClassVar = {"/word": STRING, "/answer": STRING}


class WrongType(Node):
    subscribes: ClassVar = {"/word": "sensor_msgs/msg/JointState"}


class NoSuchType(Node):
    subscribes: ClassVar = {"/word": "std_msgs/msg/Strin"}


class NoTopic(Node):
    publishes: ClassVar = {"a word": STRING}


class NoDict(Node):
    publishes: ClassVar = ["/word"]


class OddParameters(Node):
    Parameters = 3


class OddDefault(Node):
    @dataclass(frozen=True)
    class Parameters:
        x: "NoSuchClass" = 0  # noqa: F821 (on purpose)


class Refusing(Node):
    @dataclass(frozen=True)
    class Parameters:
        x: int = 0

        def __post_init__(self):
            raise KeyError("anything at all\nin two lines")


class NoNode:
    publishes: ClassVar = {}


class NearTalker(Node):
    """Its topics stand in its namespace."""

    publishes: ClassVar = {"word": STRING}
    subscribes: ClassVar = {"answer": STRING}


class NearAnswerer(Node):
    publishes: ClassVar = {"answer": STRING}
    subscribes: ClassVar = {"word": STRING}


class Camera(Node):
    """Publishes more if its parameters say so."""

    publishes: ClassVar = {"/info": STRING}

    @dataclass(frozen=True)
    class Parameters:
        raw: bool = False

    @staticmethod
    def also_publishes(parameters):
        return {"/raw": STRING} if parameters.raw else {}


class Viewer(Node):
    subscribes: ClassVar = {"/raw": STRING}
