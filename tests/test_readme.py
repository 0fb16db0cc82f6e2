"""README tells the truth: its first code block runs, its commands and its links exist."""

import re
import sys

import code_blocks
from in_process import covary_here

README = code_blocks.ROOT / "README.md"


def test_the_first_code_block_runs(tmp_path):
    first = code_blocks.blocks(README)[0]
    assert first.language == "python"
    assert "launch" not in first.text
    assert len(first.text.splitlines()) == 10
    output = code_blocks.run([sys.executable, "-P", "-c", first.text], tmp_path, timeout=120)
    assert re.fullmatch(r"cost \d+\.\d{3}, arrived: (True|False)\n", output)


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\(([^)#:]+)\)", README.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (code_blocks.ROOT / link).exists()] == []


def test_the_test_command_is_the_one_of_ci():
    assert "`make test`" in README.read_text(encoding="utf-8")
    assert (code_blocks.ROOT / ".ci" / "run").read_text(encoding="utf-8").endswith("make test\n")


def test_every_command_shown_exists():
    from covary.commands.main import main  # noqa: F401 (it must import)

    shown = set()
    for block in code_blocks.blocks(README):
        if block.language == "bash":
            shown |= set(re.findall(r"^covary (\w+)", block.text, re.MULTILINE))
    assert shown
    commands = {file.stem for file in (code_blocks.ROOT / "commands").glob("*.py")}
    assert sorted(shown - commands) == []


def test_every_launch_argument_shown_is_declared(tmp_path):
    for block in code_blocks.blocks(README):
        for file, rest in re.findall(r"^covary launch (\S+\.yaml)(.*)", block.text, re.MULTILINE):
            wanted = set(re.findall(r"(\w+):=", rest.split("#")[0]))
            if wanted:
                shown = covary_here(tmp_path, "launch", file, "--show-args").stdout
                assert sorted(wanted - set(re.findall(r"\w+", shown))) == []
