"""docs/safety.md: every test that it names exists, and every fault of the matrix is named there."""

import re

import code_blocks

PAGE = code_blocks.ROOT / "docs" / "safety.md"
TESTS = code_blocks.ROOT / "tests"


def test_every_test_that_is_named_exists():
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text(encoding="utf-8")))
    written = set()
    for file in TESTS.rglob("test_*.py"):
        written |= set(re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.M))
    assert len(named) > 10 and named <= written, named - written


def test_every_fault_is_promised_something():
    page = PAGE.read_text(encoding="utf-8")
    faults = TESTS / "system" / "test_faults.py"
    tests = re.findall(r"^def (test_\w+)", faults.read_text(encoding="utf-8"), re.M)
    unnamed = [name for name in tests if name not in page]
    assert unnamed == ["test_the_record_finds_what_is_unsafe"]  # it tests the judge
