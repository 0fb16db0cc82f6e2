"""The topics of a launch: who speaks to whom, and where that cannot be meant."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .variables import Origin
from .yaml_loader import InputError, nearest

UNIVERSAL = {"/diagnostics": "diagnostic_msgs/msg/DiagnosticArray"}
"""Topics that every node may publish without saying so."""
FROM_OUTSIDE = ("/goal",)
"""Topics that people and other programs publish; nobody in the launch has to."""
SHARED = {*UNIVERSAL, "/tf", "/tf_static", "/rosout"}
"""Topics that several nodes may publish, as in ROS 2."""


@dataclass(frozen=True)
class End:
    """One node's end of one topic, after namespaces and remaps.

    Attributes:
        node: The node's full name.
        topic: The topic's full name.
        type_name: Message type, empty if the class states none that exists.
        publishes: Whether it speaks there; else it listens.
        stated: The topic as the class states it.
        meant: Its full name if nothing were remapped.
        place: Where that was written: the remap, else the node's ``exec``.
    """

    node: str
    topic: str
    type_name: str
    publishes: bool
    stated: str
    meant: str
    place: Origin

    @property
    def remapped(self) -> bool:
        """Whether a remap gave it another name."""
        return self.topic != self.meant


def full(topic: str, namespace: str) -> str:
    """A topic's full name: one that starts with a slash is full already."""
    return topic if topic.startswith("/") else f"{namespace}/{topic}"


def by_topic(ends: Iterable[End]) -> dict[str, list[End]]:
    """The ends of each topic, topics in alphabetical order."""
    found: dict[str, list[End]] = {}
    for end in ends:
        found.setdefault(end.topic, []).append(end)
    return dict(sorted(found.items()))


def names_of(ends: Iterable[End]) -> str:
    """The nodes at some ends, each once."""
    return ", ".join(dict.fromkeys(end.node for end in ends))


def type_clashes(ends: Iterable[End]) -> Iterator[tuple[InputError, End]]:
    """Topics whose ends disagree about the type, with the end that is at fault."""
    for topic, here in by_topic(ends).items():
        by_type: dict[str, list[End]] = {}
        for end in here:
            if end.type_name:
                by_type.setdefault(short(end.type_name), []).append(end)
        if len(by_type) < 2:
            continue
        # Who was put here by a remap, or stands alone with its opinion, is wrong.
        right = max(by_type.values(), key=_weight)
        for wrong in by_type.values():
            if wrong is right:
                continue
            end = next((end for end in wrong if end.remapped), wrong[0])
            place = right[0].place
            message = (
                f"{end.node}: topic '{topic}' is {end.type_name} for {names_of(wrong)}, but "
                f"{right[0].type_name} for {names_of(right)} ({place.file}:{place.line})"
            )
            yield end.place.error(message), end


def _weight(ends: list[End]) -> tuple[int, int]:
    meant = {end.node for end in ends if not end.remapped}
    return len(meant), len({end.node for end in ends})


def short(type_name: str) -> str:
    """A type's name with or without ROS's ``/msg/``."""
    return type_name.replace("/msg/", "/")


def dangling(
    ends: list[End], asked: Mapping[tuple[str, str], str]
) -> Iterator[tuple[InputError, End]]:
    """Topics that nodes listen to and nobody publishes, with the end that is at fault.

    Args:
        ends: All ends.
        asked: What to type so that a topic is published: (node, topic) -> words.
    """
    spoken = by_topic(end for end in ends if end.publishes)
    known = {*spoken, *UNIVERSAL}
    lonely = [
        end
        for end in ends
        if not end.publishes and end.topic not in known and end.meant not in FROM_OUTSIDE
    ]
    # Who says nothing itself (a recorder, a viewer) may listen to more than there is, unless it
    # was told to, or hears nothing at all.
    speakers = {end.node for end in ends if end.publishes}
    served = {end.node for end in ends if end not in lonely and not end.publishes}
    deaf = {end.node: end for end in lonely if end.node not in speakers | served}
    for node, end in deaf.items():
        mine = [other for other in lonely if other.node == node]
        if not any(other.remapped for other in mine):
            named = ", ".join(f"'{other.topic}'" for other in mine)
            hint = nearest(mine[0].topic, known)
            yield end.place.error(f"{node} listens to {named}, which nobody publishes{hint}"), end
    pairs: set[frozenset[str]] = set()
    for topic, here in by_topic(lonely).items():
        wanting = [end for end in here if end.remapped or end.node in speakers]
        if not wanting:
            continue
        who = names_of(wanting)
        listen = "listens" if "," not in who else "listen"
        said = f"{who} {listen} to '{topic}', which nobody publishes"
        mover = next((e for e in ends if e.publishes and e.remapped and e.meant == topic), None)
        if mover is not None:
            hint = f"'{mover.stated}' of {mover.node} is remapped to '{mover.topic}'"
            yield mover.place.error(f"{said}; {hint}; did you mean '{topic}'?"), mover
            continue
        first = next((end for end in wanting if end.remapped), wanting[0])
        words = next((asked[e.node, topic] for e in wanting if (e.node, topic) in asked), "")
        if words:
            yield first.place.error(f"{said}; say {words}"), first
            continue
        twin = next(
            (e for e in ends if e.publishes and e.stated == first.stated and e.topic != topic),
            None,
        )
        if twin is not None and not first.remapped:  # the same name in another namespace
            pair = frozenset((twin.node, first.node))
            if pair in pairs:
                continue
            pairs.add(pair)
            said += f"; {twin.node} publishes '{twin.topic}'"
            yield first.place.error(f"{said}; did you mean '{twin.topic}'?"), first
            continue
        hint = nearest(topic, known)
        if first.remapped and not hint:
            hint = f"; its '{first.stated}' is remapped there"
        yield first.place.error(f"{said}{hint}"), first


def twice_published(ends: list[End]) -> Iterator[tuple[InputError, End]]:
    """Topics that several nodes publish, with the end that is at fault."""
    found: dict[frozenset[str], list[list[End]]] = {}
    for topic, here in by_topic(end for end in ends if end.publishes).items():
        who = frozenset(end.node for end in here)
        if len(who) > 1 and topic not in SHARED:
            found.setdefault(who, []).append(here)
    for topics in found.values():
        here = topics[0]
        end = next((end for end in here if end.remapped), here[-1])
        others = [other for other in here if other.node != end.node]
        place = others[0].place
        named = ", ".join(f"'{each[0].topic}'" for each in topics)
        one = f"topic {named} is" if len(topics) == 1 else f"topics {named} are"
        message = f"{end.node}: {one} published by {names_of(others)} too"
        yield end.place.error(f"{message} ({place.file}:{place.line}); remap one of them"), end
