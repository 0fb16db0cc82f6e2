"""`Replay`: episodes of equal length, drawn from by what was not yet learned of them."""

from __future__ import annotations

import numpy as np

EXPONENT, CORRECTION = 0.6, 0.4
"""Alpha and beta of Schaul et al., "Prioritized Experience Replay" (ICLR 2016), as in TD-MPC."""


class Replay:
    """Views of the arrays that a training keeps: what is written here outlives a kill.

    Args:
        arrays: From `empty`, or what a checkpoint made of them.

    Attributes:
        states: (E, L + 1, n)
        actions: Scaled. (E, L, m)
        costs: Of arriving. (E, L)
    """

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.states, self.actions, self.costs = (
            arrays[f"replay_{name}"] for name in ("states", "actions", "costs")
        )
        self._priority, self._count = arrays["replay_priority"], arrays["replay_count"]

    @staticmethod
    def empty(episodes: int, length: int, horizon: int, n: int, m: int) -> dict[str, np.ndarray]:
        """The arrays for so many episodes of so many periods."""
        return {
            "replay_states": np.zeros((episodes, length + 1, n), np.float32),
            "replay_actions": np.zeros((episodes, length, m), np.float32),
            "replay_costs": np.zeros((episodes, length), np.float32),
            "replay_priority": np.zeros((episodes, length - horizon + 1)),
            "replay_count": np.zeros(1, np.int64),
        }

    @property
    def count(self) -> int:
        """Episodes so far."""
        return int(self._count[0])

    def add(self, states: np.ndarray, actions: np.ndarray, costs: np.ndarray) -> None:
        """Put an episode in, as urgent as the most urgent. (L + 1, n), (L, m), (L,)"""
        at = self.count
        self.states[at], self.actions[at], self.costs[at] = states, actions, costs
        self._priority[at] = max(self._priority[:at].max(initial=0.0), 1.0)
        self._count[0] = at + 1

    def draw(self, rng: np.random.Generator, batch: int) -> tuple[np.ndarray, np.ndarray]:
        """Where stretches of the horizon's length begin, and what each of them counts. (B,), (B,)

        A stretch is drawn the more often the worse its values were foreseen, and counts the less.
        """
        mass = self._priority[: self.count].ravel() ** EXPONENT
        total = np.cumsum(mass)
        found = np.searchsorted(total, rng.random(batch) * total[-1], side="right")
        found = np.minimum(found, len(mass) - 1)
        weight = (len(mass) * mass[found] / total[-1]) ** -CORRECTION
        return found, (weight / weight.max()).astype(np.float32)

    def stretches(
        self, begin: np.ndarray, horizon: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """States, actions and costs from there on. (B, H + 1, n), (B, H, m), (B, H)"""
        episode, first = np.divmod(begin, self._priority.shape[1])
        at = first[:, None] + np.arange(horizon + 1)
        rows = episode[:, None]
        return (
            self.states[rows, at],
            self.actions[rows, at[:, :-1]],
            self.costs[rows, at[:, :-1]],
        )

    def learned(self, begin: np.ndarray, error: np.ndarray) -> None:
        """How badly the values of stretches were foreseen. (B,), (B,)"""
        self._priority.reshape(-1)[begin] = np.clip(error, 1e-4, 1e4)
