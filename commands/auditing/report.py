"""The figures of an audit: of the actions or labels, the dynamics, the reward, and the advice."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from ...nodes.launching.yaml_loader import in_a_line
from ...symmetry.audit.advice import Advice, advised, exact_wins
from ...symmetry.audit.asked import asked
from ...symmetry.audit.bound import ValueBound, recorded, simulated
from ...symmetry.audit.claim import AuditError, Claim, Values, claim_of
from ...symmetry.audit.degrees import Degrees, degrees
from ...symmetry.audit.folding import Folding, folding
from ...symmetry.audit.images import claim_of_images, fitted
from ...symmetry.declaration import Symmetry
from .simulated import World
from .source import Source

DEGREES = ("correct", "incorrect", "extrinsic")
_ARRAYS = {
    "actions": "action",
    "labels": "label",
    "dynamics": "next_state less state",
    "reward": "reward",
}
"""What the values of a map are made of."""
PAIRS = "pairs"
"""How pairs are told as long as single ones can be."""
SIMULATED = 200
"""States and actions at which a plant is asked at most."""
FOLDED = 3000
"""Samples that are folded at most."""
LEARNED = 0.9
"""Models that err by more than this share of the spread have learned nothing to compare."""


def audited(
    source: Source | None,
    symmetry: Symmetry,
    samples: int,
    seed: int,
    gamma: float,
    rho: float | None,
    world: World | None = None,
) -> tuple[dict[str, Any], Degrees]:
    """All that data, and a simulator where there is one, say of a symmetry.

    Args:
        source: The data; None: a task without an expert.
        symmetry: What is proposed.
        samples: At most so many are moved.
        seed: Of all draws.
        gamma: Discount of the bound on values.
        rho: Slope of V*; None: estimated.
        world: The task's plant.

    Returns:
        The report, which JSON can hold, and the degrees of its main map.

    Raises:
        AuditError: Of the main map: of the simulator, else actions, labels, dynamics.
    """
    maps: dict[str, tuple[Degrees, Advice, Folding | None]] = {}
    refused: dict[str, str] = {}
    value: ValueBound | None = None
    wins: bool | None = None
    if world is not None:
        states, actions = world.sampled(min(samples, SIMULATED), seed)
        maps["simulator"] = _asked(world, symmetry, states, actions, seed)
        value = simulated(symmetry, world.step, world.reward, states, actions, gamma, rho)
    for name, x, y, values in _maps(source, symmetry) if source is not None else ():
        assert source is not None
        try:
            claim = claimed(source, symmetry, values, with_action=x is not source.state)
            found = degrees(x, y, claim, source.episode, samples, seed)
            fold = None
            if name in ("actions", "labels"):  # what a network would be fitted to
                fold = folding(x, y, claim, source.episode, min(samples, FOLDED), seed)
            spread = 1.0 if claim.label else float(_rows(y).var(axis=0).sum())
            maps[name] = found, advised(found, symmetry.group, spread, fold), fold
            if name == "actions" and fold and min(fold.plain, fold.folded) < LEARNED * spread:
                if symmetry.group.order > 1:  # else both are the same network
                    wins = exact_wins(fold)
        except AuditError as error:
            said = str(error).replace("values:", f"{_ARRAYS[name]}:")
            if not maps:
                raise AuditError(said) from None
            refused[name] = said
    if value is None and source is not None and source.action is not None:
        if source.reward is not None and source.next_state is not None:
            try:
                value = recorded(
                    symmetry, source.state, source.action, source.next_state, source.reward,
                    gamma, rho, source.episode, samples, seed,
                )  # fmt: skip
            except AuditError as error:
                refused["value"] = str(error)
    main = next(iter(maps))
    report = _told(*maps[main], source if main == "actions" else None)
    report |= {
        "map": main,
        "group": symmetry.group.name,
        "value": None if value is None else asdict(value),
        "exact_wins": wins,
        "maps": {name: _told(*one, None) for name, one in maps.items() if name != main},
        "refused": refused,
    }
    return report, maps[main][0]


def claimed(source: Source, symmetry: Symmetry, values: Values, with_action: bool) -> Claim:
    """That a map of a source's states goes with a symmetry, of pixels or of declared parts."""
    pixels = source.pixels
    if pixels is None:
        return claim_of(symmetry, values, with_action)
    encoder = pixels.encoder or fitted(source.state.reshape(-1, *pixels.shape))
    return claim_of_images(symmetry, values, pixels.shape, encoder)


def _maps(source: Source, symmetry: Symmetry) -> list[tuple[str, np.ndarray, np.ndarray, Values]]:
    """What depends on what in the data: name, x, y and how the group acts on y."""
    found: list[tuple[str, np.ndarray, np.ndarray, Values]] = []
    if source.action is not None:
        found.append(("actions", source.state, source.action, "action"))
    if source.label is not None:
        found.append(("labels", source.state, source.label, "label"))
    if source.next_state is None and source.reward is None:
        return found
    x = source.state
    if source.action is not None and len(source.action) == len(x):
        x = np.concatenate([_rows(x), _rows(source.action)], axis=1)
    if source.next_state is not None and np.shape(source.next_state) == np.shape(source.state):
        if _rows(source.state).shape[1] == symmetry.width("state"):
            change = symmetry.difference("state", _rows(source.next_state), _rows(source.state))
            found.append(("dynamics", x, change, "difference"))
    elif source.next_state is not None:
        raise AuditError(
            f"next_state: its shape is {np.shape(source.next_state)}, not {np.shape(source.state)}"
        )
    if source.reward is not None:
        found.append(("reward", x, source.reward, "invariant"))
    return found


def _rows(array: np.ndarray) -> np.ndarray:
    try:
        found = np.asarray(array, float)
    except (TypeError, ValueError):
        raise AuditError("state, action and next_state hold what are no numbers") from None
    return found[:, None] if found.ndim == 1 else found


def _asked(
    world: World, symmetry: Symmetry, states: np.ndarray, actions: np.ndarray, seed: int
) -> tuple[Degrees, Advice, None]:
    n = states.shape[1]

    def change(both: np.ndarray) -> np.ndarray:
        x, u = both[:, :n], both[:, n:]
        return symmetry.difference("state", world.step(x, u), x)

    both = np.concatenate([states, actions], axis=1)
    claim = claim_of(symmetry, "difference", with_action=True)
    found = asked(change, both, claim, seed)
    spread = float(change(both).var(axis=0).sum())
    return found, advised(found, symmetry.group, spread), None


def _told(
    found: Degrees, advice: Advice, fold: Folding | None, source: Source | None
) -> dict[str, Any]:
    """What one map has to say, the numbers that are asked for first."""
    names = source.action_names if source is not None and source.action is not None else ()
    if len(names) != len(found.coordinates):
        names = tuple(str(k) for k in range(len(found.coordinates)))
    return {
        **{name: getattr(found, name) for name in DEGREES},
        "bound": found.bound,
        "intervals": {**found.intervals, "bound": found.bound_interval},
        "elements": {
            element.name: {**asdict(element.shares), "intervals": element.intervals}
            for element in found.elements
        },
        "coordinates": dict(zip(names, found.coordinates.tolist(), strict=True)),
        "steps": [None if np.isnan(row).any() else row.tolist() for row in found.steps],
        "worst": [asdict(frame) for frame in found.worst],
        "reach": found.reach if np.isfinite(found.reach) else None,
        "tolerance": found.tolerance,
        "by": found.by,
        "power": found.power,
        "departure": found.departure,
        "departure_interval": found.departure_interval,
        "samples": found.samples,
        "episodes": found.episodes,
        "folding": None if fold is None else asdict(fold),
        "advice": asdict(advice),
    }


def in_words(report: dict[str, Any]) -> list[str]:
    """What there is to say below the table."""
    lines = [f"{report['map']}: {report['advice']['sentence']}"]
    lines += [f"{name}: {one['advice']['sentence']}" for name, one in report["maps"].items()]
    told = [n for n, one in {report["map"]: report, **report["maps"]}.items() if one["by"] != PAIRS]
    if told:
        lines.append(f"by means, since neighbours tell single pairs too badly: {', '.join(told)}")
    if report["exact_wins"] is not None:
        of_actions = report if report["map"] == "actions" else report["maps"]["actions"]
        fold, first = of_actions["folding"], report["exact_wins"]
        lines.append(
            f"policies cloned from this: {'an exact' if first else 'a free'} one should err less "
            f"than {'a free' if first else 'an exact'} one of equal size (a model errs by "
            f"{fold['plain']:.3g}, its {report['group']}-equivariant twin by {fold['folded']:.3g})"
        )
    value = report["value"]
    if value is not None:
        lines.append(
            f"|Q*(s,a) - Q*(gs,ga)| <= {value['bound']:.3g} with gamma {value['gamma']:g}, "
            f"epsilon_R {value['epsilon_reward']:.3g}, epsilon_P {value['epsilon_dynamics']:.3g} "
            f"({value['metric']}), rho {value['rho']:.3g} ({value['rho_from']}); any process with "
            f"these rewards: {value['trivial']:.3g}"
        )
    lines += [f"{name}: not audited: {in_a_line(why)}" for name, why in report["refused"].items()]
    return lines
