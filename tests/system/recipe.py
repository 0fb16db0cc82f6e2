"""The recipe of docs/hosts.md for TLS with an access list, followed as it is written."""

import re
import shutil
from pathlib import Path

import code_blocks
import pytest

NEEDS_OPENSSL = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="no openssl to make certificates with"
)
BLOCKS = [
    block
    for block in code_blocks.blocks(code_blocks.ROOT / "docs" / "hosts.md")
    if block.section == "TLS with an access list"
]


def follow(place: Path, address: str, port: int) -> list[list[str]]:
    """Makes all files of the recipe, for a robot at this address.

    Returns:
        The arguments of its launches, the robot's and the desk's.
    """
    lines = []
    for block in BLOCKS:
        text = block.text.replace("192.168.1.10", address).replace("7447", str(port))
        if block.file:
            (place / block.file).write_text(text)
        elif "covary launch" in text:
            lines.append(text.split()[2:])
        else:
            assert block.language == "bash", block
            code_blocks.run(["bash", "-euc", text], place, 60)
    return lines


def strangers(place: Path) -> None:
    """A certificate of our authority without an entry, and ``other/desk`` of another authority."""
    (make,) = [block.text for block in BLOCKS if "-keyout ca.key" in block.text]
    make = make[: make.index("certificate robot")]
    other = place / "other"
    other.mkdir()
    code_blocks.run(["bash", "-euc", f"{make}\ncertificate desk DNS:desk"], other, 60)
    make = re.sub(r"(?m)^openssl req -x509.*\n", "", make)
    code_blocks.run(["bash", "-euc", f"{make}\ncertificate stranger DNS:stranger"], place, 60)
