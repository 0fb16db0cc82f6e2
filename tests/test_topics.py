"""docs/topics.md is the contract: nodes publish and subscribe what stands there, with its types."""

import importlib

import code_blocks
import pytest
import topics_table

from covary.nodes.node import Node


def contract() -> dict[str, str]:
    """Topic or service -> type, as documented."""
    return {row.name: row.type_name for row in topics_table.rows()}


def node_classes() -> list[type]:
    """Every node class of the rooms: one in each `<name>_node.py`."""
    found = []
    for file in sorted(code_blocks.ROOT.glob("*/*_node.py")):
        module = importlib.import_module(f"covary.{file.parent.name}.{file.stem}")
        name = "".join(part.capitalize() for part in file.stem.split("_"))
        found.append(getattr(module, name))
    return found


@pytest.mark.parametrize("cls", node_classes(), ids=lambda cls: cls.__name__)
def test_a_node_keeps_the_contract(cls):
    assert issubclass(cls, Node)
    documented = contract()
    used = {**getattr(cls, "publishes", {}), **getattr(cls, "subscribes", {})}
    assert {topic: documented.get(topic) for topic in used} == used


def test_someone_publishes_what_is_documented():
    published = {topic for cls in node_classes() for topic in getattr(cls, "publishes", {})}
    for topic in ("/clock", "/state", "/plan", "/command", "/applied", "/physics", "/episode"):
        assert topic in contract()
        assert topic in published


def test_every_type_of_ours_has_a_definition():
    types = {kind for kind in contract().values() if kind.startswith("covary_msgs/")}
    defined = {f"covary_msgs/msg/{file.stem}" for file in
               (code_blocks.ROOT / "nodes" / "msg").glob("*.msg")}  # fmt: skip
    assert types == defined
