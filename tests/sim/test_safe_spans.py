"""The plant's record of its safe action: one line a span, whatever the disk does."""

import json
import logging

import numpy as np

from covary.sim.safe_spans import SafeSpans

SAFE = np.zeros(2)
MOVE = np.array([1.0, 0.0])
OK, NO_COMMAND, LATE, REJECTED, STOPPED = range(5)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_a_span_with_the_commands_around_it(tmp_path, caplog):
    path = tmp_path / "sim.safe.jsonl"
    spans = SafeSpans(SAFE, logging.getLogger("covary.test"), path)
    with caplog.at_level(logging.INFO, "covary.test"):
        spans.note(0.0, 0, SAFE, NO_COMMAND, 0.0)
        spans.note(0.1, 0, MOVE, OK, 0.05)
        spans.note(0.2, 0, SAFE, OK, 0.15)  # ordered by the command itself
        spans.note(0.3, 0, SAFE, LATE, 0.15)
        spans.note(0.4, 0, SAFE, LATE, 0.15)
        spans.note(0.8, 0, MOVE, OK, 0.75)
        spans.note(0.9, 0, SAFE, STOPPED, 0.85)
        spans.end(1.0)
    assert [(s["why"], s["begin"], s["end"]) for s in lines(path)] == [
        ("NO_COMMAND", 0.0, 0.1),
        ("COMMANDED", 0.2, 0.3),
        ("LATE", 0.3, 0.8),
        ("STOPPED", 0.9, 1.0),
    ]
    assert [s["last_command"] for s in lines(path)] == [None, 0.15, 0.15, 0.85]
    assert [s["next_command"] for s in lines(path)] == [0.05, None, 0.75, None]
    assert spans.interventions == 2 and abs(spans.seconds - 0.6) < 1e-9
    said = [record.getMessage() for record in caplog.records]
    assert [line.split(",")[0] for line in said] == [
        "t=0.300 s: LATE",
        "t=0.800 s: commands are obeyed again (t=0.750 s)",
        "t=0.900 s: STOPPED",
    ]


def test_lines_wait_for_room_on_the_disk(tmp_path):
    path = tmp_path / "gone" / "sim.safe.jsonl"
    spans = SafeSpans(SAFE, logging.getLogger("covary.test"), path)
    for k in range(3):
        spans.note(k, 0, SAFE, LATE, 0.0)
        spans.end(k + 0.5)
    path.parent.mkdir()
    spans.note(5.0, 0, SAFE, LATE, 0.0)
    spans.end(6.0)
    assert [s["begin"] for s in lines(path)] == [0, 1, 2, 5.0]
    SafeSpans(SAFE, logging.getLogger("covary.test"), None).note(0.0, 0, SAFE, LATE, 0.0)
