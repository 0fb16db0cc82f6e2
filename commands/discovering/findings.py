"""The whole search: the flow, the test of invariance, the transitions; and what may be claimed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...nodes.launching.yaml_loader import InputError
from ...symmetry.audit.claim import AuditError
from ...symmetry.declaration import Symmetry, SymmetryError
from ...symmetry.discovery.cloud import DiscoveryError
from ...symmetry.discovery.cross_check import Checked, by_test_alone, cross_checked
from ...symmetry.discovery.flow import Settings
from ...symmetry.discovery.hypothesis import Hypothesis
from ...symmetry.discovery.outcome import Outcome, search
from ...symmetry.discovery.verification import Verification, verified
from ...symmetry.group import Group, group, o2, so2, so3
from .data import Given, Transitions, samples_of, symmetry_parts

_MOST = 5000
"""Samples that the flow is trained on."""
_TESTED = ("SO2", "O2")
"""Hypotheses whose groups the test of invariance can tell without the flow."""
_SAMPLE = 16
"""Turns by which a continuous group of the plane is verified."""


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found and held to tests.

    Attributes:
        outcome: Of the flow.
        checked: Of the test of invariance; None where there was nothing to test.
        verification: On transitions; None where there are none, or no group.
        group: What is claimed: ``trivial`` where every symmetry is rejected, ``none`` where nothing
            fits or nothing can be told.
        elements: Of it. (m, d, d)
        verdict: ``verified``, ``not verified``, ``none`` or ``too few``.
        words: Why.
        symmetry: A declaration of it, where it was verified and can be declared; else None.
    """

    outcome: Outcome
    checked: Checked | None
    verification: Verification | None
    group: str
    elements: np.ndarray
    verdict: str
    words: str
    symmetry: Symmetry | None = None


def findings(
    given: Given,
    word: str,
    seed: int,
    settings: Settings | None,
    progress: Callable[[int], None],
) -> Findings:
    """Look for the group of what was given.

    Args:
        given: The data.
        word: Of the hypothesis.
        seed: Of all draws.
        settings: Of the flow; None: the usual ones.
        progress: Is told after each update of the flow.

    Raises:
        InputError: The hypothesis does not fit.
    """
    data = given.cloud
    if given.transitions is not None:
        _checked(given.transitions, given.source)
    try:
        seen = data.taken(samples_of(given, _MOST, seed))
        outcome = search(seen, Hypothesis(word), seed, settings, progress)
    except DiscoveryError as error:
        where = "--hypothesis" if "moves" in str(error) else given.source
        raise InputError(str(error), where) from error
    nothing = np.eye(data.dimension)[None]
    found = outcome.snapped
    by_flow = outcome.verdict == "not verified" and found.name != "trivial"
    try:
        if by_flow:
            checked = cross_checked(data, found, outcome.centre, given.episode, seed)
        else:
            checked = by_test_alone(data, word, given.episode, seed) if word in _TESTED else None
    except ValueError as error:
        raise InputError(str(error), given.source) from error
    if not by_flow and (checked is None or checked.verdict != "found"):
        if outcome.verdict != "not verified":
            return Findings(outcome, None, None, "none", nothing, outcome.verdict, outcome.why)
        said = f"the flow leads everything in {word} back to where it was"
        return Findings(outcome, None, None, "trivial", nothing, "none", said)
    assert checked is not None
    if checked.verdict == "cannot be told":
        return Findings(outcome, checked, None, "none", nothing, "too few", checked.words)
    if checked.group == "trivial":
        said = f"the flow found {found.name}, and the test of invariance rejects all of it"
        return Findings(outcome, checked, None, "trivial", nothing, "none", said)
    words = checked.words
    if given.transitions is None:
        said = f"{words}; of a task nothing is known"
        return Findings(
            outcome, checked, None, checked.group, checked.elements, "not verified", said
        )
    symmetry = _declared(given, checked, outcome)
    if symmetry is None:
        said = f"{words}; its axes are not those of a {checked.group} that can be declared"
        return Findings(
            outcome, checked, None, checked.group, checked.elements, "not verified", said
        )
    known = given.transitions
    try:
        said = verified(
            symmetry,
            known.state,
            known.action,
            known.next_state,
            known.reward,
            given.episode,
            seed=seed,
        )
    except (AuditError, SymmetryError) as error:
        raise InputError(str(error), given.source) from error
    both = f"{words}; {said.words}"
    if said.verdict == "refuted":
        return Findings(outcome, checked, said, "none", nothing, "none", both)
    sure = said.verdict == "confirmed"
    verdict = "verified" if sure else "not verified"
    declared = symmetry if sure else None
    return Findings(
        outcome, checked, said, checked.group, checked.elements, verdict, both, declared
    )


def _checked(known: Transitions, source: str) -> None:
    """What verification would stumble over, before the minutes that the flow takes."""
    if not np.abs(known.next_state - known.state).max() > 0.0:
        raise InputError("nothing happens: 'next_state' is 'state' in all rows", source)
    if known.reward is not None:
        if known.reward.shape != (len(known.state),):
            said = f"'reward' is of shape {known.reward.shape}, not ({len(known.state)},)"
            raise InputError(said, source)
        bad = np.flatnonzero(~np.isfinite(known.reward))
        if len(bad):
            raise InputError(
                f"'reward': {len(bad)} rows are not finite, the first is row {bad[0]}", source
            )


def _declared(given: Given, checked: Checked, outcome: Outcome) -> Symmetry | None:
    """The declaration of a group on the parts of the transitions; None: other axes than ours."""
    ours = _ours(checked.group, given.cloud.dimension)
    known = given.transitions
    if ours is None or known is None or not _same(checked, ours, given.cloud.dimension):
        return None
    state = symmetry_parts(list(known.state_parts.values()), outcome.centre)
    try:
        return Symmetry(
            ours, dict(zip(known.state_parts, state, strict=True)), dict(known.action_parts)
        )
    except SymmetryError as error:
        raise InputError(str(error), "--action") from error


def _ours(name: str, dimension: int) -> Group | None:
    continuous = {"SO2": so2(_SAMPLE), "O2": o2(_SAMPLE), "SO3": so3()}
    if name in continuous:
        return continuous[name] if name != "O2" or dimension == 2 else None
    if dimension == 3 and name.startswith("D"):
        return None  # half turns, where ours has mirrors
    return group(name)


def _same(checked: Checked, ours: Group, dimension: int) -> bool:
    """Whether all our elements are among the found ones, as near as they are found."""
    if checked.group == "SO3" or (ours.sample_of and dimension == 2):
        return True
    matrices = ours.plane if dimension == 2 else ours.space
    apart = np.abs(matrices[:, None] - checked.elements[None]).max(axis=(2, 3))
    return bool(apart.min(axis=1).max() < (0.1 if ours.sample_of == "" else 0.2))
