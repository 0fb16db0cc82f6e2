"""Is a group that the data have one of the task's too? Held-out transitions, or a simulator, say.

A group moves the data into themselves where starts, dynamics and whoever acted go with it, all
three. It is of use where dynamics and reward go with it at the states that occur. So the map
(x, u) -> x' - x is asked twice: its neighbours say at which share of moved transitions it is off,
and a model that was fitted to other episodes says by how much (`transfer.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..audit.claim import AuditError, claim_of
from ..audit.degrees import Degrees, Interval, degrees
from ..declaration import Symmetry
from .transfer import Gain, transferred

Verdict = Literal["confirmed", "refuted", "cannot be told"]

ALLOWED = 0.1
"""Share of supported pairs that may be off in what is confirmed."""
SUPPORTED = 0.5
"""Least share of moved transitions near which there are others."""
REFUTING = 0.05
"""Least share of moved transitions that have to be compared for a refutation."""
POWER = 0.5
"""Least share of pairs that would be off if what is audited had nothing to do with the state."""
GAIN = 0.25
"""What is off by no more than actuators that do this share more on one side is confirmed."""
EXPLAINED = 0.5
"""Least share of the mean square that a model explains, for it to confirm or refute."""
_REPLICATES = 400


@dataclass(frozen=True)
class Check:
    """Of one map, or of one element.

    Attributes:
        name: ``dynamics``, ``reward``, or an element's name.
        verdict: What it is.
        off: Share of pairs (transition, element) at which the map is not equivariant, of those
            that could be compared; NaN where there are none.
        interval: 95 % of it, over episodes.
        compared: Share of pairs that could be compared.
    """

    name: str
    verdict: Verdict
    off: float
    interval: Interval
    compared: float


@dataclass(frozen=True)
class Verification:
    """What transitions or a simulator say of a group.

    Attributes:
        verdict: ``refuted`` if any map is; ``confirmed`` if all are.
        words: Why, in a sentence.
        checks: Map by map.
        elements: Of the dynamics, element by element, the identity left out.
        gains: What a model says of the dynamics, block by block, and then of the reward.
    """

    verdict: Verdict
    words: str
    checks: tuple[Check, ...]
    elements: tuple[Check, ...]
    gains: tuple[Gain, ...] = ()


def verified(
    symmetry: Symmetry,
    state: np.ndarray,
    action: np.ndarray,
    next_state: np.ndarray,
    reward: np.ndarray | None = None,
    episode: np.ndarray | None = None,
    samples: int = 3000,
    seed: int = 0,
) -> Verification:
    """Whether dynamics and reward go with a group on the support of some transitions.

    Args:
        symmetry: The group, and how it acts on states and actions.
        state: (N, n)
        action: (N, m)
        next_state: (N, n)
        reward: (N,)
        episode: Which episode each row is of, in the order of time. (N,)
        samples: At most so many transitions are moved.
        seed: Of their choice and of the bootstrap.

    Raises:
        AuditError: Too few transitions, rows that are not finite, or arrays that do not fit.
        SymmetryError: Arrays of another width than the group acts on.
    """
    state, action = np.asarray(state, float), np.asarray(action, float)
    next_state = np.asarray(next_state, float)
    if len({len(state), len(action), len(next_state)}) > 1 or state.shape != next_state.shape:
        raise AuditError(
            f"state {state.shape}, action {action.shape} and next_state {next_state.shape} "
            "are not transitions of one length"
        )
    x = np.concatenate([state, action], axis=1)
    change = symmetry.difference("state", next_state, state)
    maps = {"dynamics": (change, claim_of(symmetry, "difference", with_action=True))}
    if reward is not None:
        worth = np.asarray(reward, float).reshape(len(x), -1)
        maps["reward"] = worth, claim_of(symmetry, "invariant", with_action=True)
    told = {n: degrees(x, y, claim, episode, samples, seed) for n, (y, claim) in maps.items()}
    checks = tuple(_check(name, found) for name, found in told.items())
    dynamics = told["dynamics"]
    elements = tuple(
        _judged(
            e.name,
            e.shares.incorrect,
            e.intervals["incorrect"],
            e.shares.extrinsic,
            e.intervals["extrinsic"],
            dynamics.power,
        )
        for e in dynamics.elements
    )
    near = _together(symmetry, checks, elements)
    gains = {
        name: transferred(x, y, claim, told[name], episode, seed)
        for name, (y, claim) in maps.items()
    }
    every = tuple(gain for each in gains.values() for gain in each)
    verdict, words = _by_model(symmetry, gains, checks)
    order: tuple[Verdict, ...] = ("refuted", "confirmed", "cannot be told")
    if order.index(near.verdict) <= order.index(verdict):
        verdict, words = near.verdict, near.words
    return Verification(verdict, words, checks, elements, every)


def stepped(
    symmetry: Symmetry,
    step: Callable[[np.ndarray, np.ndarray], np.ndarray],
    state: np.ndarray,
    action: np.ndarray,
    tolerance: float = 1e-3,
    seed: int = 0,
) -> Verification:
    """Whether a simulator's steps go with a group: it steps from x and from gx.

    Args:
        symmetry: The group, and how it acts.
        step: (B, n), (B, m) -> next states (B, n).
        state: Where to step from. (N, n)
        action: (N, m)
        tolerance: A coordinate of next state that differs by more, relative to 1 + its size (SI
            units and rad), is off.
        seed: Of the bootstrap over steps.

    Raises:
        AuditError: No states, or a step to what is not finite.
        SymmetryError: Arrays of another width than the group acts on.
    """
    state, action = np.asarray(state, float), np.asarray(action, float)
    if not len(state):
        raise AuditError("no states to step from")
    here = np.asarray(step(state, action), float)
    order = symmetry.group.order
    wrong = np.zeros((order, len(state)))
    for g in symmetry.group.elements:
        there = np.asarray(step(*symmetry.act(g, state=state, action=action)), float)
        wanted = symmetry.act(g, state=here)
        apart = np.abs(symmetry.difference("state", there, wanted)) / (1.0 + np.abs(wanted))
        if not np.isfinite(apart).all():
            raise AuditError(f"{symmetry.group.element_names[g]}: a step leads to what is no state")
        wrong[g] = (apart > tolerance).any(axis=1)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(state), np.full(len(state), 1.0 / len(state)), _REPLICATES)

    def check(name: str, rows: np.ndarray) -> Check:
        low, high = np.percentile(draws @ rows / len(state), [2.5, 97.5])
        return _judged(name, float(rows.mean()), (float(low), float(high)))

    names = symmetry.group.element_names
    elements = tuple(check(names[g], wrong[g]) for g in range(1, order))
    overall = check("dynamics", wrong[1:].mean(axis=0) if order > 1 else wrong[0])
    return _together(symmetry, (overall,), elements)


def _by_model(
    symmetry: Symmetry, gains: dict[str, tuple[Gain, ...]], checks: tuple[Check, ...]
) -> tuple[Verdict, str]:
    """What models say of all maps, where moved transitions come near others."""
    group = symmetry.group.name
    unclear = ""
    most, where = 0.0, ""
    for check in checks:
        for gain in gains[check.name]:
            name = f"{check.name}, coordinates {', '.join(map(str, gain.coordinates))}"
            clear = gain.explained >= EXPLAINED
            for element, value, (low, high) in gain.elements:
                if clear and low > GAIN and check.compared >= SUPPORTED:
                    words = f"{name}: under {element} it is off as by a gain of {value:.2f}"
                    return (
                        "refuted",
                        f"{group} is not the task's: {words} ({low:.2f} to {high:.2f})",
                    )
            if not clear:
                share = f"{100.0 * max(gain.explained, 0.0):.0f} %"
                unclear = unclear or f"a model explains {share} of {name}"
            elif check.compared < SUPPORTED:
                share = f"{100.0 * check.compared:.0f} %"
                unclear = unclear or f"only {share} of the transitions come near others"
            elif gain.interval[1] > GAIN:
                unclear = unclear or f"{name}: gains up to {gain.interval[1]:.2f} are not seen"
            if gain.interval[1] >= most:
                most, where = gain.interval[1], name
    if unclear:
        return "cannot be told", f"it cannot be told whether {group} holds: {unclear}"
    return "confirmed", f"{group} holds: it is off by a gain of {most:.2f} at most ({where})"


def _check(name: str, found: Degrees) -> Check:
    return _judged(
        name,
        found.incorrect,
        found.intervals["incorrect"],
        found.extrinsic,
        found.intervals["extrinsic"],
        found.power,
    )


def _judged(
    name: str,
    incorrect: float,
    interval: Interval,
    extrinsic: float = 0.0,
    extrinsic_interval: Interval = (0.0, 0.0),
    power: float = 1.0,
) -> Check:
    """The verdict of shares of all pairs; `off` is told of those that could be compared."""
    compared = 1.0 - extrinsic
    if compared <= 0.0:
        return Check(name, "cannot be told", float("nan"), (0.0, 1.0), 0.0)
    low, high = (min(1.0, edge / compared) for edge in interval)
    verdict: Verdict = "cannot be told"
    if low > ALLOWED and compared >= REFUTING:
        verdict = "refuted"
    elif high <= ALLOWED and 1.0 - extrinsic_interval[1] >= SUPPORTED and power >= POWER:
        verdict = "confirmed"
    return Check(name, verdict, min(1.0, incorrect / compared), (low, high), compared)


def _together(
    symmetry: Symmetry, checks: tuple[Check, ...], elements: tuple[Check, ...]
) -> Verification:
    everything = (*checks, *elements)
    order: tuple[Verdict, ...] = ("refuted", "cannot be told", "confirmed")
    worst = min(everything, key=lambda c: (order.index(c.verdict), -np.nan_to_num(c.off)))
    group = symmetry.group.name
    share = f"{100.0 * worst.off:.0f} %, {_percent(worst.interval)}, of what could be compared"
    if worst.verdict == "refuted":
        words = f"{group} is not the task's: {worst.name} is off in {share}"
    elif worst.verdict == "confirmed":
        words = f"{group} holds: {worst.name} is off in {share}"
    elif worst.compared < SUPPORTED:
        words = (
            f"it cannot be told whether {group} holds: under {worst.name} only "
            f"{100.0 * worst.compared:.0f} % of the transitions come near others"
        )
    else:
        words = f"it cannot be told whether {group} holds: {worst.name} is off in {share}"
    return Verification(worst.verdict, words, checks, elements)


def _percent(interval: Interval) -> str:
    return f"{100.0 * interval[0]:.0f} to {100.0 * interval[1]:.0f} %"
