"""Equal representations put side by side, so that a layer is a few large blocks, not many small."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .representation import Representation


def arranged(parts: Sequence[Representation]) -> tuple[Representation, np.ndarray]:
    """A sum of representations in another order: equal ones next to each other.

    Args:
        parts: The representations of the pieces of a vector, one after the other.

    Returns:
        How the group acts on ``x[..., order]``, and `order`. (width,)
    """
    kinds: dict[bytes, list[int]] = {}
    widths = [part.width for part in parts]
    starts = np.concatenate([[0], np.cumsum(widths)])
    for i, part in enumerate(parts):
        kinds.setdefault(np.round(part.matrices + 0.0, 9).tobytes(), []).append(i)
    sums = [len(members) * parts[members[0]] for members in kinds.values()]
    order = [
        column
        for members in kinds.values()
        for i in members
        for column in range(starts[i], starts[i + 1])
    ]
    total = sums[0]
    for one in sums[1:]:
        total = total + one
    return total, np.array(order)
