"""Hostile YAML: launch files, parameter files and name:=value words give one line or a launch."""

import contextlib
import os

import pytest
import yaml
from bounds import COUNTS, QUIET, bounded, outcome
from hypothesis import given, settings
from hypothesis import strategies as st
from yaml_inputs import FILES, PARAMETERS, TOKENS, WORDS, texts

from covary.nodes.launching.launch_file import arguments, read_assignments, resolve
from covary.nodes.launching.substitution import SubstitutionError, substitute
from covary.nodes.launching.variables import Scope
from covary.nodes.launching.yaml_loader import InputError, dump, load_file, load_text, parse_value


def tried(call, *more):
    return outcome(call, InputError, *more, memory=256 * 2**20)


@pytest.mark.parametrize("count", COUNTS)
def test_any_text_is_a_value_or_one_line(tmp_path, count):
    @settings(max_examples=count, **QUIET)
    @given(texts() | st.text(), st.binary(max_size=60))
    def check(text, raw):
        root = tried(lambda: load_text(text, "it.yaml"))
        if root is not None:
            back = load_text(dump(root.python()), "again")
            assert repr(back.python() if back else None) == repr(root.python())
        tried(lambda: parse_value(text, "it"))
        path = tmp_path / "raw.yaml"
        path.write_bytes(raw)
        tried(lambda: load_file(path))

    check()


@pytest.mark.parametrize("count", COUNTS)
def test_any_launch_file_is_a_launch_or_one_line(tmp_path, count):
    (tmp_path / "q.yaml").write_text("launch:\n- arg: {name: c, default: 1}\n")
    path = tmp_path / "it.yaml"

    @settings(max_examples=count, **QUIET)
    @given(texts(), texts(PARAMETERS), WORDS)
    def check(text, parameters, words):
        path.write_text(text.encode("utf-8", "replace").decode())
        (tmp_path / "p.yaml").write_text(parameters.encode("utf-8", "replace").decode())
        tried(lambda: arguments(path))
        tried(lambda: resolve(path))
        given_words = tried(lambda: read_assignments(words)) or {}
        tried(lambda: resolve(path, given_words, {"HOME": "/"}))

    check()


@pytest.mark.parametrize("count", COUNTS)
def test_any_substitution_is_text_or_one_line(tmp_path, count):
    scope = Scope(tmp_path)

    @settings(max_examples=count, **QUIET)
    @given(st.lists(st.sampled_from(TOKENS) | st.text(max_size=3), max_size=15).map("".join))
    def check(text):
        with bounded(), contextlib.suppress(SubstitutionError, InputError):
            assert isinstance(substitute(text, scope), str)

    check()


HARMFUL = [
    "!!python/object/apply:os._exit [3]",
    "a: !!python/object/new:os.system [echo bad]",
    "!!python/name:os.system",
    "!!python/module:os",
    "- !<tag:yaml.org,2002:python/object/apply:os._exit> [3]",
    "%TAG ! tag:yaml.org,2002:python/\n---\n!object/apply:os._exit [3]",
    "!!map {a: 1}",
    "!!binary aGVsbG8=",
    "a: $(eval 1+1)",
    "a: $(command touch bad)",
]


@pytest.mark.parametrize("text", HARMFUL)
def test_nothing_is_ever_constructed(tmp_path, text, monkeypatch):
    """Tags are errors; what would run code is text at most, and an error where it is used."""
    monkeypatch.chdir(tmp_path)

    def never(*args, **kwargs):
        raise AssertionError("YAML constructed something")

    monkeypatch.setattr(yaml.constructor.BaseConstructor, "construct_object", never)
    if text.startswith("a: $"):
        value = text.partition(": ")[2]
        (tmp_path / "it.yaml").write_text(f"launch:\n- let: {{name: a, value: {value!r}}}\n")
        with pytest.raises(InputError, match="not supported: a launch file runs no code"):
            resolve(tmp_path / "it.yaml")
    else:
        with pytest.raises(InputError, match="tag"):
            load_text(text, "it.yaml")
        with pytest.raises(InputError):
            read_assignments([f"a:=[{text}]"])
    assert os.listdir(tmp_path) in ([], ["it.yaml"])


def lets(count, form):
    entries = [f'- let: {{name: a{k + 1}, value: "{form.format(k=k)}"}}' for k in range(count)]
    return "\n".join(["launch:", "- let: {name: a0, value: xxxxxxxx}", *entries])


BOMBS = {
    "aliases": "a0: &a0 [x, x]\n"
    + "\n".join(f"a{k + 1}: &a{k + 1} [*a{k}, *a{k}, *a{k}]" for k in range(40)),
    "an alias inside itself": "launch: &a [*a]",
    "brackets": "[" * 100_000,
    "braces": "{a: " * 100_000,
    "dashes": "- " * 100_000,
    "questions": "? " * 50_000,
    "a long key": "a" * 900_000 + ": 1",
    "a long number": "launch: " + "9" * 900_000,
    "many documents": "---\n" * 100_000,
    "many anchors": "\n".join(f"- &a{k} x" for k in range(10_000)),
    "quotes": "'" * 500_000,
    "spaces": " " * 900_000 + "\t",
    "a folded text": "a: >\n" + "  \n" * 200_000,
    "comments": "#" * 900_000,
    "doubling text": lets(40, "$(var a{k})$(var a{k})"),
    "doubling lists": lets(40, "[$(var a{k}), $(var a{k})]"),
    "doubling lists inside": "launch:\n- let: {name: a0, value: [x, x]}\n"
    + "\n".join(
        f"- let: {{name: a{k + 1}, value: [$(var a{k}), $(var a{k})]}}" for k in range(40)
    ),
    "deep brackets": "launch:\n- let: {name: a, value: " + "$(not " * 5000 + "}",
    "likeness": "launch:\n- let: {name: " + "ab" * 100_000 + ", value: 1}\n- log: {message: "
    + "$(var " + "ba" * 100_000 + ")}",
    "twice": "launch:\n" + "- node: {exec: sim_node, name: a}\n" * 4000,
    "many names": "launch:\n"
    + "".join(f"- arg: {{name: a{k}, default: 1}}\n" for k in range(4000))
    + "- log: {message: $(var b)}",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_costs_little(tmp_path, name):
    path = tmp_path / "it.yaml"
    path.write_text(BOMBS[name])
    assert path.stat().st_size <= 1_000_000
    for call in (load_file, arguments, resolve):
        outcome(lambda call=call: call(path), InputError, cpu_s=20.0, memory=256 * 2**20)


def test_files_that_include_each_other_again_and_again(tmp_path):
    """Twenty files that include the next one twice would be a million."""
    for k in range(20):
        entry = f"- include: {{file: $(dirname)/f{k + 1}.yaml}}\n"
        (tmp_path / f"f{k}.yaml").write_text("launch:\n" + entry * 2)
    (tmp_path / "f20.yaml").write_text("launch: []\n")
    outcome(lambda: arguments(tmp_path / "f0.yaml"), InputError)
    assert outcome(lambda: resolve(tmp_path / "f0.yaml"), InputError) is None


def test_the_tests_see_what_they_look_for(tmp_path):
    """The limits of these tests do bite."""
    with pytest.raises(MemoryError), bounded(memory=64 * 2**20):
        bytearray(128 * 2**20)
    with pytest.raises(BaseException, match="processor time"), bounded(cpu_s=0.05):
        while True:
            pass
    assert len(FILES) >= 4
