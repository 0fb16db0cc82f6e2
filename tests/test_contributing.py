"""Every recipe of CONTRIBUTING works as written: its files are saved, its commands run."""

import itertools

import code_blocks
import pytest

RECIPES = {
    section: list(group)
    for section, group in itertools.groupby(
        code_blocks.blocks(code_blocks.ROOT / "CONTRIBUTING.md"), key=lambda block: block.section
    )
    if section.startswith("Add ")
}


def test_there_is_a_recipe_for_each_kind():
    text = (code_blocks.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for kind in ("a task", "a planner", "a policy", "a node", "an encoder or world model"):
        assert f"## Add {kind}\n" in text


LONG = ("Add an encoder or world model",)
"""Recipes that train something."""
COMPILES = "model:=numba"
"""What stands in a command that compiles kernels; by default the rest of its recipe is run."""
PARTS = [
    *(
        pytest.param(r, COMPILES, id=r, marks=pytest.mark.slow if r in LONG else ())
        for r in sorted(RECIPES)
    ),
    pytest.param("Add a task", None, id="Add a task, whole", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("recipe", "without"), PARTS)
def test_the_recipe_works(recipe, without, tmp_path):
    ran = 0
    for block in RECIPES[recipe]:
        if without and without in block.text and block.language == "bash":
            continue
        if block.file:
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
        else:
            assert block.language == "bash", f"neither a file nor a command: {block}"
            code_blocks.run(["bash", "-euc", block.text], tmp_path, timeout=180)
            ran += 1
    assert ran, "a recipe that runs nothing"
