"""Lines that repeat: a few in a span of time, then how many were held back."""

import logging

from covary.nodes.repeats import MOST, SPAN_S, Repeats


def test_a_flood_is_told_in_a_few_lines(caplog, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("covary.nodes.repeats.time.monotonic", lambda: now[0])
    log = logging.getLogger("covary.flooded")
    log.addFilter(flood := Repeats())
    try:
        for k in range(1000):
            now[0] = k * 1e-3
            log.warning("refused %d at 100 %%", k)
        log.warning("something else")
        now[0] = SPAN_S + 1.0
        log.warning("refused %d at 100 %%", 1000)
    finally:
        log.removeFilter(flood)
    said = [record.getMessage() for record in caplog.records]
    assert said[:MOST] == [f"refused {k} at 100 %" for k in range(MOST)]
    assert said[MOST:] == [
        "something else",
        f"refused 1000 at 100 % ({1000 - MOST} more like this since the last)",
    ]
