"""docs/launch.md is true: its files pass the check, its commands run, and no word is missing."""

import re

import code_blocks
import pytest
from launches import covary, covary_here

from covary.nodes.launching.description import NodeDescription
from covary.nodes.launching.key_values import LEVELS, TYPES
from covary.nodes.launching.launch_grammar import CONDITIONS, KEYS, PARAMETER_KEYS, RECORDS
from covary.nodes.launching.substitution import SUBSTITUTIONS

PAGE = code_blocks.ROOT / "docs" / "launch.md"
BLOCKS = code_blocks.blocks(PAGE)
FILES = [block for block in BLOCKS if block.file]


@pytest.fixture
def place(tmp_path):
    for block in FILES:
        (tmp_path / block.file).write_text(block.text)
    return tmp_path


@pytest.mark.parametrize("file", [b.file for b in FILES if b.text.startswith("launch:")])
def test_its_launch_files_pass_the_check(place, file):
    done = covary_here(place, "check", file)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no errors" in done.stdout


def test_its_commands_run(place):
    (commands,) = [block for block in BLOCKS if block.language == "bash"]
    lines = [line.split("#")[0].split() for line in commands.text.splitlines()]
    for words in lines:
        starts = words[1] == "launch" and "--show-args" not in words
        done = (covary if starts else covary_here)(place, *words[1:])
        assert done.returncode == 0, done.stderr
    assert list(place.glob("runs/talk-*/quiet/listener.json"))


def test_it_names_every_word_of_the_language():
    page = PAGE.read_text(encoding="utf-8")
    words = set(re.findall(r"`([\w-]+):?`", page)) | set(re.findall(r"`([\w-]+): [^`]*`", page))
    wanted = {"launch", *CONDITIONS, *PARAMETER_KEYS, *KEYS, *RECORDS, *LEVELS, *TYPES}
    wanted |= {key for keys in KEYS.values() for key in keys}
    assert sorted(wanted - words) == []
    assert sorted(set(SUBSTITUTIONS) - set(re.findall(r"`\$\(([\w-]+)", page))) == []


def test_its_defaults_are_those_of_the_code():
    page = PAGE.read_text(encoding="utf-8")
    shown = dict(re.findall(r"^\| `([\w-]+)` \|[^|]+\| (\S+) \|$", page, re.MULTILINE))
    node = NodeDescription("a")
    assert len(shown) >= 8
    for key, text in shown.items():
        value = getattr(node, key.removeprefix("x-"), None)
        if text != "made":
            assert text == (f"{value:g}" if not isinstance(value, bool) else str(value).lower())


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\(([^)#:]+)\)", PAGE.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
