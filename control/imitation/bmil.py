"""`BMIL`: imitates demonstrations, and what a backwards model imagines before them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..policies.network import Batch
from ..policies.size import check_counts
from .augmentation import Augmentation
from .backwards_model import BackwardsModel, Draws, Spread
from .demonstrations import Demonstrations
from .forward_model import ForwardModel
from .imagined import StateCloning, transitions_of
from .traces import Keep, Traces, consistent, grow, steps_at, within

_FIELDS = ("state", "action", "next_state", "source", "step")


class BMIL(StateCloning):
    """Behaviour cloning on demonstrations and on traces that lead back to them.

    Park and Wong, "Robust Imitation of a Few Demonstrations with a Backwards Model" (NeurIPS
    2022): a model of what came before a state is fitted to the demonstrations; from every
    demonstrated state it imagines a way there, which the policy imitates too, so that it finds
    back from beside the demonstrated path. Traces grow longer as training goes on.

    Beyond the paper: with a symmetry the model is equivariant, or the transitions are moved by the
    group before it sees them (`augment`); members of an ensemble grow traces of their own; a trace
    ends where a forward model does not lead back to it, or where it leaves the workspace. The
    demonstrations never change, so the model is fitted once, to the end, and not anew every epoch.
    """

    @dataclass(frozen=True, kw_only=True)
    class Parameters(StateCloning.Parameters):
        """Parameters of BMIL."""

        updates_per_epoch: int = 100
        """Updates between two growths; the traces before are forgotten."""
        first_steps: int = 1
        """Steps of a trace at the start."""
        last_steps: int = 10
        """Steps of a trace at the end."""
        lengthen_from: float = 0.125
        """Share of the training after which they grow longer."""
        spread: Spread = "published"
        """How far actions are drawn from their mean: published ((-scale log v) v, a variance in
        the place of a deviation) or deviation (scale times the standard deviation)."""
        spread_scale: float = 10.0
        """Its scale."""
        least_spread: float = 0.0
        """Their least standard deviation, in units of their limits, however sure the model is."""
        persistence: float = 0.0
        """How alike two draws of a trace, one after the other, are: 0 not at all, 1 the same."""
        state_scale: float = 1.0
        """Of the deviation that states are drawn with; 0: a trace goes by their mean."""
        unseen: tuple[str, ...] = ()
        """Coordinates of the later state that the backwards model does not look at, by a word in
        their names: velocity, spin. Where velocities follow actions at once they tell which action
        was done, and no trace can leave the demonstrated way."""
        ensemble: int = 1
        """Backwards models; each trace is one's."""
        consistency: float = 0.0
        """A trace ends where a forward model leads so many typical steps away; 0: nowhere."""
        margin: float = 0.0
        """A trace ends outside the box of the demonstrated states, widened by this share of its
        sides; 0: nowhere."""
        model_depth: int = 3
        """Their hidden layers."""
        model_steps: int = 2000
        """Most updates of each model; it is kept as it was best on the validation data."""
        model_patience: int = 5
        """Looks at the validation data, one each 100 updates, without a gain before it ends."""

        def __post_init__(self) -> None:
            super().__post_init__()
            check_counts(model_depth=self.model_depth, ensemble=self.ensemble)
            if not 0.0 <= self.persistence <= 1.0:
                raise ValueError(f"persistence: {self.persistence} must lie between 0 and 1")
            for name in ("updates_per_epoch", "first_steps", "last_steps"):
                if getattr(self, name) < 1:
                    raise ValueError(f"{name}: {getattr(self, name)} must be at least 1")

    def __init__(
        self,
        training: Demonstrations,
        validation: Demonstrations,
        parameters: Any,
        device: torch.device,
    ) -> None:
        super().__init__(training, validation, parameters, device)
        p, seen = parameters, self.network.seen
        symmetry = seen.restrict(p.symmetry)
        self.models: list[BackwardsModel] = []
        self.forward: list[ForwardModel] = []
        self.unseen = unseen_of(p.unseen, training.state_names)
        for k in range(p.ensemble):
            model = BackwardsModel(
                seen, symmetry, p.mode, p.model_width, p.model_depth, self.unseen
            )
            forward = ForwardModel(seen, symmetry, p.mode, p.model_width, p.model_depth)
            for kind, one in (("backwards", model), ("forward", forward)):
                one.fit_normaliser(self.transitions[0], self.transitions[2])
                self.modules[f"{kind}_{k}"] = one.to(device)
            self.models.append(model)
            self.forward.append(forward)
        self.moves = Augmentation(seen.restrict(p.symmetry if p.augment else "none"))
        self.keep = self._filters()

    @property
    def prelude(self) -> str:
        """The models are fitted first."""
        each = 2 if self.parameters.consistency else 1
        count = each * self.parameters.ensemble
        models = f"{count} models are" if count > 1 else "the backwards model is"
        return f"first {models} fitted, by at most {count * self.parameters.model_steps} updates"

    def update(self, step: int, rng: np.random.Generator) -> dict[str, float]:
        """One batch; before the first of an epoch traces are grown anew."""
        p = self.parameters
        if step == 0:
            self._fit_models(rng)
        if step % p.updates_per_epoch == 0:
            self._grow(step / p.steps, rng)
        figures = self.fit.update(self._batch(rng))
        return figures | {"traces": float(len(self.memory["trace_state"]))}

    # The models.

    def _fit_models(self, rng: np.random.Generator) -> None:
        p, held_out = self.parameters, transitions_of(self.validation)
        fitted: list[Any] = [*self.models, *(self.forward if p.consistency else [])]
        for model in fitted:
            optimizer = torch.optim.AdamW(model.parameters(), p.model_learning_rate, fused=True)
            best, kept, since = math.inf, None, 0
            for update in range(p.model_steps):
                optimizer.zero_grad(set_to_none=True)
                model.loss(*self._drawn(rng, 256)).backward()
                optimizer.step()
                if (update + 1) % 100 == 0:
                    with torch.no_grad():
                        loss = float(model.loss(*held_out))
                    since = 0 if loss < best - 1e-3 * abs(best) else since + 1
                    if loss < best:
                        best = loss
                        kept = {k: v.clone() for k, v in model.state_dict().items()}
                    if since > p.model_patience:
                        break
            if kept:
                model.load_state_dict(kept)

    def _drawn(self, rng: np.random.Generator, rows: int) -> tuple[np.ndarray, ...]:
        """Transitions, moved by random elements where the recipe says so."""
        state, action, after = self.transitions
        rows_ = rng.integers(len(state), size=rows)
        g = self.moves.elements[rng.integers(len(self.moves.elements), size=rows)]
        before, done, _ = self.moves.moved(g, state[rows_], action[rows_])
        return before, done, self.moves.moved(g, after[rows_], action[rows_])[0]

    def _filters(self) -> Sequence[Keep]:
        p, found = self.parameters, []
        seen = self.network.seen
        if p.margin:
            orbit = np.concatenate(
                [self.moves.moved(np.full(len(self.training), g), self.training.state,
                                  self.training.action)[0] for g in self.moves.elements]
            )  # fmt: skip
            low, high = orbit.min(axis=0), orbit.max(axis=0)
            wider = p.margin * (high - low)
            # What goes round has no box, and what never moved is the model's noise beside it.
            free = seen.symmetry.affine("state")[2] | (high - low < 1e-6)
            low, high = np.where(free, -np.inf, low - wider), np.where(free, np.inf, high + wider)
            found.append(within(low, high))
        if p.consistency:
            scale = self.models[0].scale.double().cpu().numpy()

            def forward(state: np.ndarray, action: np.ndarray) -> np.ndarray:
                return np.mean([one.next_state(state, action) for one in self.forward], axis=0)

            found.append(consistent(forward, seen.symmetry, scale, p.consistency, self.unseen))
        return found

    # The traces.

    def _grow(self, progress: float, rng: np.random.Generator) -> None:
        p = self.parameters
        steps = steps_at(progress, p.first_steps, p.last_steps, p.lengthen_from)
        state, action = self.training.state, self.training.action
        g = self.moves.elements[rng.integers(len(self.moves.elements), size=len(state))]
        ends = self.moves.moved(g, state, action)[0]
        limits = self.training.task.limits
        draws = Draws(p.spread, p.spread_scale, p.least_spread, p.persistence, p.state_scale)
        traces: Traces = grow(self.models, ends, steps, rng, limits, draws, self.keep)
        for name in _FIELDS:
            self.memory[f"trace_{name}"] = getattr(traces, name)

    def _batch(self, rng: np.random.Generator) -> Batch:
        """Demonstrated ticks, and ticks of the traces where any were believed."""
        found = len(self.memory["trace_state"])
        if not found:
            return self.batches.draw(rng)

        def imagined(rows: int) -> tuple[np.ndarray, np.ndarray]:
            chosen = rng.integers(found, size=rows)
            return self.memory["trace_state"][chosen], self.memory["trace_action"][chosen]

        return self.mixed(rng, imagined)


def unseen_of(words: Sequence[str], names: Sequence[str]) -> list[int]:
    """Where coordinates stand whose names have one of the words in them."""
    return [i for i, name in enumerate(names) if any(word in name for word in words)]
