"""Advice in words from what an audit measured; its thresholds, all of them, are here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..group import Group
from .degrees import Degrees
from .folding import Folding

POWER = 0.5
"""An audit that tells less than this share of exchanged values wrong says nothing."""
WRONG = 0.05
"""A group is wrong from this degree of incorrect equivariance on, unless its interval has 0."""
UNSURE = 0.2
"""A group is not wrong only if less than that is, by the interval."""
BROKEN = 0.5
"""Of what can be judged (correct + incorrect) so much is wrong: nothing is left to relax."""
SLIGHT = 0.02
"""A floor of at most this share of the spread of y costs little, whatever is wrong."""
EXTRINSIC = 0.9
"""From this degree on the data hardly judge the group."""
HARM = 0.02
"""Folding harms if it adds this share of the trivial error, beyond its interval."""

Word = Literal["impose", "relax", "augment", "restrict", "drop", "unknown"]


@dataclass(frozen=True)
class Advice:
    """What to do with a proposed group.

    Attributes:
        word: impose (an exact network), relax (`mode: relaxed`), augment (`mode: free`, with moved
            copies), restrict (impose a subgroup), drop (`mode: free`), or unknown.
        group: Which group that is about: the proposed one, or the subgroup; trivial when dropped.
        amount: How much to relax: the share of what can be judged that is wrong; else 0.
        harmful: Whether folding the data by the group harms: the harmful extrinsic case where
            little is incorrect.
        sentence: All of it in a sentence.
    """

    word: Word
    group: str
    amount: float
    harmful: bool
    sentence: str


def advised(found: Degrees, group: Group, spread: float, fold: Folding | None = None) -> Advice:
    """What to do, from degrees, floor and folding.

    Args:
        found: Under that group.
        group: The proposed one.
        spread: Variance of y over all coordinates; 1 for a label. The floor is judged by it.
        fold: What folding does, if it was tried.
    """
    judged = found.correct + found.incorrect
    amount = found.incorrect / judged if judged > 0 else 0.0
    floor = found.bound / spread if spread > 0 else 0.0
    harmful = fold is not None and fold.change > HARM and fold.interval[0] > 0.0
    name = group.name
    if group.order == 1:
        return Advice("drop", name, 0.0, False, "The trivial group asks nothing of a network.")
    if found.power < POWER and amount < BROKEN:  # what is told wrong is wrong at any power
        said = (
            f"Nothing can be said: values exchanged between samples would be told wrong in "
            f"{100 * found.power:.0f} % only. More data, or fewer coordinates."
        )
        return Advice("unknown", name, 0.0, False, said)
    least, most = found.intervals["incorrect"]
    if found.incorrect < WRONG or not least > 0.0:
        if most > UNSURE:
            said = (
                f"Nothing can be said: up to {100 * most:.0f} % of pairs may be incorrect. More "
                "data, or fewer coordinates."
            )
            return Advice("unknown", name, 0.0, False, said)
        if harmful:
            assert fold is not None
            said = (
                f"Drop {name}: nothing says that it is wrong, but its moved copies lie between "
                f"samples that say otherwise (harmful extrinsic): error {fold.plain:.3g} becomes "
                f"{fold.folded:.3g}."
            )
            return Advice("drop", "trivial", 0.0, True, said)
        if found.extrinsic >= EXTRINSIC:
            said = (
                f"Augment with {name}, or impose it: {100 * found.extrinsic:.0f} % of moved "
                "samples lie where there are no data, and nothing bears it out or speaks against."
            )
            return Advice("augment", name, 0.0, False, said)
        return Advice("impose", name, 0.0, False, f"Impose {name}: {_told(found)}.")
    kept = subgroup(found, group)
    if kept != "trivial":
        said = f"Restrict to {kept}: all its elements are correct; of {name}, {_told(found)}."
        return Advice("restrict", kept, 0.0, harmful, said)
    if amount < BROKEN or floor < SLIGHT:
        said = (
            f"Relax {name} by {amount:.2f}: {_told(found)}, and an exact network cannot err less "
            f"than {100 * floor:.1f} % of the spread."
        )
        return Advice("relax", name, amount, harmful, said)
    said = (
        f"Drop {name}: {_told(found)}; an exact network cannot err less than {100 * floor:.1f} % "
        "of the spread, and augmentation no less."
    )
    return Advice("drop", "trivial", 0.0, harmful, said)


def exact_wins(fold: Folding) -> bool:
    """Whether of two networks of equal size the exact one is expected to err less.

    The floor alone does not say so: a slightly wrong group helps as long as data are few. The plain
    model's error tells what a free network still has to learn from so many demonstrations, the
    folded one's that with |G| times as many and the floor under it. Both are models that learn what
    matters, as networks do; whichever errs less says which network will. No number is fitted.
    """
    return fold.folded < fold.plain


def subgroup(found: Degrees, group: Group) -> str:
    """The largest named subgroup of which no element is wrong, and that some sample bears out."""
    shares = {element.name: element.shares for element in found.elements}
    best, order = "trivial", 1
    for name in group.subgroup_names():
        names = [group.element_names[g] for g in group.subgroup(name) if g]
        right = all(shares[n].incorrect < WRONG for n in names)
        seen = all(shares[n].extrinsic < EXTRINSIC for n in names)
        if right and seen and order < len(names) + 1 < group.order:
            best, order = name, len(names) + 1
    return best


def _told(found: Degrees) -> str:
    return (
        f"{100 * found.correct:.0f} % correct, {100 * found.incorrect:.0f} % incorrect, "
        f"{100 * found.extrinsic:.0f} % extrinsic"
    )
