"""Recipes: the files of ours, and what is wrong with one in a line with its place."""

from dataclasses import fields

import pytest

from covary.nodes.launching.launch_file import read_assignments
from covary.nodes.launching.yaml_loader import InputError
from covary.nodes.training.recipe import find_recipe, method_of, read_recipe

NEEDED = ["data:=d", "out:=o"]


def test_every_recipe_of_ours_can_be_read():
    folder = find_recipe("bc").parent
    names = {path.stem for path in folder.glob("*.yaml")}
    assert {"bc", "bc_augmented", "bc_noise"} <= names
    for name in sorted(names):
        kind, _ = method_of(find_recipe(name))
        known = {field.name for field in fields(kind.Parameters)}
        words = [*NEEDED, "task:=reacher"]  # models say of which task a dataset is
        given = [word for word in words if word.partition(":=")[0] in known]
        recipe = read_recipe(find_recipe(name), read_assignments(given))
        assert recipe.parameters.method and recipe.name == f"{name}.yaml"
        assert {"data", "out"}.isdisjoint(recipe.resolved)


def test_the_command_line_is_above_the_file():
    path = find_recipe("bc_augmented.yaml")
    assert read_recipe(path, read_assignments(NEEDED)).parameters.augment
    words = read_assignments([*NEEDED, "augment:=false", "width:=64", "images:=[heightmap]"])
    p = read_recipe(path, words).parameters
    assert (p.augment, p.width, p.images) == (False, 64, ("heightmap",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("method: bc\n\nwidht: 3\n", "r.yaml:3: unknown parameter 'widht'; did you mean width?"),
        ("method: [bc]\n", "r.yaml:1: method: ['bc'] is no name of a method"),
        ("method: bc\nwidth: wide\n", "r.yaml:2: width: 'wide' is not a whole number"),
        ("method: bc\nwidth: 0\n", "r.yaml:2: width: 0 must be at least 1"),
        (
            "method: bc\nwidth: 1000000000\n",
            "r.yaml:2: width: 1000000000 must be at least",
        ),
        ("method: bc\ndepth: 100\nwidth: 4096\n", "r.yaml:3: width: 100 layers of 4096 channels"),
        ("method: bc\nchunk: 1000000000\n", "r.yaml:2: chunk: 1000000000 must be at least 1 and"),
        ("method: bc\nbanks: 0\n", "r.yaml:2: banks: 0 must be at least 1"),
        ("method: bc\nbatch: 10000000000\n", "r.yaml:2: batch: 10000000000 must be at most"),
        ("method: bc\nmode: exacd\n", "r.yaml:2: mode: 'exacd' is none of exact, relaxed, free;"),
        ("method: bc\nexecute: 2\n", "r.yaml:2: execute: 2 actions of a chunk of 1 cannot"),
        ("methd: bc\n", "r.yaml:1: unknown parameter 'methd'; did you mean method?"),
        ("method: bcc\n", "r.yaml:1: method: there is no 'bcc'; did you mean 'bc'?"),
        ("method: demonstrations\n", "r.yaml:1: method: 'demonstrations' is no method of learning"),
        ("method: bc\nmethod: bc\n", "r.yaml:2: key 'method' is given twice"),
        ("- bc\n", "r.yaml:1: no recipe: it must be a mapping"),
        ("launch: []\n", "r.yaml:1: a launch file and no recipe"),
    ],
)
def test_a_mistake_is_a_line_with_its_place(tmp_path, monkeypatch, text, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(InputError) as found:
        read_recipe(find_recipe("./r.yaml"), read_assignments(NEEDED))
    assert said in str(found.value)


def test_what_was_typed_is_named():
    path = find_recipe("bc")
    for words, said in (
        ([], "command line: data:=DIR is needed: the dataset"),
        ([*NEEDED, "widht:=3"], "command line: widht:=3: unknown parameter 'widht'; did you mean"),
        ([*NEEDED, "mode:=loose"], "command line: mode:=loose: mode: 'loose' is none of exact"),
        ([*NEEDED, "method:=vin"], "command line: method: there is no 'vin'"),
    ):
        with pytest.raises(InputError) as found:
            read_recipe(path, read_assignments(words))
        assert said in str(found.value)
    with pytest.raises(InputError, match="no recipe 'cb'"):
        find_recipe("cb")
