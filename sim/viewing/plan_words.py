"""What a planner's diagnostics say of its newest plan, in the words of the page."""

from __future__ import annotations

import math
from collections.abc import Mapping


def plan_words(values: Mapping[str, str]) -> str:
    """One line of what is known: costs, samples that count, iterations, time, exactness.

    Args:
        values: Keys and values of the status ``NODE: plans``; what is no number is left out.
    """
    known = {key: number for key, text in values.items() if (number := _number(text)) is not None}
    said = []

    def say(form: str, *keys: str) -> None:
        if all(key in known for key in keys):
            said.append(form.format(*(known[key] for key in keys)))

    say("cost {:.4g}", "best_cost")
    say("mean {:.4g}", "mean_cost")
    say("{:.3g} of {:.0f} samples count", "effective_samples", "samples")
    say("{:.0f} x", "iterations")
    say("temperature {:.3g}", "temperature")
    say("{:.1f} ms", "latency_ms")
    say("{:.0%} of the budget", "budget_used")
    say("off by {:.1g} under the group", "equivariance_error")
    return ", ".join(said)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
