"""The tables of docs/topics.md, as tests read them."""

import re
from typing import NamedTuple

import code_blocks

NODES = ("sim", "planner", "control", "recorder")
"""The nodes of our launch files."""
_ROW = re.compile(r"^\| `(/?[\w/]+)` \| `([\w/]+)` \| (.*) \|$", re.MULTILINE)


class Row(NamedTuple):
    """A topic or a service."""

    name: str
    type_name: str
    who: str
    """Who sends it, or serves it."""
    to: str
    """Who has to hear it; what a service does."""
    when: str

    @property
    def service(self) -> bool:
        return "/srv/" in self.type_name

    @property
    def needs(self) -> str:
        """The launch argument without which it is not there, such as `camera`; empty: none."""
        found = re.search(r"`(\w+):=", self.who)
        return found[1] if found else ""

    @property
    def speakers(self) -> set[str]:
        return set(NODES) if self.who == "every node" else _named(self.who)

    def listeners(self, barrier: bool) -> set[str]:
        """Who subscribes, behind the tick barrier or in real time; the recorder always does."""
        always, _, behind = self.to.partition("; behind the barrier:")
        return _named(always) | (_named(behind) if barrier else set()) | {"recorder"}


def _named(text: str) -> set[str]:
    return {word for word in (*NODES, "launcher") if re.search(rf"\b{word}\b", text)}


def rows() -> list[Row]:
    """All rows of both tables."""
    text = (code_blocks.ROOT / "docs" / "topics.md").read_text(encoding="utf-8")
    found = []
    for name, type_name, rest in _ROW.findall(text):
        columns = rest.split(" | ")
        found.append(Row(name, type_name, *columns, *[""] * (3 - len(columns))))
    return found


def topics() -> list[Row]:
    """The rows of topics."""
    return [row for row in rows() if not row.service]


def services() -> list[Row]:
    """The rows of services with a fixed name."""
    return [row for row in rows() if row.service and row.name.startswith("/")]
