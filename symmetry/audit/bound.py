"""How far a decision process is from a symmetric one, and what that costs its values.

With ``|R(s, a) - R(gs, ga)| <= eps_R`` and ``d(P(s, a), g^-1 P(gs, ga)) <= eps_P``, optimal values
obey ``|Q*(s, a) - Q*(gs, ga)| <= (eps_R + gamma rho eps_P) / (1 - gamma)`` (Park et al.,
"Approximate Equivariance in Reinforcement Learning", 2025). Here d is the Wasserstein-1 distance,
over states of which each coordinate counts in units of its spread, so rho is the slope of V* by
that distance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..declaration import Symmetry
from .claim import NEAR, AuditError, claim_of, mixed
from .degrees import PERCENTILE
from .neighbours import LEAST_SAMPLES, Neighbours, checked_episodes, checked_rows, spread

METRIC = "Wasserstein-1 over states, each coordinate in units of its spread, angles in rad"


@dataclass(frozen=True)
class ValueBound:
    """What a departure from symmetry can cost.

    Attributes:
        epsilon_reward: Largest difference of rewards.
        epsilon_dynamics: Largest distance of what comes next.
        rho: Slope of V* by that distance.
        gamma: Discount.
        bound: On |Q*(s, a) - Q*(gs, ga)|; at most `trivial`.
        trivial: What holds of any process with these rewards: their range / (1 - gamma).
        metric: Of epsilon_dynamics.
        rho_from: Where rho comes from.
        largest: Over what epsilons are the largest.
        elements: epsilon_reward and epsilon_dynamics of each element but the identity.
        supported: Share of moved pairs at which the data say something; 1 of a simulator.
    """

    epsilon_reward: float
    epsilon_dynamics: float
    rho: float
    gamma: float
    bound: float
    trivial: float
    metric: str
    rho_from: str
    largest: str
    elements: dict[str, tuple[float, float]]
    supported: float


def simulated(
    symmetry: Symmetry,
    step: Callable[[np.ndarray, np.ndarray], np.ndarray],
    reward: Callable[[np.ndarray, np.ndarray], np.ndarray],
    states: np.ndarray,
    actions: np.ndarray,
    gamma: float = 0.99,
    rho: float | None = None,
) -> ValueBound:
    """The bound at sampled states, each moved and simulated beside itself.

    Args:
        symmetry: What is proposed.
        step: (states (B, n), actions (B, m)) -> next states (B, n); deterministic.
        reward: The same -> (B,), of the next state or not.
        states: (N, n)
        actions: (N, m)
        gamma: Discount, below 1.
        rho: Slope of V*; None: estimated.

    Raises:
        AuditError: Arrays that do not fit or are not finite.
    """
    states, actions = _checked(symmetry, states, actions)
    after = np.asarray(step(states, actions), float)
    rewards = np.asarray(reward(states, actions), float).reshape(-1)
    unit, elements = _unit(symmetry, states), {}
    for g in symmetry.group.elements:
        if not g:
            continue
        moved = symmetry.act(g, state=states, action=actions)
        apart = symmetry.difference("state", step(*moved), symmetry.act(g, state=after))
        off = np.sqrt(np.square(apart / unit).sum(axis=1))
        paid = np.abs(np.asarray(reward(*moved), float).reshape(-1) - rewards)
        if not (np.isfinite(off).all() and np.isfinite(paid).all()):
            raise AuditError(
                f"{symmetry.group.element_names[g]}: the simulator is not finite there"
            )
        elements[symmetry.group.element_names[g]] = (float(paid.max()), float(off.max()))
    said = f"over {len(states)} sampled states and actions"
    return _bound(symmetry, states, actions, rewards, elements, gamma, rho, said, 1.0)


def recorded(
    symmetry: Symmetry,
    states: np.ndarray,
    actions: np.ndarray,
    next_states: np.ndarray,
    rewards: np.ndarray,
    gamma: float = 0.99,
    rho: float | None = None,
    episode: np.ndarray | None = None,
    samples: int = 5000,
    seed: int = 0,
) -> ValueBound:
    """The bound from transitions: a moved pair is compared to the mean of its nearest neighbours.

    The largest of few neighbours' means would be the estimator's noise. So epsilons are the 95th
    percentile of differences, less what the identity shows; and of chance they see the mean alone.

    Args:
        symmetry: What is proposed.
        states: (N, n)
        actions: (N, m)
        next_states: (N, n)
        rewards: (N,)
        gamma: Discount, below 1.
        rho: Slope of V*; None: estimated.
        episode: As of `degrees`. (N,)
        samples: At most so many pairs are moved.
        seed: Of their choice.

    Raises:
        AuditError: Too few samples, arrays that do not fit or are not finite, or no moved pair
            with a neighbour.
    """
    states, actions = _checked(symmetry, states, actions)
    count = len(states)
    if count < LEAST_SAMPLES:
        raise AuditError(f"{count} transitions are too few: an audit needs {LEAST_SAMPLES}")
    after = checked_rows("next_state", next_states, count)
    paid = checked_rows("reward", rewards, count)[:, 0]
    change = symmetry.difference("state", after, states)
    both, claim = np.concatenate([states, actions], axis=1), claim_of(symmetry, "difference", True)
    assert claim.embed is not None
    chosen = np.arange(count)
    if count > samples:
        chosen = np.sort(np.random.default_rng(seed).choice(count, samples, replace=False))
    points = claim.embed(both)
    scale, unit = spread(points, claim.units), _unit(symmetry, states)
    near = Neighbours(points / scale, checked_episodes(episode, count), chosen)
    told: list[tuple[float, float]] = []
    reach, seen = 0.0, []
    for g in symmetry.group.elements:
        away, found = near.near(claim.embed(claim.move(g, both[chosen])) / scale)
        reach = reach or NEAR * float(np.percentile(away, PERCENTILE)) + 1e-9
        here = away <= reach
        seen.append(here.mean())
        apart = (change[found].mean(axis=1) - claim.carry(g, change[chosen])) / unit
        off = np.sqrt(np.square(apart).sum(axis=1))
        lost = np.abs(paid[found].mean(axis=1) - paid[chosen])
        some = [
            float(np.percentile(e[here], PERCENTILE)) if here.any() else 0.0 for e in (lost, off)
        ]
        told.append((some[0], some[1]))
    if len(seen) > 1 and not max(seen[1:]):
        raise AuditError("no moved pair has a transition near it: nothing is said of the dynamics")
    names = symmetry.group.element_names
    elements = {
        names[g]: (max(r - told[0][0], 0.0), max(p - told[0][1], 0.0))
        for g, (r, p) in enumerate(told)
        if g
    }
    said = f"95th percentile over {len(chosen)} transitions, less the identity's"
    supported = float(np.mean(seen[1:])) if len(seen) > 1 else 1.0
    return _bound(symmetry, states, actions, paid, elements, gamma, rho, said, supported)


def _bound(
    symmetry: Symmetry,
    states: np.ndarray,
    actions: np.ndarray,
    rewards: np.ndarray,
    elements: dict[str, tuple[float, float]],
    gamma: float,
    rho: float | None,
    said: str,
    supported: float,
) -> ValueBound:
    if not 0.0 <= gamma < 1.0:
        raise AuditError(f"gamma: {gamma:g} must be from 0 to below 1")
    rho_from = "given"
    if rho is None:
        slope = _slope(symmetry, states, actions, rewards)
        rho, rho_from = (
            slope / (1.0 - gamma),
            (
                "95th percentile of the reward's slope between neighbours, over 1 - gamma: "
                "dynamics that bring states no further apart"
            ),
        )
    trivial = float(np.ptp(rewards)) / (1.0 - gamma)
    paid = max((r for r, _ in elements.values()), default=0.0)
    off = max((p for _, p in elements.values()), default=0.0)
    bound = min((paid + gamma * rho * off) / (1.0 - gamma), trivial)
    return ValueBound(
        epsilon_reward=paid,
        epsilon_dynamics=off,
        rho=float(rho),
        gamma=gamma,
        bound=bound,
        trivial=trivial,
        metric=METRIC,
        rho_from=rho_from,
        largest=said,
        elements=elements,
        supported=supported,
    )


def _slope(
    symmetry: Symmetry, states: np.ndarray, actions: np.ndarray, rewards: np.ndarray
) -> float:
    """Of the reward between each pair and its nearest others."""
    some = np.arange(min(len(states), 2000))
    if len(some) <= LEAST_SAMPLES // 5:
        return float(np.ptp(rewards))
    claim = claim_of(symmetry, "difference", True)
    assert claim.embed is not None
    points = claim.embed(np.concatenate([states, actions], axis=1)[some])
    points = points / spread(points, claim.units)
    _, found = Neighbours(points, None, some).near(points)
    far = np.sqrt(np.square(points[found] - points[:, None]).sum(axis=2))
    apart = np.abs(rewards[some][found] - rewards[some][:, None])
    slopes = apart[far > 1e-9] / far[far > 1e-9]
    return float(np.percentile(slopes, PERCENTILE)) if len(slopes) else 0.0


def _unit(symmetry: Symmetry, states: np.ndarray) -> np.ndarray:
    """Of each coordinate of a state. (n,)"""
    matrices, _, angles = symmetry.affine("state")
    return np.where(angles, 1.0, spread(states, mixed(matrices)))


def _checked(
    symmetry: Symmetry, states: np.ndarray, actions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    states = checked_rows("state", states)
    actions = checked_rows("action", actions, len(states))
    for space, rows in (("state", states), ("action", actions)):
        width = symmetry.width(space)  # type: ignore[arg-type]
        if rows.shape[1] != width:
            raise AuditError(f"{space}: {rows.shape[1]} coordinates; its parts have {width}")
    return states, actions
