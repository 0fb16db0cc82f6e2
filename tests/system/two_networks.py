"""Two network namespaces with a link between them that can be cut; gone again with the test."""

import os
import re
import shutil
import subprocess
from pathlib import Path

NOWHERE = "02:00:00:00:00:99"
"""A hardware address that nobody has: what is sent there is lost without a word."""


class NotPermittedError(Exception):
    """No network namespaces here, and why."""


def ip(*words: str) -> str:
    """Runs iproute2's `ip`."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise NotPermittedError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


class TwoNetworks:
    """Hosts ``a`` and ``b``, each a network namespace with a loopback of its own, and a link.

    Attributes:
        address: Their addresses on the link.

    Raises:
        NotPermittedError: They cannot be made here.
    """

    address = {"a": "10.213.7.1", "b": "10.213.7.2"}

    def __init__(self) -> None:
        if shutil.which("ip") is None:
            raise NotPermittedError("no iproute2 (ip) here")
        for name in re.findall(r"^covary-\d+-[ab]", ip("netns", "list"), re.MULTILINE):
            if not Path(f"/proc/{name.split('-')[1]}").exists():  # of a test that was killed
                ip("netns", "del", name)
        self._name = {host: f"covary-{os.getpid()}-{host}" for host in "ab"}
        self.remove()
        try:
            for name in self._name.values():
                ip("netns", "add", name)
            first, second = (
                ("name", self._device(host), "netns", self._name[host]) for host in "ab"
            )
            ip("link", "add", *first[1:], "type", "veth", "peer", *second)
            for host in "ab":
                self._in(host, "link", "set", "lo", "up")
                self._in(host, "addr", "add", f"{self.address[host]}/24", "dev", self._device(host))
                self._in(host, "link", "set", self._device(host), "up")
        except NotPermittedError:
            self.remove()
            raise

    def inside(self, host: str, command: list[str]) -> list[str]:
        """A command as it is run on one of the hosts."""
        return ["ip", "netns", "exec", self._name[host], *command]

    def cut(self, how: str) -> None:
        """Cuts the link: ``down`` takes it down, ``silent`` lets all that is sent get lost.

        ``from a`` and ``from b`` lose what that host sends, and nothing else.
        """
        for host in how.removeprefix("from ") if how.startswith("from ") else "ab":
            if how == "down":
                self._in(host, "link", "set", self._device(host), "down")
            else:
                where = (self.address[self._other(host)], "lladdr", NOWHERE)
                self._in(host, "neigh", "replace", *where, *self._permanent(host))

    def restore(self, how: str) -> None:
        """Mends what `cut` has cut."""
        for host in how.removeprefix("from ") if how.startswith("from ") else "ab":
            if how == "down":
                self._in(host, "link", "set", self._device(host), "up")
            else:
                where = self.address[self._other(host)]
                self._in(host, "neigh", "del", where, "dev", self._device(host))

    def remove(self) -> None:
        """Takes both away, with every process in them."""
        for name in self._name.values():
            if not re.search(rf"^{name}\b", ip("netns", "list"), re.MULTILINE):
                continue
            for pid in ip("netns", "pids", name).split():
                os.kill(int(pid), 9)
            ip("netns", "del", name)

    def _in(self, host: str, *words: str) -> None:
        ip("-n", self._name[host], *words)

    def _device(self, host: str) -> str:
        return f"to_{self._other(host)}"

    def _permanent(self, host: str) -> tuple[str, ...]:
        return ("dev", self._device(host), "nud", "permanent")

    @staticmethod
    def _other(host: str) -> str:
        return "b" if host == "a" else "a"
