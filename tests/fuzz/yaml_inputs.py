"""Hostile YAML: launch files with things changed in them, and text of YAML's own characters."""

from pathlib import Path

from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
FILES = [path.read_text() for path in sorted((ROOT / "launch").rglob("*.yaml"))] + [
    """
launch:
- arg: {name: a, default: 1, choice: [{value: 1}, {value: "2"}]}
- let: {name: b, value: "$(var a)0"}
- group:
    scoped: false
    if: $(equals $(var a) 1)
    children:
    - push_ros_namespace: {namespace: left}
    - set_env: {name: X, value: "$(env HOME none)"}
    - log: {message: "hello $(var b)", level: info}
    - node:
        exec: recorder_node
        name: n
        namespace: /up/$(var a)
        param: [{name: x.y, value: [1, 2.5, yes, {k: v}]}, {from: $(dirname)/p.yaml}]
        remap: [{from: /a, to: /b}]
        env: [{name: E, value: "1"}]
        respawn: true
        respawn_delay: 0.5
        on_exit: shutdown
        x-heartbeat_timeout: 3
- timer: {period: 1.5, children: [{executable: {cmd: "true 'a b'", name: e}}]}
- include: {file: $(dirname)/q.yaml, arg: [{name: c, value: "$(not false)"}]}
""",
]
PARAMETERS = [
    "/**:\n  ros__parameters: {chunk_kb: 64, a.b: 1, c: [1, 2]}\n",
    "n:\n  ros__parameters:\n    topics: [a, b]\n/left/*:\n  ros__parameters: {x: 1}\n",
]
TOKENS = [
    "launch:", "- ", "  ", "\n", ": ", "{", "}", "[", "]", ",", "'", '"', "|", ">", "&a ", "*a",
    "!!python/object/apply:os._exit [3]", "!!python/name:os.system", "!x", "<<: *a", "? ", "---",
    "...", "%YAML 1.1", "\t", "#", "~", "null", "on", "0x", "1e999", "9" * 400, ".nan", "=", "\\",
    "node:", "arg:", "let:", "group:", "include:", "param:", "name", "value", "if", "exec", "from",
    "$(var a)", "$(eval 1)", "$(command id)", "$(", ")", "$(env X", "$(dirname)",
    "$(find-pkg-share", "$(and", "$(var $(var a))", "\\$(", "\0", "\x1b[31m",
    "\u2028", "\ufeff", "\ud7ff", "\x85",
    "é", "😀", "/**", "ros__parameters:", "..", "/", "$(equals 1", "true", "-1", "x-", "children:",
]  # fmt: skip


@st.composite
def texts(draw, files=FILES):
    """A file with some pieces dropped, doubled, moved or put in; or only such pieces."""
    if draw(st.integers(0, 3)) == 0:
        return "".join(draw(st.lists(st.sampled_from(TOKENS) | st.text(max_size=3), max_size=40)))
    text = draw(st.sampled_from(files))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        end = min(len(text), at + draw(st.integers(0, 60)))
        kind = draw(st.sampled_from(["drop", "double", "put", "put", "swap", "indent"]))
        if kind == "drop":
            text = text[:at] + text[end:]
        elif kind == "double":
            text = text[:end] + text[at:end] * draw(st.integers(1, 3)) + text[end:]
        elif kind == "put":
            text = text[:at] + draw(st.sampled_from(TOKENS)) + text[at:]
        elif kind == "swap":
            text = text[:at] + draw(st.sampled_from(TOKENS)) + text[end:]
        else:
            text = text[:at] + "\n" + " " * draw(st.integers(0, 9)) + text[at:]
    return text


WORDS = st.lists(
    st.tuples(
        st.sampled_from(
            ["a", "samples", "planner", "task", "seed", "episodes", "", "é", "realtime"]
        ),
        st.sampled_from([":=", "=", ":", ""]),
        st.sampled_from(TOKENS) | st.text(max_size=20),
    ).map("".join)
    | st.text(max_size=10),
    max_size=4,
)
