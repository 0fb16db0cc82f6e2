"""The wiring of a launch as pictures: mermaid text for documents, a tree for the terminal."""

from dataclasses import dataclass

from .description import LaunchDescription, NodeDescription
from .topics import FROM_OUTSIDE, by_topic
from .wiring import Wiring


@dataclass(frozen=True)
class Branch:
    """One line of the tree and what hangs on it.

    Attributes:
        kind: ``node``, ``topic`` or ``outside``.
        name: The node or topic.
        note: What else there is to say.
        listeners: For a topic: the nodes that hear it.
        branches: For a node: the topics that it publishes.
    """

    kind: str
    name: str
    note: str = ""
    listeners: tuple[str, ...] = ()
    branches: tuple["Branch", ...] = ()


def tree(wiring: Wiring, launch: LaunchDescription) -> list[Branch]:
    """Each node with the topics it publishes and who hears them, and what comes from outside."""
    topics = by_topic(wiring.ends)
    drawn: list[Branch] = []
    for node in launch.nodes:
        spoken = [
            Branch("topic", topic, listeners=_names(ends, publishes=False))
            for topic, ends in topics.items()
            if node.full_name in _names(ends, publishes=True)
        ]
        drawn.append(Branch("node", node.full_name, _note(node), (), tuple(spoken)))
    unsaid = [
        Branch("topic", topic, listeners=_names(ends, publishes=False))
        for topic, ends in topics.items()
        if not _names(ends, publishes=True) and _of_interest(wiring, topic)
    ]
    if unsaid:
        drawn.append(Branch("outside", "from outside", "", (), tuple(unsaid)))
    return drawn


def _names(ends: list, publishes: bool) -> tuple[str, ...]:
    return tuple(dict.fromkeys(end.node for end in ends if end.publishes is publishes))


def _of_interest(wiring: Wiring, topic: str) -> bool:
    """Whether a topic that nobody publishes is missed: a recorder listens to all there may be."""
    speakers = {end.node for end in wiring.ends if end.publishes}
    return topic in FROM_OUTSIDE or any(
        end.topic == topic and end.node in speakers for end in wiring.ends
    )


def _note(node: NodeDescription) -> str:
    """What starts, and what its entry says of its life."""
    notes = [node.executable or " ".join(node.command)]
    if node.delay:
        notes.append(f"after {node.delay:g} s")
    if node.respawn:
        notes.append("respawn")
    if node.shutdown_on_exit:
        notes.append("its end ends the launch")
    if not node.required:
        notes.append("not required")
    return ", ".join(notes)


def mermaid(wiring: Wiring, launch: LaunchDescription) -> str:
    """The wiring as a mermaid flowchart: nodes are boxes, topics are rounded, what waits is dashed.

    A node's delay and respawn stand under its name.
    """
    lines = ["flowchart LR"]
    keys = {node.full_name: f"n{i}" for i, node in enumerate(launch.nodes)}
    for node in launch.nodes:
        life = [f"after {node.delay:g} s"] if node.delay else []
        life += ["respawn"] if node.respawn else []
        text = "<br/>".join(
            [_escaped(node.full_name), *([_escaped(", ".join(life))] if life else [])]
        )
        lines.append(f'    {keys[node.full_name]}["{text}"]')
    topics = by_topic(wiring.ends)
    rounded = {topic: f"t{i}" for i, topic in enumerate(topics)}
    lines += [f'    {key}(["{_escaped(topic)}"])' for topic, key in rounded.items()]
    for end in wiring.ends:
        a, b = keys[end.node], rounded[end.topic]
        lines.append(f"    {a} --> {b}" if end.publishes else f"    {b} --> {a}")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """Text inside a mermaid label: what could end it, or be read as markup, as an entity."""
    return "".join(c if c.isalnum() or c in " /_.,-" else f"#{ord(c)};" for c in text)
