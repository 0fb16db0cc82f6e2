"""Fenced code blocks of a Markdown file, for the tests that run what the documents say."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    section: str
    """The last heading above it."""
    language: str
    """First word after the fence."""
    file: str
    """Second word after the fence: the name to save it under, or empty."""
    text: str
    """What stands in it."""


def blocks(path: Path) -> list[Block]:
    """All fenced blocks of a file, in order."""
    found, section, fence, lines = [], "", None, []
    for line in path.read_text(encoding="utf-8").splitlines():
        if fence is None and (heading := re.match(r"#+ (.*)", line)):
            section = heading[1]
        elif fence is None and line.startswith("```"):
            fence, lines = (line[3:].split() + ["", ""])[:2], []
        elif fence is not None and line == "```":
            found.append(Block(section, *fence, "\n".join(lines) + "\n"))
            fence = None
        elif fence is not None:
            lines.append(line)
    return found


def run(command: list[str], folder: Path, timeout: float) -> str:
    """Runs a command in a folder with the `covary` of this Python first on PATH; gives its output.

    Raises:
        AssertionError: it failed, or took longer than `timeout` seconds.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as error:
        raise AssertionError(f"{command} took longer than {timeout} s: {error.output}") from error
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout
