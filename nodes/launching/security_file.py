"""The security file: certificates for TLS, and who may do what.

    ca: ca.pem               # the authority whose certificates are believed
    certificate: robot.pem   # this host's own
    key: robot.key           # its private key, readable by its owner only
    access:                  # by the common name of a certificate; `access: all` for all of them
      desk: all
      tablet: {read: [/state], write: [/goal], call: [/stop]}

Paths are relative to the file.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..bus.wire import checked
from ..messages import MessageError
from .yaml_loader import Element, InputError, load_file, nearest

_KEYS = ("ca", "certificate", "key", "access")
_VERBS = ("read", "write", "call")


@dataclass(frozen=True)
class Access:
    """What the holder of one certificate may do, by full names of topics and services."""

    read: tuple[str, ...] = ()
    """Topics to hear."""
    write: tuple[str, ...] = ()
    """Topics to speak on."""
    call: tuple[str, ...] = ()
    """Services to ask."""


@dataclass(frozen=True)
class Security:
    """What a security file says."""

    ca: Path
    certificate: Path
    key: Path
    access: dict[str, Access | Literal["all"]] | Literal["all"]
    """By common name; whoever is not in it gets nothing."""


def read_security(path: Path) -> Security:
    """Reads a security file and makes sure that its certificates can be used.

    Raises:
        InputError: Whatever is wrong, with file, line and the nearest known word.
    """
    root = load_file(path)
    if root is None or not isinstance(root.value, dict):
        raise InputError(f"must be a mapping with {', '.join(_KEYS)}", str(path), 1)
    _known(root, _KEYS)
    for key in _KEYS:
        if key not in root.items:
            raise root.error(f"'{key}' is missing")
    ca, certificate, key = (_file(root.items[name], path.parent) for name in _KEYS[:3])
    if key.stat().st_mode & 0o077:
        raise root.items["key"].error(f"others can read {key}; type: chmod 600 {key}")
    _usable(root, ca, certificate, key)
    return Security(ca, certificate, key, _access(root.items["access"]))


def _known(element: Element, keys: tuple[str, ...]) -> None:
    for key in element.items:
        if key not in keys:
            hint = nearest(key, keys) or f"; one of {', '.join(keys)}"
            raise element.error(f"unknown key '{key}'{hint}", key)


def _file(element: Element, folder: Path) -> Path:
    if not isinstance(element.value, str) or not element.value:
        raise element.error(f"must be a file, not {element.kind}")
    path = (folder / Path(element.value).expanduser()).absolute()
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise element.error(f"{path}: {error.strerror}") from None


def _usable(root: Element, ca: Path, certificate: Path, key: Path) -> None:
    """Whether they are what they ought to be; zenoh would say so late, or not at all."""
    import ssl  # only where there is such a file

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(ca)
    except (ssl.SSLError, OSError):
        raise root.items["ca"].error(f"{ca} holds no certificate in PEM") from None
    try:
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except (ssl.SSLError, OSError, ValueError) as error:
        what = f"{certificate} and {key} are no certificate with its plain key"
        reason = getattr(error, "reason", None)
        why = f" ({reason.lower().replace('_', ' ')})" if reason else ""
        raise root.items["key"].error(f"{what}{why}") from None


def _access(element: Element) -> dict[str, Access | Literal["all"]] | Literal["all"]:
    if element.value == "all":
        return "all"
    if not isinstance(element.value, dict) or not element.items:
        wanted = "must be all, or common names with what each may do"
        raise element.error(f"{wanted}, not {element.kind}")
    found: dict[str, Access | Literal["all"]] = {}
    for name, entry in element.items.items():
        if entry.value == "all":
            found[name] = "all"
            continue
        if not isinstance(entry.value, dict) or not entry.items:
            raise entry.error(f"'{name}' must be all, or some of {', '.join(_VERBS)}")
        _known(entry, _VERBS)
        found[name] = Access(**{verb: _topics(item) for verb, item in entry.items.items()})
    return found


def _topics(element: Element) -> tuple[str, ...]:
    if not isinstance(element.value, list):
        raise element.error(f"must be a list such as [/state], not {element.kind}")
    topics = []
    for item in element.value:
        text = item.value
        try:
            if not isinstance(text, str) or not text.startswith("/"):
                raise MessageError(f"{item.kind} is no full name such as /state")
            topics.append(checked(text))
        except MessageError as error:
            raise item.error(str(error)) from None
    return tuple(topics)
